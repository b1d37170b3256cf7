"""The plots of the report, each a figure with its heading, legend and one or two drawings."""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from simulators.demo import svg
from simulators.demo.night import (
    LamppostNight,
    Series,
    at,
    grid,
    hourly_people,
    mean_of,
    runs,
    spread,
)
from simulators.demo.summary import Energy, NightSpan, StepResult
from simulators.demo.svg import TimePlot
from simulators.demo.view import clock_text

WIDE, NARROW = 940, 380
"""Widths of the two drawings of each figure: for a page on a desk and for a phone."""

_STEP_SECONDS = 300
_SHORTEST_STEP_PIXELS = 3
_AIR_HOLD_SECONDS = 3600.0


@dataclass(frozen=True)
class NightData:
    """All that the figures show.

    Attributes:
        span: when the night was.
        nights: what each lamppost sent.
        steps: the script's results.
        energy: of the street.
        passed: people who walked past the lampposts, as the simulated world knows.
        links: by node, (time, link) each time its gateway reached it by another one.
    """

    span: NightSpan
    nights: Sequence[LamppostNight]
    steps: Sequence[StepResult]
    energy: Energy
    passed: int
    links: Mapping[str, Sequence[tuple[float, str]]] = field(
        default_factory=dict[str, Sequence[tuple[float, str]]]
    )

    @property
    def times(self) -> tuple[float, float]:
        """The time axis."""
        return self.span.start, self.span.end


def levels(data: NightData) -> str:
    """Dimming level through the night: mean and range over the street, with the script's steps."""
    many = [night.levels for night in data.nights]
    times = grid(*data.times, _STEP_SECONDS / 5)
    middle = mean_of(many, times)
    edges = spread(many, times)

    def draw(width: int) -> TimePlot:
        plot = TimePlot("Dimming level of the street", width, 240, data.times, (0, 100), "%")
        _darkness(plot, data.span)
        plot.band([(s.time, s.low) for s in edges], [(s.time, s.high) for s in edges], "band amber")
        plot.line(middle, "line amber")
        plot.marks(
            [
                (step.started, str(number), f"{step.title}, {clock_text(step.started)}")
                for number, step in enumerate(data.steps, 1)
            ]
        )
        return plot

    legend = [
        ("amber", "mean of the street"),
        ("amber soft", "darkest to brightest lamppost"),
        ("night", "sunset to sunrise"),
    ]
    note = "Numbers are the steps of the script, listed below."
    return _figure("Dimming level", legend, draw, note, "levels")


def lampposts(data: NightData) -> str:
    """Every lamppost's dimming level as a strip."""
    row = 18

    def draw(width: int) -> TimePlot:
        left = 110
        height = 32 + row * len(data.nights)
        plot = TimePlot(
            "Dimming level of each lamppost", width, height, data.times, None, left=left
        )
        for number, night in enumerate(data.nights):
            y = plot.top + number * row
            plot.text(left - 6, y + 13, night.name, "label", "end")
            plot.box(left, y + 2, plot.x(data.span.end), y + row - 2, "strip")
            points = night.levels
            for place, (time, level) in enumerate(points):
                until = points[place + 1][0] if place + 1 < len(points) else data.span.end
                tip = f"{night.name}: {level:g} % from {clock_text(time)}"
                shade = f"lit l{round(level / 10)}"
                plot.box(plot.x(time), y + 2, plot.x(until), y + row - 2, shade, tip)
            for start, end in _by_bluetooth(data, night.node):
                tip = f"{night.name}: reached by Bluetooth from {clock_text(start)}"
                plot.box(plot.x(start), y + row - 6, plot.x(end), y + row - 2, "fill blue", tip)
        return plot

    legend = [("strip", "0 %"), ("lit l5", "50 %"), ("lit l10", "100 %")]
    if any(_by_bluetooth(data, night.node) for night in data.nights):
        legend.append(("blue", "reached by Bluetooth"))
    return _figure("Each lamppost", legend, draw, "", "lampposts")


def _by_bluetooth(data: NightData, node: str) -> list[tuple[float, float]]:
    """When the gateway reached a lamppost by Bluetooth: (start, end)."""
    changes = [*data.links.get(node, ()), (data.span.end, "")]
    return [
        (start, end)
        for (start, link), (end, _) in pairwise(changes)
        if link == "ble" and start < end
    ]


def footfall(data: NightData) -> str:
    """People counted in each hour on the whole street, by direction."""
    hours = hourly_people(data.nights)
    highest = svg.nice_limit(max((towards + away for _, towards, away in hours), default=0))

    def draw(width: int) -> TimePlot:
        plot = TimePlot("Footfall", width, 200, data.times, (0, highest), "people")
        _darkness(plot, data.span)
        for hour, towards, away in hours:
            tip = f"{clock_text(hour)}: {towards} towards, {away} away"
            low, high = hour + 200, hour + 3400
            plot.bar(low, high, 0, towards, "fill blue", tip)
            plot.bar(low, high, towards, towards + away, "fill teal", tip)
        return plot

    counted = sum(towards + away for _, towards, away in hours)
    legend = [("blue", "towards"), ("teal", "away")]
    note = (
        f"{counted:,} passages counted, {data.passed:,} people walked past. People walk in machine "
        "time, so an hour of this axis has room for few of them."
    )
    return _figure("Footfall", legend, draw, note, "footfall")


def power(data: NightData) -> str:
    """Power of the street as metered, against the same street undimmed."""
    times = grid(*data.times, _STEP_SECONDS)
    metered = Series()
    for time in times:
        values = [value for night in data.nights if (value := at(night.power, time)) is not None]
        if len(values) == len(data.nights):
            metered.append((time, sum(values)))
    full = data.energy.full_power_w * len(data.nights)
    span = data.span
    undimmed = [(span.start, 0.0), (span.sunset, full), (span.sunrise, 0.0)]
    highest = svg.nice_limit(max([full, *(watts for _, watts in metered)]))

    def draw(width: int) -> TimePlot:
        plot = TimePlot("Power of the street", width, 210, data.times, (0, highest), "W")
        dark = (max(span.start, span.sunset), min(span.end, span.sunrise))
        plot.bar(*dark, 0, full, "fill saved", "an undimmed street")
        plot.band([(time, 0.0) for time, _ in metered], metered, "area amber")
        plot.line(undimmed, "line grey", stepped=True)
        plot.line(metered, "line amber")
        return plot

    used = data.energy
    legend = [("amber", "metered"), ("grey", "undimmed, sunset to sunrise"), ("saved", "saved")]
    note = (
        f"Sunset to sunrise: {used.measured_wh / 1000:.2f} kWh metered, "
        f"{used.undimmed_wh / 1000:.2f} kWh undimmed: {used.saved_percent:.1f} % saved."
    )
    return _figure("Power and energy", legend, draw, note, "power")


def particles(data: NightData) -> str:
    """PM2.5: median and range over the lampposts."""
    many = [night.pm25 for night in data.nights]
    points = spread(many, grid(*data.times, _STEP_SECONDS), hold=_AIR_HOLD_SECONDS)
    highest = svg.nice_limit(max((point.high for point in points), default=0))

    def draw(width: int) -> TimePlot:
        plot = TimePlot("PM2.5", width, 200, data.times, (0, highest), "µg/m³")
        _darkness(plot, data.span)
        for run in runs(points, _AIR_HOLD_SECONDS):
            lows, highs = [(p.time, p.low) for p in run], [(p.time, p.high) for p in run]
            plot.band(lows, highs, "band violet")
            plot.line([(p.time, p.middle) for p in run], "line violet")
        return plot

    legend = [("violet", "median"), ("violet soft", "lowest to highest lamppost")]
    note = (
        "Means as the sensors sent them, not corrected for humidity: indicative. After each start "
        "a sensor warms up for 30 s of machine time, hours on this axis, before it counts."
    )
    return _figure("PM2.5", legend, draw, note, "pm25")


def timeline(data: NightData) -> str:
    """When each step of the script ran."""

    def draw(width: int) -> TimePlot:
        # A phone has no room beside the bars: there the words stand above them.
        above = 0 if width == WIDE else 14
        row = 22 + above
        height = 32 + row * len(data.steps)
        plot = TimePlot("Steps of the script", width, height, data.times, None, left=26)
        for number, step in enumerate(data.steps, 1):
            y = plot.top + (number - 1) * row + above
            start, end = plot.x(step.started), plot.x(step.ended)
            end = max(end, start + _SHORTEST_STEP_PIXELS)
            words = f"{step.title}, {step.seconds:.0f} s"
            css = "fill good" if step.passed else "fill bad"
            plot.text(18, y + 15 - above, str(number), "label", "end")
            plot.box(start, y + 4, end, y + 18, css, f"{words}: {step.detail}")
            if above:
                plot.text(26, y + 1, words, "note")
            elif end + 6.2 * len(words) < width:
                plot.text(end + 6, y + 15, words, "note")
            else:
                plot.text(start - 6, y + 15, words, "note", "end")
        return plot

    legend = [("good", "passed"), ("bad", "failed")]
    note = "Seconds are of the machine; the axis is the street's time."
    return _figure("Steps", legend, draw, note, "steps")


def _darkness(plot: TimePlot, span: NightSpan) -> None:
    plot.shade(max(span.start, span.sunset), min(span.end, span.sunrise), "dark")


def _figure(
    heading: str,
    legend: Sequence[tuple[str, str]],
    draw: Callable[[int], TimePlot],
    note: str,
    name: str,
) -> str:
    keys = "".join(
        f'<span><i class="key {css}"></i>{html.escape(words)}</span>' for css, words in legend
    )
    caption = f"<figcaption>{html.escape(note)}</figcaption>" if note else ""
    return (
        f'<figure id="{name}"><h2>{html.escape(heading)}</h2><p class="legend">{keys}</p>'
        f"{draw(WIDE).render('wide')}{draw(NARROW).render('narrow')}{caption}</figure>"
    )
