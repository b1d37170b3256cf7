"""A script of steps, each tried once, timed, and passed only when its effect was seen."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from simulators.demo.children import ChildFailed
from simulators.demo.snapshot import Feed, Mood, StepLine, StepState
from simulators.demo.summary import StepResult

_LOOK_SECONDS = 0.1


class StepFailed(Exception):
    """A step's effect did not show; the message says what was expected and what was seen."""


@dataclass
class Progress:
    """How far a running step is, for the view."""

    detail: str = ""


Effect = Callable[[Progress], Awaitable[str]]
"""Does one step and waits for its effect; returns what was seen, raises StepFailed."""


@dataclass
class Step:
    """One step of the script.

    Attributes:
        name: short name, for the summary.
        title: what it does, in a few words.
        effect: does it.
        needs: names of steps that must have ended before it begins.
        seconds: machine time after which it is given up.
        after_failure: run it even when a step it needs has failed.
    """

    name: str
    title: str
    effect: Effect
    needs: Sequence[str] = ()
    seconds: float = 60.0
    after_failure: bool = False
    state: StepState = StepState.WAITING
    progress: Progress = field(default_factory=Progress)
    began: float = 0.0
    result: StepResult | None = None

    def line(self, now: float) -> StepLine:
        """How it is shown at machine time ``now``."""
        seconds = self.result.seconds if self.result else (now - self.began if self.began else 0.0)
        detail = self.result.detail if self.result else self.progress.detail
        return StepLine(self.title, self.state, detail, seconds)


class Script:
    """Runs steps, each as soon as those it needs have ended.

    Args:
        steps: in the order in which they are listed.
        street: tells street time, UTC epoch seconds.
        feed: told when a step begins and ends.
    """

    def __init__(self, steps: Sequence[Step], street: Callable[[], float], feed: Feed) -> None:
        names = [step.name for step in steps]
        for place, step in enumerate(steps):
            unknown = set(step.needs) - set(names[:place])
            if unknown:
                raise ValueError(f"step {step.name} needs {unknown}, which come not before it")
        self.steps = list(steps)
        self._street = street
        self._feed = feed
        self._ended = {name: asyncio.Event() for name in names}

    async def run(self) -> None:
        """Run all steps to their ends, passed or failed."""
        async with asyncio.TaskGroup() as group:
            for step in self.steps:
                group.create_task(self._run(step), name=f"step {step.name}")

    def lines(self) -> tuple[StepLine, ...]:
        """The steps as they are shown now."""
        now = time.monotonic()
        return tuple(step.line(now) for step in self.steps)

    def results(self) -> list[StepResult]:
        """What came of the steps that have ended, in their order."""
        return [step.result for step in self.steps if step.result is not None]

    def give_up(self, reason: str) -> None:
        """Call every step that has not ended failed, for ``reason``; the run must have ended."""
        street = self._street()
        for step in self.steps:
            if step.result is None:
                seconds = round(time.monotonic() - step.began, 1) if step.began else 0.0
                step.result = StepResult(
                    step.name, step.title, False, reason, street, street, seconds
                )
                step.state = StepState.FAILED

    async def _run(self, step: Step) -> None:
        for name in step.needs:
            await self._ended[name].wait()
        failed = [
            other.name
            for other in self.steps
            if other.name in step.needs and other.state is StepState.FAILED
        ]
        step.began, began = time.monotonic(), self._street()
        step.state = StepState.RUNNING
        if failed and not step.after_failure:
            passed, detail = False, f"not tried, since {' and '.join(failed)} failed"
        else:
            self._feed.say(began, f"{step.title} ...")
            passed, detail = await self._try(step)
        step.result = StepResult(
            step.name,
            step.title,
            passed,
            detail,
            began,
            self._street(),
            round(time.monotonic() - step.began, 1),
        )
        step.state = StepState.PASSED if passed else StepState.FAILED
        self._feed.say(
            self._street(),
            f"{step.title}: {detail}" if passed else f"{step.title} FAILED: {detail}",
            Mood.GOOD if passed else Mood.BAD,
        )
        self._ended[step.name].set()

    async def _try(self, step: Step) -> tuple[bool, str]:
        try:
            async with asyncio.timeout(step.seconds):
                return True, await step.effect(step.progress)
        except TimeoutError:
            said = f"; last seen: {step.progress.detail}" if step.progress.detail else ""
            return False, f"its effect did not show within {step.seconds:.0f} s{said}"
        except (StepFailed, ChildFailed) as error:
            return False, str(error)


async def until(
    condition: Callable[[], bool],
    progress: Progress,
    detail: Callable[[], str] = lambda: "",
    every: float = _LOOK_SECONDS,
) -> None:
    """Wait until ``condition`` holds, keeping the detail fresh; the step has the deadline."""
    while not condition():
        progress.detail = detail()
        await asyncio.sleep(every)
    progress.detail = detail()
