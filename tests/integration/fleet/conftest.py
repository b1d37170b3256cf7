"""A real broker, the real command line as its own process, and a scripted gateway."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiomqtt import Client

from simulators.tools import mosquitto
from tests.integration.fleet.gateway import FakeGateway

REPOSITORY = Path(__file__).parents[3]


class Broker:
    """mosquitto with its data in a folder, which survives a restart."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port: int = server.getsockname()[1]
        self._configuration = folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {folder}/",
            "max_queued_messages 0",
            *(["user root"] if os.geteuid() == 0 else []),
        ]
        self._configuration.write_text("\n".join([*lines, ""]))
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *mosquitto(), "-c", str(self._configuration), stderr=asyncio.subprocess.PIPE
        )
        assert self._process.stderr is not None
        async with asyncio.timeout(240):
            async for line in self._process.stderr:
                if line.rstrip().endswith(b"running"):
                    break
            else:
                pytest.fail("the broker ended before it was running")
        # It says so just before its loop begins, and forgets a SIGTERM that comes in between.
        async with Client("127.0.0.1", self.port):
            pass

    async def stop(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.terminate()
            await self._process.communicate()


class Lamplighter:
    """The command line, run as `lamplighter` is."""

    def __init__(self, port: int, folder: Path) -> None:
        self._folder = folder
        self.port = port
        self.environment = {
            **{name: value for name, value in os.environ.items() if "LAMPLIGHTER" not in name},
            "PYTHONPATH": str(REPOSITORY),
            "COLUMNS": "80",
            "TERM": "dumb",
            "LAMPLIGHTER_HOST": "127.0.0.1",
            "LAMPLIGHTER_PORT": str(port),
            "LAMPLIGHTER_STORE": f"sqlite:///{folder}/city.db",
        }

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fleet_cli",
            *arguments,
            cwd=self._folder,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def __call__(self, *arguments: str, answer: str = "") -> tuple[int, str, str]:
        """(exit code, stdout, stderr)."""
        process = await self.start(*arguments)
        async with asyncio.timeout(240):
            out, error = await process.communicate(answer.encode())
        assert process.returncode is not None
        assert b"Traceback" not in error, error.decode()
        return process.returncode, out.decode(), error.decode()


async def until(
    what: Callable[[], bool | Awaitable[bool]], timeout_s: float = 240, every_s: float = 0.05
) -> None:
    """Wait for something in another process, of which nobody tells us."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = what()
            if found is True or (found is not False and await found):
                return
            await asyncio.sleep(every_s)


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[Broker]:
    started = Broker(tmp_path)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
def lamplighter(broker: Broker, tmp_path: Path) -> Lamplighter:
    return Lamplighter(broker.port, tmp_path)


@pytest.fixture
async def gateway(broker: Broker) -> AsyncIterator[FakeGateway]:
    """One gateway, cabinet-7, with three lampposts that do as they are told."""
    async with FakeGateway(broker.port, "cabinet-7") as running:
        for number in range(3):
            running.add(f"a0b1c2d3e4f{number}", f"high-street-{number}")
        await running.announce()
        yield running
