"""The gateway with an air of its own: ``python -m tests.bench.on_air run --config FILE``.

Its one adapter hears COUNT lampposts, each with a sealed advert every few seconds, and connects to
any of them. They live in the gateway's process, as no radio does, and are counted with it; what
BlueZ takes is not.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

import gateway.ble.bluez  # what would be loaded where the radio is real  # noqa: F401
from gateway.ble.adverts import BTHOME, SMP_SERVICE
from gateway.ble.listener import address_of
from gateway.main import run_program
from protocol import bthome
from tests.bench.crowd import KEY_ID, Post
from tests.unit.gateway.ble.fakes import FakeAdapter, Hear, Peer

COUNT = 50
_BUS = 0xB1
_RECORDS_EVERY_S = 60.0
_ADVERTS_EVERY_S = 2.0
_PIECE = 244
_VALUES = (
    bthome.pack(bthome.TEMPERATURE, 2150)
    + bthome.pack(bthome.POWER, 4200)
    + bthome.pack(bthome.POWER_ON, 1)
)


def posts() -> list[Post]:
    """The lampposts within range."""
    return [Post(_BUS, number, False, _RECORDS_EVERY_S) for number in range(COUNT)]


def sections() -> str:
    """Their part of the gateway's configuration."""
    return "[ble]\n" + "".join(
        f'[[lamppost]]\nid = "{post.node.hex()}"\nname = "air {post.address}"\nble = true\n'
        f'key = "{post.key.hex()}"\nkey_id = {KEY_ID}\n'
        for post in posts()
    )


class Air(FakeAdapter):
    """The adapter, and everybody it hears."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._posts = posts()
        for post in self._posts:
            self.peers[address_of(post.node)] = _peer(post)

    def scanner(self, hear: Hear, mode: str) -> BleakScanner:
        """One that hears them while it is started."""
        return cast("BleakScanner", _Scanner(self._posts, hear))


class _Scanner:
    def __init__(self, posts: list[Post], hear: Hear) -> None:
        self._posts = posts
        self._hear = hear
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        for counter in range(bthome.MAX_COUNTER):
            for post in self._posts:
                await asyncio.sleep(_ADVERTS_EVERY_S / COUNT)
                self._say(post, counter)

    def _say(self, post: Post, counter: int) -> None:
        address = address_of(post.node)
        key = bthome.bind_key(post.key, post.node)
        sender = bytes.fromhex(address.replace(":", ""))
        sealed = bthome.seal(key, sender, counter, _VALUES)[2:]
        name = "lamp-" + post.node.hex()[6:]
        heard = AdvertisementData(name, {}, {BTHOME: sealed}, [SMP_SERVICE], None, -60, ())
        self._hear(BLEDevice(address, name, None), heard)


def _peer(post: Post) -> Peer:
    peer = Peer()

    def answers(message: bytes) -> list[bytes]:
        peer.heard.clear()
        reply = post.answer(message)
        return [reply[at : at + _PIECE] for at in range(0, len(reply), _PIECE)]

    peer.answers = answers
    return peer


if __name__ == "__main__":
    sys.exit(run_program(open_adapter=Air))
