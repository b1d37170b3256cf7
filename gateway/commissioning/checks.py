"""What is asked of one lamppost without anybody's help: its link, its clock, its configuration."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.commissioning.results import Result, Verdict
from gateway.errors import BadReply, LinkUnavailable, NodeRefused, NoReply, SealBroken
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic
from protocol import configuration, messages, records, smp
from protocol.errors import ProtocolError

# What a conversation with a lamppost may end in.
FAILURES: Final = (NoReply, LinkUnavailable, NodeRefused, BadReply, SealBroken)
_ASKED: Final = 10
# A line that is well wired loses none; this many of them are a matter for somebody with a meter.
_MOST_LOST: Final = 1
_WEAK_DBM: Final = -85
_CLOCK_S: Final = 5


@dataclass(frozen=True)
class Quality:
    """How a link answers: requests answered of those made, and the median time, s."""

    answered: int
    asked: int
    median_s: float


async def status(lamppost: Lamppost) -> dict[str, Any]:
    """STATUS, sealed; noted with the lamppost. Raises FAILURES and BufferUnavailable."""
    found = await management.status(lamppost)
    lamppost.take_facts(found, time.monotonic())
    return found


async def link(lamppost: Lamppost, now: int) -> tuple[Quality, Result, int | None]:
    """(figures, how well it is reached, dBm where it tells), by several requests made once each.

    Raises BufferUnavailable.
    """
    kind = lamppost.session.route.best.kind
    times: list[float] = []
    why = ""
    for _ in range(_ASKED):
        began = time.monotonic()
        try:
            await management.status(lamppost, 1)
        except FAILURES as error:
            why = str(error)
        else:
            times.append(time.monotonic() - began)
    found = Quality(len(times), _ASKED, statistics.median(times) if times else 0.0)
    signal = await _signal(lamppost, kind) if times else None
    text = f"{kind}: {found.answered} of {found.asked} answered"
    if times:
        text += f", {found.median_s * 1000:.0f} ms"
    if signal is not None:
        text += f", {signal} dBm"
    if found.asked - found.answered > _MOST_LOST:
        action = "look at the line's ends (120 ohm), its wires and its length"
        if kind != "bus":
            action = "move the aerial, or give it another link"
        return found, Result(Verdict.FAIL, f"{text}: {why}"[:300], action, now), signal
    if signal is not None and signal < _WEAK_DBM:
        weak = Result(Verdict.PASS, f"{text}, which is weak", "move the aerial", now)
        return found, weak, signal
    return found, Result(Verdict.PASS, text, at=now), signal


def clock(told: int, before: int, after: int) -> Result:
    """Whether the lamppost's clock is right: `told` between street times `before` and `after`.

    All Unix seconds; 0 is a street time that is not known.
    """
    if not after:
        return Result(
            Verdict.FAIL, "this gateway does not know the time", "set its clock (NTP)", after
        )
    if told < records.CLOCK_EPOCH:
        return Result(
            Verdict.WAITING, "its clock is not set yet", "the next poll sets it; look again", after
        )
    error = max(before - told, told - after, 0)
    if error > _CLOCK_S:
        return Result(
            Verdict.FAIL, f"its clock is {error} s off", "look again; else restart it", after
        )
    return Result(Verdict.PASS, "right", at=after)


def applied(facts: Mapping[str, Any], desired: Mapping[str, Any], now: int) -> Result:
    """Whether it has the configuration that the city wants of it.

    desired: {"state", "reason"} as `Configurations.describe` gives it.
    """
    text = f"version {facts['configuration_version']}"
    if desired["state"] == "refused":
        return Result(
            Verdict.FAIL, f"the lamppost refuses it: {desired['reason']}"[:300],
            "have the desk correct it", now,
        )  # fmt: skip
    if desired["state"] == "pending":
        return Result(Verdict.WAITING, f"{text}; another is on its way", "look again", now)
    if facts.get("safe_mode"):
        return Result(Verdict.FAIL, f"{text}, in safe mode", "have the desk look at it", now)
    return Result(Verdict.PASS, text, at=now)


async def values(lamppost: Lamppost) -> dict[str, Any]:
    """The effective configuration that the lamppost has. Raises FAILURES and BufferUnavailable."""
    request = smp.pack(
        smp.OP_READ, smp.GROUP_SETTINGS, 0, smp.SETTINGS_READ_WRITE, {"name": "configuration"}
    )
    body = await lamppost.session.ask(request, Traffic.POLL)
    document = body.get("val")
    try:
        if not isinstance(document, bytes):
            raise ProtocolError("configuration: expected a byte string")
        return configuration.effective(configuration.parse_document(document)[1])
    except ProtocolError as error:
        raise BadReply(str(error)) from error


async def _signal(lamppost: Lamppost, kind: str) -> int | None:
    request = smp.pack(smp.OP_READ, smp.GROUP_STREET, 0, messages.LINKS, {})
    try:
        rows = messages.parse_links_reply(await lamppost.session.ask(request, Traffic.POLL))[2]
    except (*FAILURES, ProtocolError):
        return None  # a release that does not tell
    for code, *_, dbm, _ in rows:
        if code < len(messages.LINK_NAMES) and messages.LINK_NAMES[code] == kind and dbm:
            return dbm
    return None
