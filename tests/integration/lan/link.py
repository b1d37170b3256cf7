"""The node's LAN link in the real MicroPython, as a process that tells what it does."""

from __future__ import annotations

import asyncio
from pathlib import Path

from simulators.tools import Interpreter
from simulators.tools.umqtt import umqtt

REPOSITORY = Path(__file__).resolve().parents[3]
SCRIPTS = REPOSITORY / "tests" / "device" / "scripts" / "lan"
NODE = "a0b1c2d3e4f5"


class Link:
    """Used as a context manager. said: the lines so far. lamp: of `rig.Lamp`, once it has ended:
    (steps, worst lateness in ms, steps more than 50 ms late, most processor time between two, ms).
    """

    def __init__(self, document: bytes, *words: str, bits: int = 64) -> None:
        self._interpreter = Interpreter(bits)
        self._document = document
        self._words = words
        self._news = asyncio.Condition()
        self.said: list[str] = []
        self.lamp = (0, 0, 0, 0)

    async def __aenter__(self) -> Link:
        path = [SCRIPTS, REPOSITORY / "firmware", REPOSITORY, umqtt()]
        self._process = await asyncio.create_subprocess_exec(
            *self._interpreter.argv(SCRIPTS / "life.py", *self._words, heap="512K"),
            env=self._interpreter.environment(path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(self._document.hex().encode() + b"\n")
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *failure: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(30):
                await self._reading
                await self._process.wait()
        finally:
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
        if failure[0] is None:
            assert self._process.returncode == 0
            steps, worst, late, busy = map(int, self.said[-1].split()[1:])
            self.lamp = (steps, worst, late, busy)

    def tell(self) -> None:
        """Set its clock."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"set\n")

    def leave(self) -> None:
        """Its local network is turned off."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"leave\n")

    async def says(self, text: str, since: int = 0, within_s: float = 240) -> int:
        """Wait for a line with `text` after the first `since`; the number of lines up to it."""
        try:
            async with asyncio.timeout(within_s), self._news:
                while True:
                    for number, line in enumerate(self.said[since:], since):
                        if text in line:
                            return number + 1
                    await self._news.wait()
        except TimeoutError as error:
            raise AssertionError(f"expected {text!r} after {since} of {self.said}") from error

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            async with self._news:
                self.said.append(line.decode().rstrip())
                self._news.notify_all()
