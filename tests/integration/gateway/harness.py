"""A real broker, a real gateway process, a city that listens."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import aiomqtt

from protocol import cbor
from simulators.tools import mosquitto
from tests.integration.gateway.fake_node import KEY_ID, FakeBus

REPOSITORY = Path(__file__).resolve().parents[3]
GATEWAY = "cabinet-1"
INGEST = "city"
DEADLINE_S = 240.0


async def eventually(condition: Callable[[], object], what: str = "") -> None:
    """Wait until `condition()` holds; fail after a deadline far above what any machine needs."""
    until = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"not within {DEADLINE_S:.0f} s: {what or condition}")
        await asyncio.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Broker:
    """mosquitto with persistence, as in a city; `port` stays the same across restarts."""

    def __init__(self, folder: Path, listener: str = "allow_anonymous true\n") -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        self._log = folder / "mosquitto.log"
        self._config.write_text(
            f"user root\nlistener {self.port} 127.0.0.1\n{listener}"
            f"persistence true\npersistence_location {folder}/\nmax_queued_messages 0\n"
            "max_inflight_messages 20\nlog_type warning\n"
        )
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *mosquitto(), "-c", str(self._config), stdout=log, stderr=log
            )
        await eventually(self._listens, f"mosquitto listens: {self._log.read_text()}")

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """Kill -9: what it has not saved yet is lost."""
        await self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """It keeps its connections and does nothing, until `thaw`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            # One that is frozen would never hear of it.
            self._process.send_signal(signal.SIGCONT)
            await self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class City:
    """Listens with a persistent session: a record is {(node, epoch, seq): body}."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.records: dict[tuple[bytes, int, int], bytes] = {}
        self.repeats = 0
        self.batches: list[tuple[bytes, int]] = []
        self.conflicts: list[tuple[bytes, int, int]] = []
        self.reported: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[str, dict[str, Any]]] = []
        self.status: dict[str, Any] = {}
        self.listening = asyncio.Event()
        self._allowed = asyncio.Event()
        self._allowed.set()
        self._client: aiomqtt.Client | None = None

    async def run(self) -> None:
        while True:
            await self._allowed.wait()
            try:
                async with aiomqtt.Client(
                    "127.0.0.1",
                    self.port,
                    identifier="city",
                    protocol=aiomqtt.ProtocolVersion.V5,
                    clean_start=False,
                    properties=_session(),
                ) as client:
                    await client.subscribe("$share/ingest/lamplighter/v1/+/records", qos=1)
                    await client.subscribe("lamplighter/v1/+/lamppost/+/reported", qos=1)
                    await client.subscribe("lamplighter/v1/+/status", qos=1)
                    self._client = client
                    await self.announce(client)
                    self.listening.set()
                    async for message in client.messages:
                        self._take(str(message.topic), message.payload)
                        if not self._allowed.is_set():
                            break
                self.listening.clear()
            except aiomqtt.MqttError:
                self.listening.clear()
                self._client = None
                await asyncio.sleep(0.05)

    async def announce(self, client: aiomqtt.Client) -> None:
        """Say, as an ingest does, that this one stores what it is sent."""
        await client.publish(
            f"lamplighter/v1/ingest/{INGEST}",
            json.dumps({"ingest": INGEST, "since": int(time.time())}),
            qos=1,
            retain=True,
            properties=_valid_for(3600),
        )

    def _take(self, topic: str, payload: bytes) -> None:
        if topic.endswith("/records"):
            schema, node, epoch, first, bodies = cbor.loads(payload)
            assert schema == 1
            self.batches.append((node, len(bodies)))
            for seq, body in enumerate(bodies, first):
                known = self.records.setdefault((node, epoch, seq), body)
                if known != body:
                    self.conflicts.append((node, epoch, seq))
                elif len(self.records) and known is not body:
                    self.repeats += 1
        elif topic.endswith("/reported") and not payload:
            self.reported.pop(topic.split("/")[-2], None)
        elif topic.endswith("/reported"):
            document = json.loads(payload)
            self.reported[document["node"]] = document
            self.history.append((document["node"], document))
        else:
            self.status = json.loads(payload)

    async def pause(self) -> None:
        """Disconnect; the session stays at the broker."""
        self._allowed.clear()
        # Any message wakes the loop that is waiting for one.
        await self.publish("nobody/status", json.dumps({"state": "none"}), retain=False)
        await eventually(lambda: not self.listening.is_set(), "the city disconnected")

    def resume(self) -> None:
        self._allowed.set()

    async def publish(self, topic: str, payload: bytes | str, retain: bool = True) -> None:
        await self.listening.wait()
        assert self._client is not None
        await self._client.publish(f"lamplighter/v1/{topic}", payload, qos=1, retain=retain)

    async def want(self, node: str, leaf: str, document: dict[str, Any] | None) -> None:
        payload = b"" if document is None else json.dumps(document).encode()
        await self.publish(f"{GATEWAY}/lamppost/{node}/{leaf}", payload, leaf != "command")

    def has_all_of(self, bus: FakeBus) -> bool:
        return all(
            self.records.get((node.id, *key)) == body
            for node in bus.nodes.values()
            for key, body in node.written.items()
        )


def _session() -> Any:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    return properties


def _valid_for(seconds: int) -> Any:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    properties = Properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = seconds
    return properties


class GatewayProcess:
    """The program as it is run on a Pi; `kill` is kill -9."""

    def __init__(self, folder: Path, buses: dict[str, FakeBus], broker_port: int) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "gateway.log"
        self.config = folder / "gateway.toml"
        self.settings: dict[str, str] = {}
        # The module that is run, and arguments before the gateway's own.
        self.program = ["gateway.main"]
        self._buses = buses
        self._broker_port = broker_port
        self._process: asyncio.subprocess.Process | None = None

    def write_config(self, **extra: str) -> None:
        """`extra` lines by section: bus, buffer, metrics, updates."""
        text = f'[gateway]\nid = "{GATEWAY}"\ndata_dir = "{self.data}"\n'
        text += f'[mqtt]\nhost = "127.0.0.1"\nport = {self._broker_port}\n'
        text += f"report_interval_s = 0.05\n{extra.get('mqtt', '')}\n"
        text += "[updates]\nretry_s = 0.1\nsettle_s = 0.2\nmulticast_gather_s = 0.5\n"
        text += f"{extra.get('updates', '')}\n"
        text += f"[buffer]\n{extra.get('buffer', '')}\n"
        # Many gateways run at once here, and there is one default port.
        text += f"[metrics]\n{extra.get('metrics', 'enabled = false')}\n"
        text += '[log]\nlevel = "debug"\n'
        for name, bus in self._buses.items():
            text += (
                f'[bus.{name}]\nport = "{bus.path}"\nreply_timeout_ms = 200\nidle_poll_ms = 20\n'
                f"silent_poll_max_s = 0.5\n{extra.get('bus', '')}\n"
            )
            for node in bus.nodes.values():
                text += (
                    f'[[lamppost]]\nid = "{node.hex}"\nname = "{name} {node.address}"\n'
                    f'bus = "{name}"\naddress = {node.address}\n'
                    f'key = "{node.key.hex()}"\nkey_id = {KEY_ID}\n'
                )
        self.config.write_text(text)
        self.config.chmod(0o600)

    async def start(self) -> None:
        if not self.config.exists():
            self.write_config()
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command, **self.surroundings, stdout=log, stderr=log
            )

    @property
    def command(self) -> list[str]:
        """What is run."""
        return [sys.executable, "-m", *self.program, "run", "--config", str(self.config)]

    @property
    def surroundings(self) -> dict[str, Any]:
        """Where it is run."""
        return {"cwd": REPOSITORY, "env": {**os.environ, "PYTHONPATH": str(REPOSITORY)}}

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill_now(self) -> None:
        """Kill -9 at this very moment; `kill` has to be awaited all the same."""
        assert self._process is not None
        self._process.kill()

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        return await self._end(signal.SIGTERM)

    async def wait(self) -> int:
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), DEADLINE_S)

    async def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        code = await asyncio.wait_for(self._process.wait(), DEADLINE_S)
        self._process = None
        return code

    def buffered(self) -> set[tuple[bytes, int, int]]:
        """Keys in the gateway's database."""
        database = sqlite3.connect(self.data / "gateway.db")
        try:
            return set(database.execute("SELECT node, epoch, seq FROM record"))
        finally:
            database.close()

    def said(self, text: str) -> bool:
        return self.log.exists() and text in self.log.read_text()


class Street:
    """Broker, city, buses and the gateway between them."""

    def __init__(
        self, folder: Path, buses: dict[str, FakeBus], listener: str = "allow_anonymous true\n"
    ) -> None:
        self.buses = buses
        self.broker = Broker(folder, listener)
        self.city = City(self.broker.port)
        self.gateway = GatewayProcess(folder, buses, self.broker.port)

    @property
    def bus(self) -> FakeBus:
        return next(iter(self.buses.values()))


@contextlib.asynccontextmanager
async def street(
    folder: Path,
    *buses: FakeBus,
    listen: bool = True,
    listener: str = "allow_anonymous true\n",
) -> AsyncGenerator[Street, None]:
    """Everything but the gateway started; all of it stopped at the end.

    listener: what the broker's configuration says beyond its plain listener.
    """
    named = {f"bus{number}": bus for number, bus in enumerate(buses)}
    made = Street(folder, named, listener)
    with contextlib.ExitStack() as stack:
        for bus in buses:
            stack.enter_context(bus)
        await made.broker.start()
        hearing: asyncio.Task[None] | None = None
        try:
            if listen:
                hearing = asyncio.create_task(made.city.run())
                await made.city.listening.wait()
            yield made
        except AssertionError:
            if made.gateway.log.exists():
                print(made.gateway.log.read_text()[-8000:])
            raise
        finally:
            await made.gateway.kill()
            if hearing is not None:
                hearing.cancel()
                await asyncio.gather(hearing, return_exceptions=True)
            await made.broker.stop()
