import asyncio

import pytest

from simulators.demo.script import Progress, Script, Step, StepFailed
from simulators.demo.snapshot import Feed, StepState


def script(*steps: Step) -> Script:
    return Script(steps, lambda: 1_792_166_400.0, Feed())


async def passing(_: Progress) -> str:
    return "seen"


async def failing(_: Progress) -> str:
    raise StepFailed("expected 10, got 9")


async def never(progress: Progress) -> str:
    progress.detail = "9 of 10"
    await asyncio.Event().wait()
    return ""


async def test_a_step_begins_when_those_it_needs_have_ended() -> None:
    order: list[str] = []

    def noting(name: str) -> Step:
        async def effect(_: Progress) -> str:
            order.append(name)
            return ""

        return Step(name, name, effect, () if name == "first" else ("first",))

    await script(noting("first"), noting("second"), noting("third")).run()
    assert order[0] == "first"
    assert sorted(order[1:]) == ["second", "third"]


async def test_a_step_whose_need_failed_is_not_tried_unless_it_asks_to_be() -> None:
    played = script(
        Step("a", "a", failing),
        Step("b", "b", passing, ("a",)),
        Step("c", "c", passing, ("b",), after_failure=True),
    )
    await played.run()
    assert [(r.name, r.passed) for r in played.results()] == [
        ("a", False),
        ("b", False),
        ("c", True),
    ]
    assert played.results()[0].detail == "expected 10, got 9"
    assert "a failed" in played.results()[1].detail


async def test_a_step_without_effect_fails_at_its_deadline_and_says_what_it_saw_last() -> None:
    played = script(Step("a", "a", never, seconds=0.05))
    await played.run()
    result = played.results()[0]
    assert not result.passed
    assert "9 of 10" in result.detail


async def test_giving_up_fails_what_has_not_ended() -> None:
    begun = asyncio.Event()

    async def stuck(_: Progress) -> str:
        begun.set()
        return await never(_)

    played = script(Step("a", "a", passing), Step("b", "b", stuck, ("a",)))
    running = asyncio.create_task(played.run())
    await begun.wait()
    assert played.steps[1].state is StepState.RUNNING
    running.cancel()
    await asyncio.wait([running])
    played.give_up("gateway ended by itself")
    assert [(r.name, r.passed, r.detail) for r in played.results()] == [
        ("a", True, "seen"),
        ("b", False, "gateway ended by itself"),
    ]


def test_a_step_cannot_need_a_later_one() -> None:
    with pytest.raises(ValueError, match="come not before"):
        script(Step("a", "a", passing, ("b",)), Step("b", "b", passing))
