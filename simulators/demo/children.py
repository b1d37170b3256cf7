"""The demo's child processes: their logs, their end, and no orphans."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_TERM_SECONDS = 10.0
_LIBC = ctypes.CDLL(None, use_errno=True)


class ChildFailed(Exception):
    """A child process could not be started, or ended when it should not have.

    The message is one line and names the child's log.
    """


@dataclass
class Child:
    """One program, started as often as asked, each time appending to the same log.

    Attributes:
        name: what it is called in messages and in the log's file name.
        command: the words that start it.
        log: where its standard output and error go.
        environment: added to our own.
        folder: where it runs; where we do when None.
        starts: times it has been started.
        kills: times we killed it with SIGKILL on purpose.
    """

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    folder: Path | None = None
    starts: int = 0
    kills: int = 0
    _process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """It has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """Its process id, None when it is not running."""
        return self._process.pid if self._process is not None and self.running else None

    async def start(self) -> None:
        """Start it, in a process group of its own.

        Raises:
            ChildFailed: it is already running, or the program does not start.
        """
        if self.running:
            raise ChildFailed(f"expected {self.name} not to be running, it is")
        with self.log.open("ab") as log:
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *self.command,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env={**os.environ, **self.environment},
                    cwd=self.folder,
                    start_new_session=True,
                    preexec_fn=_die_with_parent,
                )
            except OSError as error:
                raise ChildFailed(f"{self.name} does not start: {error}") from error
        self.starts += 1

    def check(self) -> None:
        """See that it is still running.

        Raises:
            ChildFailed: it has ended by itself.
        """
        if self._process is not None and self._process.returncode is not None:
            raise ChildFailed(
                f"{self.name} ended by itself with {_ending(self._process.returncode)}; "
                f"{self.last_words()}; its log is {self.log}"
            )

    def last_words(self) -> str:
        """The last line of its log, for a message."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        except OSError as error:
            return f"its log cannot be read ({error})"
        return f"it said {next((line for line in reversed(lines) if line.strip()), '')!r}"

    async def terminate(self) -> None:
        """End it with SIGTERM, or SIGKILL when that is not heard."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it and its group with SIGKILL, as a power failure would."""
        self.kills += self.running
        await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            _signal_group(process.pid, number)
            try:
                await asyncio.wait_for(process.wait(), _TERM_SECONDS)
            except TimeoutError:
                _signal_group(process.pid, signal.SIGKILL)
                await process.wait()
        # What it may have started and left behind goes with it.
        _signal_group(process.pid, signal.SIGKILL)


class Children:
    """All child processes of the demo, ended together in the reverse order of their start."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    def add(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Child:
        """A child that is not yet started; its log is ``name.log`` in the folder of logs."""
        child = Child(name, command, self._logs / f"{name}.log", environment or {}, folder)
        self._children.append(child)
        return child

    def check(self) -> None:
        """See that each still runs, apart from those ended on purpose.

        Raises:
            ChildFailed: one has ended by itself.
        """
        for child in self._children:
            child.check()

    async def end(self) -> None:
        """End every child that runs."""
        for child in reversed(self._children):
            await child.terminate()


@dataclass(frozen=True)
class Finished:
    """What a command that has ended said."""

    code: int
    stdout: str
    stderr: str


async def run(
    command: Sequence[str], environment: Mapping[str, str] | None = None, seconds: float = 60.0
) -> Finished:
    """Run a command to its end; cancelled or late, it is killed.

    Raises:
        ChildFailed: it does not start, or takes longer than ``seconds``.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    except OSError as error:
        raise ChildFailed(f"{command[0]} does not start: {error}") from error
    try:
        async with asyncio.timeout(seconds):
            stdout, stderr = await process.communicate()
    except TimeoutError as error:
        raise ChildFailed(f"expected {' '.join(command)} to end in {seconds:g} s") from error
    finally:
        if process.returncode is None:
            _signal_group(process.pid, signal.SIGKILL)
            await process.wait()
    return Finished(
        process.returncode or 0, stdout.decode(errors="replace"), stderr.decode(errors="replace")
    )


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _die_with_parent() -> None:
    """In the child, before it starts: have Linux end it should the demo itself be killed."""
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
