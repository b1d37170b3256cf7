"""Whether every part that a lamppost has says something that can be.

What is fitted is what its configuration says; where that leaves it to the board, a part is known by
its records, or by the lamppost's own complaint that they are missing.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.commissioning.results import Result, Verdict
from gateway.lampposts.newest import Newest
from protocol import records

# What this looks at.
STEPS: Final = ("air", "climate", "gas", "footfall", "meter", "photocell")
_BOARDS: Final = 0
_NONE: Final = 1
_FIRST: Final = 2
# Records come a little after their period; parts take a while to settle.
_SLACK_S: Final = 90
# The first record after a start covers less than its period: low coverage says nothing here.
_CODES: Final = {
    "frozen": records.FLAG_FROZEN,
    "out of range": records.FLAG_OUT_OF_RANGE,
    "part fault": records.FLAG_PART_FAULT,
}


@dataclass(frozen=True)
class _Part:
    step: str
    field: str
    kind: int
    period: str
    judge: Callable[[dict[str, int]], tuple[str, str]]


def results(
    values: Mapping[str, Any], newest: Newest, uptime_s: int, now: int
) -> dict[str, Result]:
    """By step, how each part is.

    values: the effective configuration; uptime_s: of the lamppost; now: street time, Unix seconds.
    Parts that are not there have no result.
    """
    found: dict[str, Result] = {}
    for part in _PARTS:
        result = _look(part, values, newest, uptime_s, now)
        if result is not None:
            found[part.step] = result
    if values["parts/photocell"] >= _FIRST:
        found["photocell"] = Result(
            Verdict.SKIPPED,
            "fitted; its readings do not leave the lamppost",
            "cover it by day: after photocell/delay a photocell program lights the lamp",
            now,
        )
    return found


def faults(newest: Newest, now: int) -> Result:
    """Whether the lamppost says that its lamp is at fault."""
    names = [records.FAULTS.get(code, f"fault {code}") for code in sorted(newest.faults)]
    if names:
        return Result(
            Verdict.FAIL, f"the lamppost reports: {', '.join(names)}",
            "look at lamp, driver and wiring", now,
        )  # fmt: skip
    return Result(Verdict.PASS, "none reported", at=now)


def _look(
    part: _Part, values: Mapping[str, Any], newest: Newest, uptime_s: int, now: int
) -> Result | None:
    code = values[part.field]
    if code == _NONE:
        return None
    if part.kind in newest.lost:
        why = "missing" if newest.lost[part.kind] == records.EVENT_SENSOR_LOST else "not credible"
        return Result(
            Verdict.FAIL, f"the lamppost says that it is {why}",
            "look at its plug, its supply, and parts/ in the configuration", now,
        )  # fmt: skip
    body = newest.measured.get(part.kind)
    if body is None:
        # What came before this gateway listened has been acknowledged, and is gone.
        heard_s = min(uptime_s, time.monotonic() - newest.since)
        return _no_record(code, values[part.period] + _SLACK_S, heard_s, now)
    _, ends, fields = records.decode(body)
    named = dict(zip((f[0] for f in records.KINDS[part.kind][1]), fields, strict=True))
    text, wrong = part.judge(named)
    age = f", {max(0, now - ends)} s ago" if ends >= records.CLOCK_EPOCH and now else ""
    bad = [name for name, flag in _CODES.items() if named.get("flags", 0) & flag]
    wrong = wrong or ", ".join(bad)
    if wrong:
        return Result(Verdict.FAIL, f"{text}{age}: {wrong}", "look at the part, then again", now)
    if part.kind == records.PEOPLE and not newest.people:
        return Result(
            Verdict.WAITING, f"{text}{age}",
            f"walk below it; it tells within {values[part.period]} s", now,
        )  # fmt: skip
    return Result(Verdict.PASS, f"{text}{age}", at=now)


def _no_record(code: int, within_s: int, heard_s: float, now: int) -> Result:
    left = math.ceil(within_s - heard_s)
    if left > 0:
        return Result(Verdict.WAITING, "no reading yet", f"one should come within {left} s", now)
    if code >= _FIRST:
        return Result(
            Verdict.FAIL, f"no reading within {within_s} s",
            "look at its plug, and at parts/ in the configuration", now,
        )  # fmt: skip
    return Result(
        Verdict.SKIPPED, "no reading, and no complaint of one missing",
        "if this board has one, look at its plug", now,
    )  # fmt: skip


def _air(v: dict[str, int]) -> tuple[str, str]:
    text = f"PM2.5 {v['pm25'] / 10:.1f}, PM10 {v['pm10'] / 10:.1f} ug/m3"
    return text, "more than is ever outdoors" if v["pm25"] > 10_000 else ""


def _climate(v: dict[str, int]) -> tuple[str, str]:
    text = f"{v['temperature'] / 100:.1f} C, {v['humidity'] / 100:.0f} %"
    if v["pressure"]:
        text += f", {v['pressure'] / 100:.0f} hPa"
    if not -4000 <= v["temperature"] <= 6000:
        return text, "a temperature that cannot be"
    return text, "" if not v["pressure"] or 80_000 <= v["pressure"] <= 110_000 else "pressure"


def _gas(v: dict[str, int]) -> tuple[str, str]:
    wrong = "" if -500 <= v["no2"] <= 10_000 else "beyond what is ever in a street"
    return f"NO2 {v['no2'] / 10:.1f} ppb", wrong


def _footfall(v: dict[str, int]) -> tuple[str, str]:
    text = f"{v['towards'] + v['away']} people in {v['period']} s"
    coverage = v["coverage"] / 10
    return f"{text}, watched {coverage:.0f} %", "hardly watched" if v["coverage"] < 500 else ""


def _meter(v: dict[str, int]) -> tuple[str, str]:
    text = f"{v['voltage'] / 10:.1f} V, {v['power'] / 10:.1f} W, {v['total'] / 1000:.1f} kWh"
    return text, "" if 850 <= v["voltage"] <= 2900 else "no mains voltage"


_PARTS: Final = (
    _Part("air", "parts/air", records.AIR, "air/period", _air),
    _Part("climate", "parts/climate", records.CLIMATE, "air/period", _climate),
    _Part("gas", "parts/gas", records.GAS, "air/period", _gas),
    _Part("footfall", "parts/people", records.PEOPLE, "people/period", _footfall),
    _Part("meter", "parts/meter", records.ENERGY, "energy/period", _meter),
)
