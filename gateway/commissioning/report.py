"""The report of a commissioning: as text of 80 columns, as JSON, and as a page to print."""

from __future__ import annotations

import json
import textwrap
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any, Final

from gateway.commissioning.results import STEPS
from gateway.files import write_atomically

FOLDER: Final = "reports"
# Older ones make room.
_MOST: Final = 100
_COLUMNS: Final = 80
_MARKS: Final = {"pass": "ok", "fail": "FAIL", "waiting": "wait", "skipped": "skip"}
_STYLE: Final = """
body{font:14px/1.4 sans-serif;margin:2em;max-width:60em}h2{margin:1.2em 0 .2em;font-size:1.1em}
table{border-collapse:collapse;width:100%}td{padding:.15em .6em .15em 0;vertical-align:top}
td:first-child{width:4em;font-weight:bold}td:nth-child(2){width:9em}.fail{color:#b00020}
.pass{color:#0a6b2d}.waiting,.skipped{color:#6b5200}section{break-inside:avoid}
footer{margin-top:3em}
"""


def document(
    gateway: str,
    version: str,
    now: int,
    lampposts: list[dict[str, Any]],
    strangers: list[dict[str, Any]],
) -> dict[str, Any]:
    """The report as JSON has it. `now` is street time, Unix seconds, 0 when not known."""
    counts = {mark: sum(post["verdict"] == mark for post in lampposts) for mark in _MARKS}
    kept = ("node", "name", "pole", "link", "firmware", "verdict", "missing", "results")
    return {
        "gateway": gateway,
        "version": version,
        "time": now,
        "counts": counts,
        "lampposts": [{key: post[key] for key in kept} for post in lampposts],
        "strangers": strangers,
    }


def text(report: dict[str, Any]) -> str:
    """For a terminal or a printer, at most 80 columns."""
    lines = [f"Commissioning of gateway {report['gateway']}", _when(report["time"]), ""]
    lines += [_sum(report), ""]
    for post in report["lampposts"]:
        head = f"{post['name']}  {post['node']}  {post['link']}"
        mark = _MARKS[post["verdict"]]
        lines.append(f"{head[: _COLUMNS - 6]:<{_COLUMNS - 6}}{mark:>6}")
        for step, result in _steps(post):
            lines += _line(_MARKS[result["verdict"]], step, result["text"])
            if result["action"]:
                lines += _line("", "", f"-> {result['action']}")
        if post["missing"]:
            lines += _line("wait", "to do", ", ".join(post["missing"]))
        lines.append("")
    for one in report["strangers"]:
        lines.append(f"not adopted: {one['node']} at {_place(one)}")
    return "\n".join(lines).rstrip() + "\n"


def html(report: dict[str, Any], style: str = f"<style>{_STYLE}</style>") -> str:
    """A page to print; `style` is what its head has for that."""
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>Commissioning {escape(report['gateway'])}</title>{style}</head><body>"
        f"<h1>Commissioning of gateway {escape(report['gateway'])}</h1>"
        f"<p>{escape(_when(report['time']))}<br>{escape(_sum(report))}</p>"
    ]
    for post in report["lampposts"]:
        verdict = escape(post["verdict"])
        parts.append(
            f"<section><h2>{escape(post['name'])} <span class={verdict}>{verdict}</span></h2>"
            f"<p>{escape(post['node'])}, {escape(post['link'])}, release "
            f"{escape(str(post['firmware'] or '-'))}</p><table>"
        )
        for step, result in _steps(post):
            mark = escape(result["verdict"])
            action = f"<br>{escape(result['action'])}" if result["action"] else ""
            parts.append(
                f"<tr><td class={mark}>{mark}</td><td>{escape(step)}</td>"
                f"<td>{escape(result['text'])}{action}</td></tr>"
            )
        if post["missing"]:
            missing = escape(", ".join(post["missing"]))
            parts.append(f"<tr><td class=waiting>to do</td><td></td><td>{missing}</td></tr>")
        parts.append("</table></section>")
    for one in report["strangers"]:
        parts.append(f"<p>Not adopted: {escape(one['node'])} at {escape(_place(one))}</p>")
    parts.append("<footer>Installer, date: ______________________________</footer></body></html>")
    return "".join(parts)


def write(folder: Path, report: dict[str, Any]) -> list[Path]:
    """Write all three to `folder`, named after gateway and time. Raises OSError."""
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    stamp = datetime.fromtimestamp(report["time"], UTC).strftime("%Y%m%d-%H%M%S")
    name = f"commissioning-{report['gateway']}-{stamp}"
    contents = {
        "txt": text(report),
        "json": json.dumps(report, indent=2, ensure_ascii=False) + "\n",
        "html": html(report),
    }
    files: list[Path] = []
    for ending, content in contents.items():
        files.append(folder / f"{name}.{ending}")
        write_atomically(files[-1], content.encode(), 0o640)
    _tidy(folder)
    return files


def _tidy(folder: Path) -> None:
    there = sorted(folder.glob("commissioning-*"), key=lambda file: file.stat().st_mtime)
    for old in there[: -3 * _MOST]:
        old.unlink(missing_ok=True)


def _steps(post: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(step, post["results"][step]) for step in STEPS if step in post["results"]]


def _line(mark: str, step: str, said: str) -> list[str]:
    head = f"  {mark:<5}{step:<15}"
    return textwrap.wrap(
        said, _COLUMNS, initial_indent=head, subsequent_indent=" " * len(head)
    ) or [head.rstrip()]


def _place(one: dict[str, Any]) -> str:
    return one["link"] if one["address"] is None else f"{one['link']} {one['address']}"


def _when(time: int) -> str:
    if not time:
        return "time not known"
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _sum(report: dict[str, Any]) -> str:
    counts = report["counts"]
    said = [f"{len(report['lampposts'])} lampposts: {counts['pass']} pass, {counts['fail']} fail"]
    if counts["waiting"]:
        said.append(f"{counts['waiting']} not done yet")
    if counts["skipped"]:
        said.append(f"{counts['skipped']} skipped")
    if report["strangers"]:
        said.append(f"{len(report['strangers'])} met that are not adopted")
    return ", ".join(said)
