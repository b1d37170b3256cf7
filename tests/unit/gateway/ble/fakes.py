"""An adapter whose failures are scripted, and a lamppost at the other end of its connections."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from gateway.ble.adverts import SMP_CHARACTERISTIC, SMP_SERVICE
from protocol import smp

Hear = Callable[[BLEDevice, AdvertisementData], None]


def request(sequence: int = 1, size: int = 100) -> bytes:
    return smp.pack(smp.OP_READ, smp.GROUP_STREET, sequence, 2, {"d": "x" * size})


def reply_to(message: bytes, size: int = 300) -> bytes:
    op, group, sequence, command = smp.unpack_header(message)[:4]
    return smp.pack(op + 1, group, sequence, command, {"d": "y" * size})


class Characteristic:
    def __init__(self, room: int) -> None:
        self.max_write_without_response_size = room


class Peer:
    """A lamppost as a client of bleak's shows it. `answers` makes notifications of a request."""

    def __init__(self) -> None:
        self.connects: list[BaseException | None] = []  # in turn; then it works
        self.service = True
        self.room = 244
        self.answers: Callable[[bytes], list[bytes] | None] = _in_pieces
        self.heard: list[bytes] = []
        self.clients: list[Client] = []
        self.longest_write = 0

    def drop(self) -> None:
        """It is out of reach."""
        for client in list(self.clients):
            client.lose()


def _in_pieces(message: bytes) -> list[bytes]:
    reply = reply_to(message)
    return [reply[at : at + 100] for at in range(0, len(reply), 100)]


class Client:
    def __init__(self, peer: Peer, gone: Callable[[], None]) -> None:
        self._peer = peer
        self._gone = gone
        self._notify: Callable[[Any, bytearray], None] | None = None
        self._pending = b""
        self.up = False

    @property
    def services(self) -> Client:
        return self

    def get_characteristic(self, uuid: str) -> Characteristic | None:
        assert uuid == SMP_CHARACTERISTIC
        return Characteristic(self._peer.room) if self._peer.service else None

    async def connect(self) -> None:
        await asyncio.sleep(0)
        error = self._peer.connects.pop(0) if self._peer.connects else None
        if error is not None:
            raise error
        self.up = True
        self._peer.clients.append(self)

    async def start_notify(self, _: Any, notify: Any, **__: Any) -> None:
        self._notify = notify

    async def write_gatt_char(self, _: Any, data: bytes, response: bool) -> None:
        assert not response
        assert len(data) <= self._peer.room
        await asyncio.sleep(0)
        if not self.up:
            raise BleakError("Not connected")
        self._peer.longest_write = max(self._peer.longest_write, len(data))
        self._pending += data
        size = smp.HEADER_SIZE + int.from_bytes(self._pending[2:4], "big")
        if len(self._pending) >= size:
            message, self._pending = self._pending[:size], self._pending[size:]
            self._peer.heard.append(message)
            answers = self._peer.answers(message)
            if answers is None:
                self.lose()
                return
            for piece in answers:
                assert self._notify is not None
                self._notify(None, bytearray(piece))

    async def disconnect(self) -> None:
        await asyncio.sleep(0)
        self.lose()

    def lose(self) -> None:
        if self.up:
            self.up = False
            self._peer.clients.remove(self)
            self._gone()


class FakeAdapter:
    by_descriptor = True

    def __init__(self, name: str = "hci0") -> None:
        self.name = name
        self.peers: dict[str, Peer] = {}
        self.prepares: list[BaseException | None] = []
        self.starts: list[BaseException | None] = []
        self.there = True
        self.calls: list[str] = []
        self.modes: list[str] = []
        self.hear: Hear | None = None
        self.busy = 0

    def _next(self, script: list[BaseException | None]) -> None:
        error = script.pop(0) if script else None
        if error is not None:
            raise error

    async def prepare(self) -> None:
        self.calls.append("prepare")
        self._next(self.prepares)

    def scanner(self, hear: Hear, mode: str) -> BleakScanner:
        self.modes.append(mode)
        return cast(BleakScanner, _Scanner(self, hear))

    def client(self, device: BLEDevice, gone: Callable[[], None], timeout_s: float) -> BleakClient:
        return cast(BleakClient, Client(self.peers[device.address], gone))

    async def still_there(self) -> bool:
        return self.there

    async def power_cycle(self) -> None:
        self.calls.append("power cycle")

    async def close(self) -> None:
        self.calls.append("close")

    def advertise(self, address: str, name: str = "lamp-d3e4f5", rssi: int = -60) -> None:
        assert self.hear is not None
        heard = AdvertisementData(name, {}, {}, [SMP_SERVICE], None, rssi, ())
        self.hear(BLEDevice(address, name, None), heard)


class _Scanner:
    def __init__(self, adapter: FakeAdapter, hear: Hear) -> None:
        self._adapter = adapter
        self._hear = hear

    async def start(self) -> None:
        adapter = self._adapter
        adapter._next(adapter.starts)  # pyright: ignore[reportPrivateUsage]
        adapter.calls.append("start")
        adapter.hear = self._hear

    async def stop(self) -> None:
        adapter = self._adapter
        if adapter.hear is self._hear:
            adapter.calls.append("stop")
            adapter.hear = None


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)
