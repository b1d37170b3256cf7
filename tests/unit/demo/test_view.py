import io
import re
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from simulators.demo.picture import save_view
from simulators.demo.plain import PlainLines
from simulators.demo.snapshot import Feed, Mood
from simulators.demo.svg import TimePlot
from simulators.demo.view import StreetView, clock_text, lamp_bar
from tests.unit.demo.nights import START, snapshot


def drawn(width: int, height: int, **of: int) -> list[str]:
    output = io.StringIO()
    console = Console(width=width, height=height, file=output, force_terminal=False)
    console.print(StreetView(snapshot(**of)), height=height)
    return output.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (100, 30), (160, 50)])
def test_the_view_fits_its_terminal_and_shows_every_lamppost(width: int, height: int) -> None:
    lines = drawn(width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for number in range(1, 11):
        assert f"Lime Walk {number:02d}" in text
    for words in ("gateway offline", "step number 8", "event 39", "v3 refused", "silent"):
        assert words in text


def test_lampposts_that_do_not_fit_are_counted() -> None:
    lines = drawn(80, 24, lampposts=40)
    assert len(lines) <= 24
    shown = sum("Lime Walk " in line for line in lines)
    assert any(f"and {40 - shown} more" in line for line in lines)


def test_the_newest_events_are_the_ones_shown() -> None:
    text = "\n".join(drawn(80, 24))
    assert "event 39" in text
    assert "event 0 " not in text


def test_a_lamp_bar_is_as_long_as_its_level() -> None:
    lengths = [lamp_bar(level).plain.count("█") for level in (0, 10, 50, 100)]
    assert lengths == [0, 1, 5, 10]
    assert "?" in lamp_bar(None).plain


def test_the_clock_is_that_of_london() -> None:
    assert clock_text(START) == "Fri 16 Oct 16:30"  # summer time: an hour ahead of UTC


def test_plain_lines_tell_each_event_once_and_the_street_once_an_hour() -> None:
    feed, lines = Feed(), list[str]()
    plain = PlainLines(feed, lines.append)
    feed.say(START, "gateway killed", Mood.WARNING)
    for _ in range(50):
        plain.show(snapshot())
    assert lines[0] == "16:30 ! gateway killed"
    assert len(lines) == 2
    assert "10 links up" in lines[1]
    feed.say(START + 60, "gateway is back", Mood.GOOD)
    plain.show(snapshot())
    assert lines[2:] == ["16:31 + gateway is back"]


def test_the_picture_of_the_view_needs_no_network(tmp_path: Path) -> None:
    save_view(snapshot(), tmp_path / "view.svg")
    image = (tmp_path / "view.svg").read_text()
    assert "Lime&#160;Walk&#160;01" in image
    assert "url(http" not in image
    assert "@font-face" not in image


def test_signs_of_marks_keep_clear_of_one_another_and_of_the_edge() -> None:
    plot = TimePlot("x", 400, 100, (0.0, 100.0), (0.0, 1.0))
    plot.marks([(time, str(number), "") for number, time in enumerate((5, 5, 5, 99, 100))])
    places = [float(x) for x in re.findall(r'circle cx="([\d.]+)"', plot.render())]
    assert all(right - left > 16.9 for left, right in pairwise(places))
    assert places[-1] <= 392
