"""The night as the city knows it: time series out of the records in the city store."""

import statistics
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from protocol import records
from protocol.errors import ProtocolError

_PM25 = records.field(records.AIR, "pm25")

Series = list[tuple[float, float]]
"""(street time in UTC epoch seconds, value), in time order."""


@dataclass
class LamppostNight:
    """What one lamppost sent.

    Attributes:
        node: node id.
        name: what staff call it.
        levels: dimming level wanted in %, at each change.
        power: mean active power in W, at the end of each metering period.
        pm25: mean PM2.5 in ug/m3, at the end of each period.
        people: (time, towards, away), at the end of each period.
        energy_wh: energy over the metered periods, Wh.
        boots: times it started, as its log says.
    """

    node: str
    name: str
    levels: Series = field(default_factory=Series)
    power: Series = field(default_factory=Series)
    pm25: Series = field(default_factory=Series)
    people: list[tuple[float, int, int]] = field(default_factory=list[tuple[float, int, int]])
    energy_wh: float = 0.0
    boots: int = 0


def read_night(
    rows: Iterable[tuple[str, bytes]], names: dict[str, str], start: float, end: float
) -> list[LamppostNight]:
    """Collect the series of each lamppost in ``names`` (node id to name), in that order.

    Args:
        rows: (node id, record as sent), in any order.
        names: the lampposts of the street.
        start: UTC epoch seconds; records before are left out, as are those of an unset clock.
        end: UTC epoch seconds; records after are left out.
    """
    nights = {node: LamppostNight(node, name) for node, name in names.items()}
    for node, body in rows:
        night = nights.get(node)
        if night is None:
            continue
        try:
            kind, time, values = records.decode(body)
        except ProtocolError:
            continue  # no record to draw: the evidence counts it, and fails the night
        if kind == records.BOOT:
            night.boots += 1
        if max(start, records.CLOCK_EPOCH) <= time <= end:
            _collect(night, kind, float(time), values)
    for night in nights.values():
        for series in (night.levels, night.power, night.pm25, night.people):
            series.sort(key=lambda point: point[0])
    return list(nights.values())


def _collect(night: LamppostNight, kind: int, time: float, values: Sequence[Any]) -> None:
    if kind == records.LAMP:
        # The level it goes to: the one it has is still that of before the ramp.
        night.levels.append((time, float(values[2])))
    elif kind == records.AIR:
        night.pm25.append((time, values[_PM25] / 10))
    elif kind == records.PEOPLE:
        night.people.append((time, int(values[1]), int(values[2])))
    elif kind == records.ENERGY:
        watts = values[4] / 10
        night.power.append((time, watts))
        night.energy_wh += watts * values[0] / 3600


def at(series: Series, time: float) -> float | None:
    """Value of a stepping series at ``time``; None before its first point."""
    place = bisect_right(series, time, key=lambda point: point[0])
    return series[place - 1][1] if place else None


def grid(start: float, end: float, step: float) -> list[float]:
    """Times from ``start`` to ``end`` every ``step`` seconds, both ends included."""
    count = max(1, round((end - start) / step))
    return [start + (end - start) * number / count for number in range(count + 1)]


@dataclass(frozen=True)
class Spread:
    """Lowest, middle and highest over the lampposts at one moment."""

    time: float
    low: float
    middle: float
    high: float


def spread(
    many: Sequence[Series], times: Sequence[float], hold: float | None = None
) -> list[Spread]:
    """How the lampposts differ: minimum, median, maximum at each of ``times``.

    Args:
        many: one stepping series for each lamppost.
        times: where to look.
        hold: seconds a value is good for; None for ever. Lampposts with none are left out.
    """
    result: list[Spread] = []
    for time in times:
        values: list[float] = []
        for series in many:
            place = bisect_right(series, time, key=lambda point: point[0])
            if place and (hold is None or time - series[place - 1][0] <= hold):
                values.append(series[place - 1][1])
        if values:
            result.append(Spread(time, min(values), statistics.median(values), max(values)))
    return result


def runs(points: Sequence[Spread], gap: float) -> list[list[Spread]]:
    """``points`` cut wherever two are more than ``gap`` seconds apart."""
    cut: list[list[Spread]] = []
    for point in points:
        if not cut or point.time - cut[-1][-1].time > gap:
            cut.append([])
        cut[-1].append(point)
    return cut


def mean_of(many: Sequence[Series], times: Sequence[float]) -> Series:
    """Mean over the lampposts of stepping series at each of ``times``; gaps are left out."""
    result = Series()
    for time in times:
        values = [value for series in many if (value := at(series, time)) is not None]
        if values:
            result.append((time, statistics.fmean(values)))
    return result


def hourly_people(nights: Iterable[LamppostNight]) -> list[tuple[float, int, int]]:
    """(start of the hour, towards, away) for the whole street, each hour that has any record."""
    hours: dict[float, list[int]] = defaultdict(lambda: [0, 0])
    for night in nights:
        for time, towards, away in night.people:
            # A record's time ends its period: one that ends on the hour is of the hour before.
            hour = (time - 1) // 3600 * 3600
            hours[hour][0] += towards
            hours[hour][1] += away
    return [(hour, towards, away) for hour, (towards, away) in sorted(hours.items())]
