"""Which gateways and lampposts --group means."""

from __future__ import annotations

import pytest

from fleet_cli.commands.lamp_groups import GroupTarget, group_target
from fleet_cli.errors import BadInput


def test_a_group_goes_to_gateways_that_are_named_or_to_all() -> None:
    assert group_target("3", None, ["cabinet-*"], None, False) == GroupTarget(3, ("cabinet-*",))
    everywhere = group_target("all", None, None, None, True)
    assert everywhere == GroupTarget(0, ("*",))
    assert everywhere.word == "all"
    assert group_target("16", None, None, None, True).word == "16"


@pytest.mark.parametrize(
    ("group", "nodes", "gateways", "labels", "everyone", "told"),
    [
        ("17", None, None, None, True, "expected 1 to 16, or all"),
        ("0", None, None, None, True, "expected 1 to 16, or all"),
        ("\u00b2", None, None, None, True, "expected 1 to 16, or all"),
        ("3", None, None, None, False, "needs either --gateway, or --all"),
        ("3", None, ["a"], None, True, "needs either --gateway, or --all"),
        ("3", ["high-street-1"], None, None, True, "contradicts names"),
        ("3", None, ["a"], ["name=x"], False, "contradicts names"),
    ],
)
def test_a_group_that_cannot_be_is_refused(
    group: str,
    nodes: list[str] | None,
    gateways: list[str] | None,
    labels: list[str] | None,
    everyone: bool,
    told: str,
) -> None:
    with pytest.raises(BadInput, match=told):
        group_target(group, nodes, gateways, labels, everyone)
