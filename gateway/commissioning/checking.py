"""All that can be found out about a lamppost without a person's eyes, and what a person adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.clock import StreetClock
from gateway.commissioning import checks, light, sensors
from gateway.commissioning.jobs import Job
from gateway.commissioning.results import Result, Verdict
from gateway.errors import GatewayError
from gateway.lampposts.lamppost import Lamppost

_SEEN: Final = ", and seen"
_NOT_SEEN: Final = ", but not seen"


class NotDone(GatewayError):
    """Nobody can have seen it: it has not been done."""


async def everything(
    post: Lamppost, job: Job, desired: Callable[[bytes], dict[str, Any]], clock: StreetClock
) -> tuple[dict[str, Result], int | None]:
    """(results by step, dBm of its link where it tells); `job` is told how far it is.

    A lamppost that does not answer at all has a result for its link alone.
    Raises checks.FAILURES and BufferUnavailable.
    """
    job.text = "link"
    quality, result, signal = await checks.link(post, clock.now())
    if not quality.answered:
        return {"link": result}, None
    job.text = "clock and configuration"
    before = clock.now()
    facts = await checks.status(post)
    now = clock.now()
    job.text = "sensors"
    values = await checks.values(post)
    found = {
        "link": result,
        "identity": Result(Verdict.PASS, "it proved its key under seal", at=now),
        "clock": checks.clock(facts["time"], before, now),
        "configuration": checks.applied(facts, desired(post.node), now),
        "faults": sensors.faults(post.newest, now),
        **sensors.results(values, post.newest, facts["uptime"], now),
    }
    job.text = "done"
    return found, signal


def confirmed(step: str, result: Result | None, saw_it: bool, now: int) -> Result:
    """The `result` of "blink" or "light", and what a person says of it. Raises NotDone."""
    if result is None or step not in ("blink", "light"):
        raise NotDone(f"{step} has not been done yet")
    if step == "light":
        if result.verdict is Verdict.FAIL and not result.text.endswith(_NOT_SEEN):
            raise NotDone("the levels were not reached; do it again")
        text = result.text.removesuffix(_SEEN).removesuffix(_NOT_SEEN)
        if saw_it:
            return Result(Verdict.PASS, f"{text}{_SEEN}", at=now)
        return Result(Verdict.FAIL, f"{text}{_NOT_SEEN}", light.LOOK_AT, now)
    if saw_it:
        return Result(Verdict.PASS, f"blinked{_SEEN}", at=now)
    return Result(
        Verdict.FAIL, f"told to blink{_NOT_SEEN}", "another may have blinked: compare the label",
        now,
    )  # fmt: skip
