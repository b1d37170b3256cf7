"""Adverts and notifications: what anybody within a hundred metres can send."""

from __future__ import annotations

import asyncio
import math
from typing import Any, cast

from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from gateway.adoption.unknown import MOST, UnknownLampposts
from gateway.ble.adverts import BTHOME, SMP_SERVICE
from gateway.ble.connection import Connection, Disconnected
from gateway.ble.listener import Listener
from gateway.ble.strangers import MOST_STRANGERS
from gateway.errors import NoReply
from protocol import bthome, smp
from protocol.busframe import MAX_PAYLOAD
from tests.fuzz.data import Data
from tests.fuzz.harness import KEY, NODE, OTHER, clock, run, silent

_ADDRESS = "A0:B1:C2:D3:E4:F7"
_OBJECTS = bthome.pack(bthome.POWER_ON, 1)
_OTHER_KEY = bytes(16)


class Adverts:
    """Adverts at two adapters; `insider`: whether the sender has the key of a lamppost."""

    def __init__(self, *, insider: bool = False) -> None:
        self._insider = insider
        self.now = 1000.0
        self.unknown = UnknownLampposts(clock(), lambda node: node in (NODE, OTHER), self._time)
        self.listener = Listener(self._time)
        self.listener.stranger = lambda node, address, rssi: self.unknown.seen(
            node, "ble", address, rssi
        )
        self.ours = self.listener.add(NODE, KEY, None)
        self.fixed = self.listener.add(OTHER, _OTHER_KEY, "66:55:44:33:22:11")
        self._sent: list[tuple[str, bytes]] = []

    def _time(self) -> float:
        return self.now

    def feed(self, data: bytes) -> None:
        read = Data(data)
        while read.more:
            self._one(read)
        before = self.ours.live.counter
        # The lamppost itself is still heard, unless somebody with its key has used its counters up.
        if before < bthome.MAX_COUNTER:
            self._hear(self.ours.address, _sealed(KEY, self.ours.address, before + 1, _OBJECTS))
            assert self.ours.live.counter == before + 1
            assert self.ours.live.values["lit"] is True

    def _one(self, data: Data) -> None:
        self.now += data.pick((0.0, 0.0, 0.1, 61.0, 700.0))
        address = data.pick((_ADDRESS, self.fixed.address, _made_up(data)))
        name = data.pick((None, "lamp-d3e4f5", _named(address), data.text()))
        services = data.pick(([], [SMP_SERVICE], [data.text()]))
        facts = self._facts()
        believable = False
        match data.below(6):
            case 0:
                sent = data.bytes(260)
            case 1:
                sent = b"\x41" + data.bytes(250)
            case 2:
                sent = _sealed(_OTHER_KEY[::-1] + b"x", address, data.below(1 << 32), _OBJECTS)
            case 3 if self._sent:
                address, sent = data.pick(self._sent)  # said again, by whoever recorded it
                # One that nobody took then, since it came from where nobody was known to be.
                believable = int.from_bytes(sent[-8:-4], "little") > self.ours.live.counter
            case 4 if self._insider:
                believable = True
                sent = _sealed(KEY, address, data.below(1 << 20), data.bytes(15) or b"\0")
            case _:
                right = _sealed(KEY, address, self.ours.live.counter + 1, _OBJECTS)
                sent = data.damaged(right)
                believable = sent[:1] == right[:1] and sent == right
        if believable:
            self._sent = [*self._sent[-7:], (address, sent)]
        uuid = BTHOME if data.below(8) else data.text()
        self._hear(address, sent, name, services, data.pick(("hci0", "hci1")), uuid, _rssi(data))
        if not believable:
            assert self._facts() == facts, "believed, and nobody had the key"
        if data.below(16) == 0:
            self.listener.lost("hci0")

    def _facts(self) -> object:
        live = self.ours.live
        return live.counter, dict(live.values), self.ours.address

    def _hear(
        self,
        address: str,
        data: bytes,
        name: str | None = None,
        services: list[str] | None = None,
        adapter: str = "hci0",
        uuid: str = BTHOME,
        rssi: int = -50,
    ) -> None:
        heard = AdvertisementData(name, {}, {uuid: data}, services or [], None, rssi, ())
        self.listener.hear(adapter, BLEDevice(address, name, None), heard)

    def sizes(self) -> dict[str, tuple[int, int]]:
        return {
            "addresses": (len(self.listener._by_address), 2),
            "names": (len(self.listener._by_name), 2),
            "sightings": (len(self.ours.sightings), 2),
            "strangers": (len(self.listener.strangers._known), MOST_STRANGERS),
            "unknown": (len(self.unknown._known), MOST),
            "values": (len(self.ours.live.values), 10),
        }


class InsidersAdverts(Adverts):
    """From whoever has taken a lamppost apart."""

    def __init__(self) -> None:
        super().__init__(insider=True)

    def feed(self, data: bytes) -> None:
        super().feed(data)
        assert all(
            isinstance(value, bool) or math.isfinite(value)
            for value in self.ours.live.values.values()
        )


class Notifications:
    """What a peer notifies while one request after the other waits."""

    def __init__(self) -> None:
        self.connection = Connection(lambda: None, silent())

    def feed(self, data: bytes) -> None:
        run(self._feed(Data(data)))

    async def _feed(self, data: Data) -> None:
        connection = self.connection
        connection.up = True
        client = _Client()
        connection._client = cast(Any, client)
        connection._characteristic = cast(Any, client)
        request = smp.pack(smp.OP_READ, smp.GROUP_OS, data.below(256), 0, {})
        right = smp.pack(smp.OP_READ_RSP, smp.GROUP_OS, request[6], 0, {"r": data.bytes(200)})
        asking = asyncio.ensure_future(connection.exchange(request, 60))
        await asyncio.sleep(0)
        while data.more and not asking.done():
            match data.below(4):
                case 0:
                    piece = data.bytes(600)
                case 1:
                    piece = data.damaged(right)
                case 2:
                    at = data.below(len(right))
                    piece = right[at : at + data.below(60)]
                case _:
                    connection._reassembly._touched -= data.pick((0.0, 1.0, 3.0))
                    continue
            self._notify(piece)
            if data.below(64) == 0:
                connection._gone()
            await asyncio.sleep(0)
        # After a pause what has come in pieces belongs to nothing.
        connection._reassembly._touched -= 10
        self._notify(right)
        try:
            reply = await asking
        except (NoReply, Disconnected):
            assert not connection.up
        else:
            assert reply[0] & 7 == smp.OP_READ_RSP
            assert reply[4:8] == right[4:8]
            assert len(reply) == 8 + int.from_bytes(reply[2:4], "big") <= MAX_PAYLOAD

    def _notify(self, piece: bytes) -> None:
        self.connection._notified(cast(Any, None), bytearray(piece))

    def sizes(self) -> dict[str, tuple[int, int]]:
        return {"pieces": (len(self.connection._reassembly._pending), MAX_PAYLOAD)}


class _Client:
    """bleak's client and characteristic."""

    max_write_without_response_size = 244

    async def write_gatt_char(self, *args: object, **options: object) -> None: ...


def _rssi(data: Data) -> int:
    return data.below(1 << 16) - (1 << 15)  # 16 bits on the D-Bus


def _made_up(data: Data) -> str:
    return data.bytes(6).ljust(6, b"\0")[:6].hex(":").upper()


def _named(address: str) -> str:
    node = (int(address.replace(":", ""), 16) - 2) % (1 << 48)
    return f"lamp-{node.to_bytes(6, 'big').hex()[6:]}"


def _sealed(key: bytes, address: str, counter: int, objects: bytes) -> bytes:
    sender = bytes.fromhex(address.replace(":", ""))
    return bthome.seal(bthome.bind_key(key[:16], NODE), sender, counter, objects)[2:]
