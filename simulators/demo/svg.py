"""Small plots over the time of a night, as inline SVG whose colours the page's style decides."""

import html
import math
from collections.abc import Sequence
from datetime import UTC, datetime

from simulators.demo.view import ZONE

# Room for the axes, in the units of the drawing (pixels at its natural width).
_LEFT = 46
_RIGHT = 12
_TOP = 28
_TOP_BARE = 6
_BOTTOM = 26
_HOUR = 3600
_HOURS_BETWEEN_LABELS = (1, 2, 3, 4, 6, 12)
_LABEL_WIDTH = 44
_SIGN_WIDTH = 17


class TimePlot:
    """One plot with street time along the bottom and one quantity up the side.

    Shapes are added in drawing order. Colours are CSS classes of the page, so that one drawing
    serves light and dark.

    Args:
        title: what it shows, for people who hear the page rather than see it.
        width: of the drawing, pixels; text keeps its size, so a phone gets a drawing of its own.
        height: of the drawing, pixels.
        span: (start, end) of the time axis, UTC epoch seconds.
        limits: (lowest, highest) of the value axis; None for an axis without values.
        unit: written above the value axis.
        left: room for what stands before the axis, pixels.

    Attributes:
        top: upper edge of the plotting area.
    """

    def __init__(
        self,
        title: str,
        width: int,
        height: int,
        span: tuple[float, float],
        limits: tuple[float, float] | None,
        unit: str = "",
        left: int = _LEFT,
    ) -> None:
        self.title = title
        self.width = width
        self.height = height
        self.left = left
        self.span = span
        self.top = _TOP if limits else _TOP_BARE
        self._limits = limits or (0.0, 1.0)
        self._parts: list[str] = []
        self._axes(limits is not None, unit)

    def x(self, time: float) -> float:
        """Place of a time, clipped to the span."""
        start, end = self.span
        share = (min(max(time, start), end) - start) / (end - start)
        return round(self.left + share * (self.width - self.left - _RIGHT), 1)

    def y(self, value: float) -> float:
        """Place of a value, clipped to the limits."""
        low, high = self._limits
        share = (min(max(value, low), high) - low) / (high - low)
        return round(self.height - _BOTTOM - share * (self.height - self.top - _BOTTOM), 1)

    @property
    def bottom(self) -> int:
        """Lower edge of the plotting area."""
        return self.height - _BOTTOM

    def shade(self, start: float, end: float, css: str) -> None:
        """Shade the whole height between two times."""
        self.box(self.x(start), self.top, self.x(end), self.bottom, css)

    def box(self, x0: float, y0: float, x1: float, y1: float, css: str, tip: str = "") -> None:
        """A rectangle between two corners of the drawing; ``tip`` shows under the pointer."""
        self._parts.append(
            f'<rect class="{css}" x="{x0:g}" y="{y0:g}" width="{max(0.0, x1 - x0):.4g}" '
            f'height="{max(0.0, y1 - y0):.4g}">{_tip(tip)}</rect>'
        )

    def line(self, points: Sequence[tuple[float, float]], css: str, stepped: bool = False) -> None:
        """A line through (time, value); ``stepped`` holds each value until the next."""
        if points:
            self._parts.append(f'<path class="{css}" d="{self._path(points, stepped)}"/>')

    def band(
        self, edge: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]], css: str
    ) -> None:
        """The area between two lines of (time, value)."""
        if edge and other:
            there = self._path(edge, False)
            back = self._path(list(reversed(other)), False)
            self._parts.append(f'<path class="{css}" d="{there}L{back[1:]}Z"/>')

    def bar(self, start: float, end: float, low: float, high: float, css: str, tip: str) -> None:
        """A bar between two times, from one value to another."""
        self.box(self.x(start), self.y(high), self.x(end), self.y(low), css, tip)

    def text(
        self, x: float, y: float, words: str, css: str = "label", anchor: str = "start"
    ) -> None:
        """Words at a place of the drawing; ``anchor`` is start, middle or end."""
        self._parts.append(
            f'<text class="{css}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">'
            f"{html.escape(words)}</text>"
        )

    def marks(self, marks: Sequence[tuple[float, str, str]]) -> None:
        """Thin lines over the whole height, each with a small sign at its top.

        Signs that would lie on one another stand side by side; the lines stay where they are.

        Args:
            marks: (time, one or two characters for the sign, tip), in time order.
        """
        places = [self.x(time) for time, _, _ in marks]
        for at in range(1, len(places)):
            places[at] = max(places[at], places[at - 1] + _SIGN_WIDTH)
        limit = float(self.width - _SIGN_WIDTH // 2)
        for at in reversed(range(len(places))):
            places[at] = min(places[at], limit)
            limit = places[at] - _SIGN_WIDTH
        for (time, words, tip), sign in zip(marks, places, strict=True):
            x = self.x(time)
            self._parts.append(
                f'<g class="mark"><line x1="{x:g}" x2="{x:g}" y1="{self.top}" y2="{self.bottom}"/>'
                f'<circle cx="{sign:g}" cy="{self.top - 9}" r="8"/>'
                f'<text x="{sign:g}" y="{self.top - 5.5:g}" text-anchor="middle">'
                f"{html.escape(words)}</text>{_tip(tip)}</g>"
            )

    def render(self, css: str = "") -> str:
        """The drawing."""
        return (
            f'<svg class="plot {css}" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{html.escape(self.title, quote=True)}">{"".join(self._parts)}</svg>'
        )

    def _path(self, points: Sequence[tuple[float, float]], stepped: bool) -> str:
        words: list[str] = []
        for time, value in points:
            x, y = self.x(time), self.y(value)
            if not words:
                words.append(f"M{x:g} {y:g}")
            elif stepped:
                words.append(f"H{x:g}V{y:g}")
            else:
                words.append(f"L{x:g} {y:g}")
        if stepped:
            words.append(f"H{self.x(self.span[1]):g}")
        return "".join(words)

    def _axes(self, values: bool, unit: str) -> None:
        low, high = self._limits
        right = self.width - _RIGHT
        for value in ticks(low, high) if values else ():
            y = self.y(value)
            self._parts.append(f'<path class="grid" d="M{self.left} {y:g}H{right}"/>')
            self.text(self.left - 6, y + 4, f"{value:g}", "label", "end")
        if unit:
            self.text(2, self.top - 14, unit)
        for time, words in hour_labels(*self.span, self.width - self.left - _RIGHT):
            x = self.x(time)
            self._parts.append(f'<path class="grid" d="M{x:g} {self.bottom}v5"/>')
            self.text(x, self.bottom + 18, words, "label", "middle")
        self._parts.append(f'<path class="axis" d="M{self.left} {self.bottom}H{right}"/>')


def _tip(words: str) -> str:
    return f"<title>{html.escape(words)}</title>" if words else ""


def ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round values between ``low`` and ``high``, about ``wanted`` of them."""
    step = nice_step((high - low) / wanted)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 9) for number in range(first, last + 1)]


def nice_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5, 5 times a power of ten that is no less than ``rough`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(rough))
    for factor in (1, 2, 2.5, 5, 10):
        if factor * power >= rough * (1 - 1e-9):
            return factor * power
    return 10 * power


def nice_limit(highest: float) -> float:
    """Upper end of an axis from zero that holds ``highest``; 1 when there is nothing to hold."""
    if highest <= 0:
        return 1.0
    step = nice_step(highest / 5)
    return math.ceil(highest / step - 1e-9) * step


def hour_labels(start: float, end: float, width: float) -> list[tuple[float, str]]:
    """Times on the full hour with their local clock time, as many as fit in ``width`` pixels."""
    fits = max(1, int(width // _LABEL_WIDTH))
    hours = (end - start) / _HOUR
    between = next((step for step in _HOURS_BETWEEN_LABELS if hours / step <= fits), 24)
    labels: list[tuple[float, str]] = []
    time = math.ceil(start / _HOUR) * _HOUR
    while time <= end:
        local = datetime.fromtimestamp(time, UTC).astimezone(ZONE)
        if local.hour % between == 0:
            labels.append((float(time), f"{local:%H:%M}"))
        time += _HOUR
    return labels
