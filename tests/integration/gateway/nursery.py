"""Gateways without the second each of them takes to import itself: a process that forks them.

    python -m tests.integration.gateway.nursery

reads lines of JSON on stdin, {"config": file, "log": file, "clock": file}; for each it starts the
program anew in a process of its own and answers with its number. The clock's file, "" for none,
holds the seconds by which its wall clock is wrong, at any time. What runs is what
`lamplighter-gateway run` runs, from its first line on; only its modules have been read before.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from tests.integration.gateway.harness import DEADLINE_S, REPOSITORY, GatewayProcess


class Nursery:
    """The process that forks gateways."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def born(self, config: Path, log: Path, clock: Path | None) -> int:
        """Start one; gives its process number."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"config": str(config), "log": str(log), "clock": str(clock or "")}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return int(await self._process.stdout.readline())


class ForkedGateway(GatewayProcess):
    """A gateway process from a nursery. `clock`: a file with the error of its wall clock, in s."""

    clock: Path | None = None

    def adopt(self, nursery: Nursery) -> None:
        self._nursery = nursery
        self._pid = 0
        self._watch = -1

    async def start(self) -> None:
        if not self.config.exists():
            self.write_config()
        self._pid = await self._nursery.born(self.config, self.log, self.clock)
        # The number stays this process's own, and its end can be waited for, by this.
        self._watch = os.pidfd_open(self._pid)
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._watch, self._ended.set)

    @property
    def pid(self) -> int:
        return self._pid

    @property
    def alive(self) -> bool:
        return self._watch >= 0 and not self._ended.is_set()

    async def _end(self, number: signal.Signals) -> int:
        if self._watch < 0:
            return 0
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._watch, number)
        await asyncio.wait_for(self._ended.wait(), DEADLINE_S)
        asyncio.get_running_loop().remove_reader(self._watch)
        os.close(self._watch)
        self._watch = -1
        return 0


@contextlib.asynccontextmanager
async def nursery() -> AsyncGenerator[Nursery]:
    """A nursery, ended at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.gateway.nursery", cwd=REPOSITORY,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Nursery(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), DEADLINE_S)


def main() -> None:
    from gateway import service
    from gateway.main import run_program

    assert service.run  # it is there before the first is born
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _live(order, run_program)
        print(child, flush=True)


def _live(order: dict[str, str], run_program: Any) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor, place in ((nothing, 0), (nothing, 1), (log, 2)):
        os.dup2(descriptor, place)
    if order["clock"]:
        _be_wrong(Path(order["clock"]))
    code = 70
    try:
        code = run_program(["run", "--config", order["config"]])
    finally:
        os._exit(code)


def _be_wrong(clock: Path) -> None:
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + int(clock.read_text())
    time.time_ns = lambda: right_ns() + int(clock.read_text()) * 10**9


if __name__ == "__main__":
    main()
