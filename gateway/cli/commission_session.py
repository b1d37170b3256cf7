"""The conversation of `lamplighter-gateway commission`: one line, one thing done."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.cli.control import Control, Refused
from gateway.commissioning import report as reports
from gateway.commissioning.results import STEPS

_LOOK_EVERY_S: Final = 0.3
_BLINK_S: Final = 20
# The desk ends every job itself; this is for one that was lost with its gateway.
_LONGEST_S: Final = 1900.0
_HELP: Final = """\
  s            search every free bus address (a minute)
  a            adopt: asks for the label; a label typed or scanned does it too
  w N          walk through: check, blink, light, with you looking
  b N | l N    blink | light at 100, 50 and 10 %
  c N | c all  check link, clock, configuration and every sensor
  n N NAME     name it
  p N          print what is known of it
  r            print the report, and write its files
  q            leave; what was done is kept
N is the number in the list, or a node id. Enter alone lists anew."""
_STYLES: Final = {"pass": "green", "fail": "bold red", "waiting": "yellow", "skipped": "dim"}
_MARKS: Final = {"pass": "ok", "fail": "FAIL", "waiting": "wait", "skipped": "skip"}


class Session:
    """Asks a person what to do next, and has the gateway do it."""

    def __init__(
        self,
        control: Control,
        console: Console,
        ask: Callable[[str], str] = input,
    ) -> None:
        self._control = control
        self._console = console
        self._ask = ask
        self._rows: list[str] = []

    def run(self) -> None:
        """Until q or the end of input. Raises NoGateway when the gateway goes."""
        self._list()
        typer.echo("h for help")
        while True:
            try:
                line = self._ask("> ").strip()
            except (EOFError, KeyboardInterrupt):
                typer.echo()
                return
            if line in ("q", "quit", "exit"):
                return
            try:
                self._do(line)
            except Refused as error:
                typer.echo(f"  not done: {error}")
            except (EOFError, KeyboardInterrupt):
                typer.echo("\n  left")

    def adopt_file(self, file: Path) -> None:
        """Adopt what stands in `file`: a label a line, and a name behind it. Raises OSError."""
        wanted: dict[int, dict[str, Any]] = {}
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            label, _, name = line.strip().partition(" ")
            if label and not label.startswith("#"):
                wanted[number] = {"label": label, **({"name": name.strip()} if name else {})}
        typer.echo("  search, as long as a minute")
        self._control.post("/api/search")
        self._wait("search", lambda: self._control.get("/api/state")["search"])
        for number, body in wanted.items():
            try:
                self._adopted(**body)
            except Refused as error:
                typer.echo(f"  line {number}: not adopted: {error}")

    def _do(self, line: str) -> None:
        if line.upper().startswith("LAMPLIGHTER:"):
            self._adopt(line)
            return
        word, _, rest = line.partition(" ")
        alone: dict[str, Callable[[], None]] = {
            "": self._list, "h": lambda: typer.echo(_HELP), "?": lambda: typer.echo(_HELP),
            "s": self._search, "a": lambda: self._adopt(""), "r": self._report,
        }  # fmt: skip
        with_node: dict[str, Callable[[str], None]] = {
            "w": self._walk, "b": self._blink, "l": self._light, "c": self._check, "p": self._print,
        }  # fmt: skip
        if word in alone:
            alone[word]()
        elif word == "c" and rest.strip() == "all":
            for node in self._nodes():
                self._check(node)
        elif word == "n":
            number, _, name = rest.strip().partition(" ")
            node = self._node(number)
            self._control.post(f"/api/lamppost/{node}/rename", name=name.strip() or number)
            self._list()
        elif word in with_node:
            with_node[word](self._node(rest.strip()))
        else:
            typer.echo(f"  no command: {word}; h for help")

    def _nodes(self) -> list[str]:
        return [post["node"] for post in self._control.get("/api/state")["lampposts"]]

    def _node(self, number: str) -> str:
        if number.isdecimal() and 1 <= int(number) <= len(self._rows):
            return self._rows[int(number) - 1]
        if len(number) == 12:
            return number.lower()
        _refuse(f"expected 1 to {len(self._rows)} or a node id, got {number[:20]!r}")

    def _list(self) -> None:
        state = self._control.get("/api/state")
        table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
        for head in ("", "LAMPPOST", "NODE", "LINK", "STATE", "LEVEL", "DBM", "CHECKED"):
            table.add_column(head, justify="right" if head in ("", "LEVEL", "DBM") else "left")
        self._rows = [post["node"] for post in state["lampposts"]]
        for number, post in enumerate(state["lampposts"], 1):
            table.add_row(
                str(number), Text(post["name"]), post["node"], Text(post["link"]), post["state"],
                "" if post["level"] is None else f"{post['level']} %",
                "" if post["signal"] is None else str(post["signal"]),
                Text(_MARKS[post["verdict"]], style=_STYLES[post["verdict"]]),
            )  # fmt: skip
        if state["lampposts"]:
            self._console.print(table)
        for one in state["strangers"]:
            place = one["link"] if one["address"] is None else f"{one['link']} {one['address']}"
            signal = "" if one["signal"] is None else f", {one['signal']} dBm"
            typer.echo(f"  not adopted: {one['node']} at {place}{signal}")
        if not state["lampposts"] and not state["strangers"]:
            typer.echo("  no lamppost yet: s searches")

    def _search(self) -> None:
        self._control.post("/api/search")
        self._wait("search", lambda: self._control.get("/api/state")["search"])
        self._list()

    def _adopt(self, label: str) -> None:
        label = label or self._ask("  label (LAMPLIGHTER:1:..., or node id): ").strip()
        body: dict[str, Any] = {"label": label}
        if not label.upper().startswith("LAMPLIGHTER:"):
            body = {"id": label, "key": self._ask("  key (32 digits): ").strip()}
            key_id = self._ask("  key id [1]: ").strip() or "1"
            if not key_id.isdecimal():
                raise Refused(f"expected a number as key id, got '{key_id}'")
            body["key_id"] = int(key_id)
        name = self._ask("  name [its node id]: ").strip()
        self._adopted(**body, **({"name": name} if name else {}))
        self._list()

    def _adopted(self, **body: Any) -> None:
        made = self._control.post("/api/adopt", **body)
        typer.echo(f"  adopted: {made['name']} ({made['node']}), {made['link']}")

    def _walk(self, node: str) -> None:
        self._check(node)
        self._blink(node)
        self._light(node)
        self._print(node)

    def _blink(self, node: str) -> None:
        self._control.post(f"/api/lamppost/{node}/blink", seconds=_BLINK_S)
        try:
            self._say(node, "blink", f"  it blinks for {_BLINK_S} s: is it this one? [y/n] ")
        finally:
            self._control.post(f"/api/lamppost/{node}/blink", seconds=0)

    def _light(self, node: str) -> None:
        typer.echo("  watch it: 100, 50 and 10 %, 4 s each")
        self._control.post(f"/api/lamppost/{node}/light")
        if self._wait(node, lambda: self._control.get(f"/api/lamppost/{node}")["job"]):
            result = self._control.get(f"/api/lamppost/{node}")["results"]["light"]
            typer.echo(f"  {result['text']}")
            if result["verdict"] != "fail":
                self._say(node, "light", "  did you see each of them? [y/n] ")

    def _say(self, node: str, step: str, question: str) -> None:
        answer = ""
        while answer[:1].lower() not in ("y", "n"):
            answer = self._ask(question).strip()
        seen = answer[:1].lower() == "y"
        self._control.post(f"/api/lamppost/{node}/seen", step=step, seen=seen)

    def _check(self, node: str) -> None:
        self._control.post(f"/api/lamppost/{node}/check")
        if self._wait(node, lambda: self._control.get(f"/api/lamppost/{node}")["job"]):
            self._print(node)

    def _print(self, node: str) -> None:
        post = self._control.get(f"/api/lamppost/{node}")
        typer.echo(f"  {post['name']}  {post['node']}  {post['link']}")
        table = Table(box=None, padding=(0, 1, 0, 1), show_header=False)
        for width in (5, 14, None):
            table.add_column(width=width, overflow="fold")
        for step in (step for step in STEPS if step in post["results"]):
            result = post["results"][step]
            said = Text(result["text"])
            if result["action"]:
                said.append(f"\n-> {result['action']}", style="bold")
            verdict = result["verdict"]
            table.add_row(Text(_MARKS[verdict], style=_STYLES[verdict]), step, said)
        if post["missing"]:
            table.add_row(Text("wait", style="yellow"), "to do", ", ".join(post["missing"]))
        self._console.print(table)

    def _report(self) -> None:
        made = self._control.post("/api/report")
        typer.echo(reports.text(made["report"]))
        for file in made["files"]:
            typer.echo(f"  {file}")

    def _wait(self, about: str, look: Callable[[], dict[str, Any] | None]) -> bool:
        """Show a job's progress until it ends; whether it came to its end. Ctrl-C stops it."""
        until = time.monotonic() + _LONGEST_S
        said = ""
        try:
            while (job := look()) is not None and job["running"] and time.monotonic() < until:
                text = job["text"] + ("" if job["level"] is None else f" (now {job['level']} %)")
                if text != said and self._console.is_terminal:
                    said = text
                    self._console.print(f"\r  {text:<74}", end="", markup=False)
                time.sleep(_LOOK_EVERY_S)
        except KeyboardInterrupt:
            self._control.post(f"/api/lamppost/{about}/stop")
            raise
        finally:
            if said:
                self._console.print(f"\r{'':<77}\r", end="")
        if job is not None and job["error"]:
            typer.echo(f"  not done: {job['error']}")
            return False
        return True


def _refuse(text: str) -> NoReturn:
    raise Refused(text)
