"""The report of a night: one HTML page that needs nothing but itself."""

import html
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from simulators.demo import figures
from simulators.demo.figures import NightData
from simulators.demo.proof import FAULTS
from simulators.demo.summary import NOTES, epoch
from simulators.demo.view import clock_text

_LINKS = {"": "-", "ble": "Bluetooth"}


def render(data: NightData, summary: Mapping[str, Any]) -> str:
    """The page.

    Args:
        data: what the figures show.
        summary: the document that :func:`simulators.demo.summary.build` makes.
    """
    title = f"A night on {data.span.street}"
    body = [
        _head(data, summary, title),
        _tiles(summary),
        figures.levels(data),
        figures.lampposts(data),
        figures.footfall(data),
        figures.power(data),
        figures.particles(data),
        figures.timeline(data),
        _steps(summary),
        _lampposts(summary),
        _alarms(summary),
        _ledger(summary),
        _counters(summary),
    ]
    style = files("simulators.demo").joinpath("report.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{chr(10).join(body)}\n</main>\n</body>\n</html>\n"
    )


def _head(data: NightData, summary: Mapping[str, Any], title: str) -> str:
    span = data.span
    lead = (
        f"{len(data.nights)} lampposts, {clock_text(span.start)} to {clock_text(span.end)}, "
        f"watched in {span.machine_seconds:.0f} s ({span.speed:.0f} times real time)."
    )
    if summary["passed"]:
        verdict = '<p class="verdict">Passed: every record is in the city store, once</p>'
    else:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in summary["failures"])
        verdict = f'<p class="verdict bad">Failed</p><ul class="failures">{lines}</ul>'
    return (
        f'<header><h1>{html.escape(title)}</h1><p class="lead">{html.escape(lead)}</p>'
        f"{verdict}</header>"
    )


def _tiles(summary: Mapping[str, Any]) -> str:
    steps = summary["steps"]
    passed = sum(1 for step in steps if step["passed"])
    cells = [_tile(f"{summary['produced']:,}", "records logged", "")]
    cells.append(_tile(f"{summary['stored']:,}", "in the city store", ""))
    for name in FAULTS[:3]:
        cells.append(_tile(f"{summary[name]:,}", name, "bad" if summary[name] else "good"))
    whole = "good" if passed == len(steps) else "bad"
    cells.append(_tile(f"{passed}/{len(steps)}", "steps passed", whole))
    cells.append(_tile(f"{summary['energy']['saved_percent']:.1f} %", "energy saved", ""))
    return f'<div class="tiles">{"".join(cells)}</div>'


def _tile(value: str, words: str, mood: str) -> str:
    return f'<div class="tile {mood}"><b>{value}</b><span>{html.escape(words)}</span></div>'


def _steps(summary: Mapping[str, Any]) -> str:
    rows = [
        (
            str(number),
            step["title"],
            _verdict(step["passed"]),
            f"{step['seconds']:.1f} s",
            step["detail"],
        )
        for number, step in enumerate(summary["steps"], 1)
    ]
    heads = ("", "step", "", "took", "what was seen")
    return _section("Steps of the script", heads, rows, words=(1, 4))


def _lampposts(summary: Mapping[str, Any]) -> str:
    rows = [
        (
            lamppost["name"],
            lamppost["node"],
            _link(lamppost["reached_by"]),
            lamppost["version"],
            lamppost["update"],
            lamppost["configuration"],
            str(lamppost["boots"]),
        )
        for lamppost in summary["lampposts"]
    ]
    heads = ("lamppost", "node", "link", "release", "last update", "configuration", "starts")
    return _section("Links, releases and configuration", heads, rows, words=())


def _alarms(summary: Mapping[str, Any]) -> str:
    rows = [
        (
            clock_text(epoch(alarm["seen"])),
            clock_text(epoch(alarm["over"])) if alarm["over"] else "-",
            f"{alarm['name']} {alarm['subject']}".strip(),
            alarm["text"],
        )
        for alarm in summary["alarms"]
    ]
    if not rows:
        none = "The gateway told the city of nothing that a person has to see to."
        return f'<section><h2>Alarms</h2><p class="lead">{none}</p></section>'
    note = "What the gateway told the city that a person has to see to."
    heads = ("seen", "over", "alarm", "what was found")
    return _section("Alarms", heads, rows, words=(2, 3), note=note)


def _ledger(summary: Mapping[str, Any]) -> str:
    names = {lamppost["node"]: lamppost["name"] for lamppost in summary["lampposts"]}
    columns = ("produced", "stored", *FAULTS)
    rows: list[tuple[str, ...]] = []
    tallies: Mapping[str, Any] = summary["ledger"]["nodes"]
    for node in (*names, *(node for node in tallies if node not in names)):
        tally = tallies.get(node)
        if tally is None:
            continue
        cells = [f"{tally['produced']:,}", f"{tally['stored']:,}"]
        cells += [_count(tally[name]) for name in FAULTS]
        rows.append((names.get(node, node), *cells))
    total = [f"{summary['produced']:,}", f"{summary['stored']:,}"]
    rows.append(("the street", *total, *(_count(summary[name]) for name in FAULTS)))
    note = (
        "What each lamppost logged, as the simulator saw it, against the city store, "
        "by node, epoch and sequence, byte for byte. Duplicates: "
        f"{NOTES['duplicates']}."
    )
    return _section("Ledger", ("lamppost", *columns), rows, words=(), note=note)


def _counters(summary: Mapping[str, Any]) -> str:
    text = json.dumps(summary["counters"], indent=2)
    return (
        "<section><h2>Counters</h2><details><summary>as the programs report them</summary>"
        f"<pre>{html.escape(text)}</pre></details></section>"
    )


def _link(reached_by: str) -> str:
    return _LINKS.get(reached_by, reached_by)


def _verdict(passed: bool) -> str:
    return '<span class="ok">✔</span>' if passed else '<span class="no">✘</span>'


def _count(value: int) -> str:
    return f'<span class="no">{value:,}</span>' if value else "0"


def _section(
    heading: str,
    heads: Iterable[str],
    rows: Iterable[tuple[str, ...]],
    words: tuple[int, ...],
    note: str = "",
) -> str:
    def cell(tag: str, place: int, text: str) -> str:
        css = ' class="words"' if place in words else ""
        safe = text if text.startswith("<span class=") else html.escape(text)
        return f"<{tag}{css}>{safe}</{tag}>"

    top = "".join(cell("th", place, text) for place, text in enumerate(heads))
    lines = "".join(
        f"<tr>{''.join(cell('td', place, text) for place, text in enumerate(row))}</tr>"
        for row in rows
    )
    said = f'<p class="lead">{html.escape(note)}</p>' if note else ""
    return (
        f'<section><h2>{html.escape(heading)}</h2>{said}<div class="scroll"><table>'
        f"<thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div></section>"
    )
