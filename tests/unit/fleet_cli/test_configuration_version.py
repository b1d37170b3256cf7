"""The next configuration version, whatever anybody has reported."""

import pytest

from fleet_cli import topics
from fleet_cli.configuration.document import Document
from fleet_cli.configuration.push import Push
from fleet_cli.fleet import Fleet
from protocol import configuration


def fleet(*versions: int) -> Fleet:
    found = Fleet()
    for number, version in enumerate(versions):
        leaf = "desired/configuration" if number % 2 else "reported"
        inner = b'{"version": %d, "digest": "", "values": {}}' % version
        body = inner if number % 2 else b'{"configuration": %s}' % inner
        assert found.absorb(topics.lamppost("g", f"{number:012x}", leaf), body)
    return found


@pytest.mark.parametrize(
    ("seen", "following"),
    [
        ((), 1),
        ((0,), 1),
        ((3, 7, 5), 8),
        ((4294967295,), 1),
        ((0, 4294967295), 1),
        ((7, 6, 4294967295, 4294967294), 8),
        ((9, 2**53 - 1), 10),
        ((1_000_000, 5), 1_000_001),
    ],
)
def test_push_takes_the_next_above_all_that_can_be_ours(
    seen: tuple[int, ...], following: int
) -> None:
    assert Push(fleet(*seen), (), Document({}, "")).version == following


def test_next_version_fits_on_the_link_even_behind_a_ladder_of_outliers() -> None:
    ladder = fleet(*range(0, 2**32, 1_000_000), 2**32 - 1)
    version = Push(ladder, (), Document({}, "")).version
    assert configuration.parse_document(configuration.document(version, {})) == (version, {})
