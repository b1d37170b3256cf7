"""Which tasks a node gets, and what the lamp believes of presence while one cannot be made."""

from types import SimpleNamespace
from typing import Any

import pytest

from firmware.node import parts, tasks
from protocol import configuration


class Supervisor:
    def __init__(self) -> None:
        self.made: dict[str, Any] = {}

    def add(self, name: str, make: Any, *_: Any) -> None:
        self.made[name] = make


class Board:
    """A board that has none of its parts wired."""

    def __getattr__(self, name: str) -> Any:
        def missing() -> None:
            raise OSError(f"no pins for {name}")

        return missing


def node_with(**fitted: int) -> Any:
    values = {f"parts/{name}": code for name, code in fitted.items()}
    return SimpleNamespace(
        settings=SimpleNamespace(values=configuration.effective(values)),
        supervisor=Supervisor(),
        board=Board(),
        clock=None,
        log=None,
        lamp=SimpleNamespace(seen=lambda: None, guide=SimpleNamespace(watched=None)),
        server=SimpleNamespace(proven=0),
    )


@pytest.mark.parametrize(
    ("task", "presence"),
    [("presence", parts.PIR_PAIR), ("presence", parts.LD2410), ("people", parts.COUNTER)],
)
def test_with_a_sensor_that_cannot_be_made_nobody_is_believed_to_be_watched_for(
    task: str, presence: int
) -> None:
    node = node_with(presence=presence, people=parts.VL53L1X)
    tasks.add(node)
    with pytest.raises(OSError, match="no pins"):
        node.supervisor.made[task]()
    assert node.lamp.guide.watched is not None, "it would idle all night"
    assert not node.lamp.guide.watched()


def test_with_a_counter_for_presence_and_none_fitted_neighbours_tell() -> None:
    node = node_with(presence=parts.COUNTER, people=parts.NONE)
    tasks.add(node)
    assert "people" not in node.supervisor.made
    assert node.lamp.guide.watched is not None, "it would idle all night"
