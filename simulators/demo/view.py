"""The live view of the street in a terminal of at least 80 by 24 characters."""

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from simulators.demo.snapshot import (
    Event,
    LamppostLine,
    Mood,
    Snapshot,
    StepLine,
    StepState,
)

REFRESH_PER_SECOND = 4
ZONE = ZoneInfo("Europe/London")

_BAR = 10
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_STYLE = {Mood.GOOD: "green", Mood.PLAIN: "", Mood.WARNING: "yellow", Mood.BAD: "bold red"}
_STEP_SIGN = {
    StepState.WAITING: Text("·", "dim"),
    StepState.RUNNING: Text("▶", "bold cyan"),
    StepState.PASSED: Text("✔", "green"),
    StepState.FAILED: Text("✘", "bold red"),
}
_LINK_STYLE = {"up": "green", "silent": "bold red"}
_BY_STYLE = {"ble": "bold blue"}
# Lines that are always there: head, two rules, the table's heading.
_FIXED_LINES = 2 + 2 + 1


def clock_text(time: float) -> str:
    """Street time as a clock on that street shows it, such as ``Thu 16 Oct 22:04``."""
    local = datetime.fromtimestamp(time, UTC).astimezone(ZONE)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


class StreetView:
    """A renderable that draws the snapshot it was given last, as large as the terminal allows."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw within the console's width and height."""
        yield draw(self.snapshot, options.max_width, options.height or console.size.height)


class LiveView:
    """Shows snapshots in the terminal's alternate screen while entered; leaves it tidy.

    The screen is refreshed when told to, never by a thread of its own.
    """

    def __init__(self, console: Console, first: Snapshot) -> None:
        self._view = StreetView(first)
        self._live = Live(
            self._view, console=console, screen=True, auto_refresh=False, transient=True
        )

    def __enter__(self) -> "LiveView":
        """Take the screen."""
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        """Give the screen back."""
        self._live.stop()

    def show(self, snapshot: Snapshot) -> None:
        """Draw ``snapshot``."""
        self._view.snapshot = snapshot
        self._live.refresh()


def draw(snapshot: Snapshot, width: int, height: int) -> RenderableType:
    """The whole view in ``width`` by ``height`` characters.

    Lampposts come first; what room is left goes to the steps, then to events. Rows that do not fit
    are counted, not dropped in silence.
    """
    columns = 2 if width >= 78 else 1
    step_lines = -(-len(snapshot.steps) // columns)
    room = height - _FIXED_LINES - step_lines
    shown = max(1, min(len(snapshot.lampposts), room - min(3, room // 3)))
    events = max(0, room - shown)
    hidden = len(snapshot.lampposts) - shown
    if hidden:
        events = max(0, events - 1)
    lines: list[RenderableType] = [_head(snapshot, width), _lampposts(snapshot, shown, width)]
    if hidden:
        lines.append(Text(f"  and {hidden} more; enlarge the terminal to see them", "dim"))
    lines += [Rule(style="dim"), _steps(snapshot.steps, columns)]
    lines += [Rule(style="dim"), _events(snapshot.events, events, width)]
    return Group(*lines)


def _head(snapshot: Snapshot, width: int) -> RenderableType:
    table = Table.grid(expand=True)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    left = Text.assemble((snapshot.street, "bold"), "  ", (clock_text(snapshot.time), "bold cyan"))
    left.append(f"  {snapshot.speed:,.0f} times real time")
    right = Text()
    for number, part in enumerate(snapshot.parts):
        right.append("  " if number else "")
        right.append(f"{part.name} ", "dim")
        right.append(part.state, _STYLE[part.mood])
    if left.cell_len + right.cell_len + 2 > width:
        left = Text.assemble((clock_text(snapshot.time), "bold cyan"), f"  {snapshot.speed:,.0f}x")
    table.add_row(left, right)
    ledger = Text.assemble(
        ("records: ", "dim"),
        f"{snapshot.produced:,} logged, {snapshot.stored:,} in the city store",
    )
    table.add_row(_progress(snapshot.progress, width - ledger.cell_len - 2), ledger)
    return table


def _progress(share: float, width: int) -> Text:
    cells = max(4, min(30, width - 12))
    return Text.assemble(("night ", "dim"), _bar(share, cells, "cyan"), f" {min(1.0, share):4.0%}")


def _bar(share: float, cells: int, style: str) -> Text:
    eighths = round(max(0.0, min(1.0, share)) * cells * 8)
    whole, rest = divmod(eighths, 8)
    filled = "█" * whole + (_EIGHTHS[rest] if rest else "")
    return Text(filled.ljust(cells, " "), f"{style} on grey19")


def lamp_bar(level: int | None, cells: int = _BAR) -> Text:
    """A bar as long and as bright as the lamp is, level in %; dots while it is not known."""
    if level is None:
        return Text("·" * cells + "    ?", "dim")
    # From dull amber at 1 % to the white of a lamp at 100 %.
    share = max(0.0, min(1.0, level / 100))
    colour = f"rgb({150 + round(105 * share)},{100 + round(140 * share)},{20 + round(140 * share)})"
    figure = (f" {level:3d}%", "bold" if level else "dim")
    return Text.assemble(_bar(share, cells, colour), figure)


def _lampposts(snapshot: Snapshot, shown: int, width: int) -> Table:
    wide = width >= 100
    table = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style="dim")
    table.add_column("lamppost", no_wrap=True, ratio=1, min_width=8)
    table.add_column("light", no_wrap=True, width=(20 if wide else _BAR) + 5)
    table.add_column("in/out", justify="right", no_wrap=True, width=9)
    table.add_column("PM2.5", justify="right", no_wrap=True, width=5)
    table.add_column("link", no_wrap=True, width=7)
    table.add_column("release", no_wrap=True, width=20 if wide else 14)
    table.add_column("configuration" if wide else "config", no_wrap=True, width=13 if wide else 10)
    for line in snapshot.lampposts[:shown]:
        table.add_row(
            Text(line.name, overflow="ellipsis"),
            lamp_bar(line.level, 20 if wide else _BAR),
            f"{line.people_in:,}/{line.people_out:,}",
            "-" if line.pm25 is None else f"{line.pm25:.1f}",
            _link(line),
            _release(line),
            Text(line.configuration, "" if line.configuration.endswith("applied") else "yellow"),
        )
    return table


def _link(line: LamppostLine) -> Text:
    """The link that it is reached by, or that it is reached by none."""
    if line.link == "up" and line.reached_by:
        return Text(line.reached_by, _BY_STYLE.get(line.reached_by, "green"))
    return Text(line.link, _LINK_STYLE.get(line.link, "dim"))


def _release(line: LamppostLine) -> Text:
    text = Text(line.version or "?")
    if line.update:
        bad = any(word in line.update for word in ("revert", "fail", "refuse"))
        text.append(f" {line.update}", "bold magenta" if bad else "cyan")
    return text


def _steps(steps: Iterable[StepLine], columns: int) -> Table:
    table = Table.grid(expand=True, padding=(0, 2, 0, 0))
    for _ in range(columns):
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    cells = [_step(step) for step in steps]
    depth = -(-len(cells) // columns)
    for row in range(depth):
        picked = [cells[at] for at in range(row, len(cells), depth)]
        table.add_row(*picked, *[Text()] * (columns - len(picked)))
    return table


def _step(step: StepLine) -> Text:
    line = Text.assemble(_STEP_SIGN[step.state], " ")
    line.append(step.title, "dim" if step.state is StepState.WAITING else "")
    if step.state in (StepState.RUNNING, StepState.PASSED):
        line.append(f" {step.seconds:.0f} s", "dim")
    if step.detail and step.state in (StepState.RUNNING, StepState.FAILED):
        line.append(f" {step.detail}", "cyan" if step.state is StepState.RUNNING else "bold red")
    return line


def _events(events: tuple[Event, ...], count: int, width: int) -> RenderableType:
    lines: list[Text] = []
    for event in events[-count:] if count else ():
        local = datetime.fromtimestamp(event.time, UTC).astimezone(ZONE)
        line = Text.assemble(
            (f"{local:%H:%M} ", "dim"), (event.text, _STYLE[event.mood]), no_wrap=True
        )
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return Group(*lines)
