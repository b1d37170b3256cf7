"""A step passes for the effect it shows, and for nothing else."""

from types import SimpleNamespace
from typing import Any

import pytest

from simulators.demo.script import Progress, StepFailed
from simulators.demo.steps import new_program

NODES = ["024067156601", "024067156602"]
SUNRISE = 1000.0


class Lamps:
    """A track on which the lamps have these levels at each look; the last ones stay."""

    def __init__(self, *looks: tuple[int, ...]) -> None:
        self._looks = list(looks)

    def follow(self) -> None:
        if len(self._looks) > 1:
            self._looks.pop(0)

    def of(self, node: str) -> Any:
        return SimpleNamespace(level=self._looks[0][NODES.index(node)])


class Desk:
    """The command line of a city whose push always succeeds."""

    async def expect(self, *_: str) -> Any:
        return {"version": 2}


def stage(tmp_path: Any, lamps: Lamps, now: float) -> Any:
    applied = SimpleNamespace(configuration=SimpleNamespace(version=2, state="applied"))
    return SimpleNamespace(
        nodes=NODES,
        with_radio=SimpleNamespace(node=NODES[1], provision=SimpleNamespace(name="Lime Walk 02")),
        folder=tmp_path,
        cli=Desk(),
        watch=SimpleNamespace(reported=lambda _: applied),  # pyright: ignore[reportUnknownLambdaType]
        track=lamps,
        street=SimpleNamespace(clock=SimpleNamespace(street=lambda: now)),
    )


async def test_the_new_program_passes_when_every_lamp_follows_it(tmp_path: Any) -> None:
    lamps = Lamps((70, 70), (35, 70), (35, 35))
    said = await new_program(SUNRISE, stage(tmp_path, lamps, SUNRISE - 1), Progress())
    assert said.endswith("2 lamps follow it")


@pytest.mark.parametrize(("levels", "count"), [((0, 0), 0), ((0, 80), 1)])
async def test_the_new_program_fails_when_the_night_ends_before_every_lamp_follows(
    tmp_path: Any, levels: tuple[int, ...], count: int
) -> None:
    with pytest.raises(StepFailed, match=rf"expected 2 lamps at a level .*, got {count};"):
        await new_program(SUNRISE, stage(tmp_path, Lamps(levels), SUNRISE + 1), Progress())
