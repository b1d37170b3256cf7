"""The fleet's command line as a person at a desk uses it, run as a process of its own."""

import json
import shlex
import shutil
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.demo.children import ChildFailed, run


@dataclass(frozen=True)
class Said:
    """What a command said.

    Attributes:
        code: exit code.
        document: its ``--json`` output, None when that was none.
        error: the last line of its standard error.
    """

    code: int
    document: Any
    error: str


def installed(name: str) -> str:
    """Path of one of the project's own commands.

    Raises:
        ChildFailed: it is not installed in this environment.
    """
    path = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if path is None:
        raise ChildFailed(f"expected the command {name} in this environment; run: make setup")
    return path


class CommandLine:
    """``lamplighter`` with the demo's settings; every call is kept in a log with its answer.

    Args:
        folder: where commands run; it holds ``lamplighter.toml``.
        log: file of commands and answers.
        tell: called with each command as a person would type it.
    """

    def __init__(self, folder: Path, log: Path, tell: Callable[[str], None]) -> None:
        self._program = installed("lamplighter")
        self._folder = folder
        self._log = log
        self._tell = tell
        self.calls = 0

    @property
    def environment(self) -> dict[str, str]:
        """What makes the command line find the demo's settings."""
        return {"LAMPLIGHTER_SETTINGS": str(self._folder / "lamplighter.toml"), "NO_COLOR": "1"}

    def words(self, *arguments: str) -> list[str]:
        """The words that start ``lamplighter`` with ``arguments``."""
        return [self._program, *arguments]

    async def call(self, *arguments: str, seconds: float = 60.0) -> Said:
        """Run a command to its end, whatever its exit code.

        Raises:
            ChildFailed: it does not start, or does not end in ``seconds``.
        """
        typed = shlex.join(["lamplighter", *arguments])
        self._tell(f"$ {typed}")
        self.calls += 1
        done = await run(self.words(*arguments), self.environment, seconds)
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"$ {typed}\n{done.stdout}{done.stderr}-- exit code {done.code}\n\n")
        try:
            document = json.loads(done.stdout)
        except ValueError:
            document = None
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return Said(done.code, document, lines[-1] if lines else "")

    async def expect(self, *arguments: str, seconds: float = 60.0) -> Any:
        """Run a command that has to succeed; returns its JSON.

        Raises:
            ChildFailed: its exit code is not 0; the message has its own words.
        """
        said = await self.call(*arguments, seconds=seconds)
        if said.code != 0:
            raise ChildFailed(
                f"expected lamplighter {shlex.join(arguments)} to succeed, got exit code "
                f"{said.code}: {said.error or 'nothing on stderr'}"
            )
        return said.document
