"""Cheap lampposts, as many as a bus takes, for what the gateway and the line can do at best.

They say what firmware says to polls, sealed, and nothing else; thinking takes them ``latency`` of
the line's time, whatever it takes this machine.
"""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any

from protocol import busframe, configuration, envelope, messages, records, smp
from simulators.bus import Bus
from tests.bench.samples import night
from tests.bench.wire import batches

KEY_ID = 7
_ONE = night(1)


class Post:
    """The lamppost at ``address``. ``backlog`` says whether it always has more records.

    every_s: without a backlog, seconds between records it makes (0: makes none).
    """

    def __init__(self, bus: int, address: int, backlog: bool, every_s: float = 0) -> None:
        self.address = address
        self.node = bytes((0xA0, 0xB1, 0xC2, 0xD3, bus, address))
        self.key = sha256(self.node).digest()[:16]
        self._records = batches(night(200))[0] if backlog else []
        self._every_s = every_s
        self._born = time.monotonic()
        self.record_bytes = 0
        self.polls = 0

    def answer(self, message: bytes) -> bytes:
        """The reply to a sealed request."""
        op, group, number, command, body = smp.unpack(message)
        if command != messages.SEALED:
            return smp.pack(op + 1, group, number, command, smp.error(group, 3))
        sealed = messages.parse_sealed(body)
        plain, _, counter = envelope.open_sealed(
            {KEY_ID: self.key}, self.node, envelope.TO_NODE, sealed
        )
        inner_op, inner_group, _, inner_command, inner_body = smp.unpack(plain)
        if (inner_group, inner_command) == (smp.GROUP_STREET, messages.STATUS):
            reply = self._status()
        elif (inner_group, inner_command) == (smp.GROUP_STREET, messages.READINGS):
            reply = self._readings(inner_body)
        else:
            reply = {"rc": smp.MGMT_ERR_ENOTSUP}
        inner = smp.pack(inner_op + 1, inner_group, 0, inner_command, reply)
        seal = envelope.seal(self.key, KEY_ID, self.node, envelope.FROM_NODE, counter, inner)
        return smp.pack(op + 1, group, number, command, messages.sealed(seal))

    def _readings(self, body: dict[str, Any]) -> dict[str, Any]:
        self.polls += 1
        found = self._made_since(body["s"]) if self._every_s else self._records
        self.record_bytes += sum(map(len, found))
        waiting = 1000 if self._records else 0
        return messages.readings_reply(1, body["s"], found, waiting, 1, 80)

    def _made_since(self, sequence: int) -> list[bytes]:
        # Each lamppost at a moment of its own, not the whole street at once.
        age = time.monotonic() - self._born + self._every_s * self.address / 256
        return _ONE * max(0, min(8, int(age / self._every_s) - sequence))

    def _status(self) -> dict[str, Any]:
        return messages.status_reply(
            {
                "id": self.node,
                "board": "esp32s3-ref",
                "version": "1.0.0",
                "slot": 0,
                "hash": b"\x11" * 32,
                "confirmed": True,
                "security_counter": 1,
                "configuration_version": 0,
                "configuration_digest": configuration.digest({}),
                "level": 80,
                "reason": records.REASON_PROGRAM,
                "epoch": 1,
                "next_sequence": 0xFFFFFFF0,
                "uptime": 10,
                "time": 0,
                "update_state": messages.UPDATE_IDLE,
                "update_offset": 0,
                "update_reason": "",
                "task_restarts": 0,
                "overwritten": 0,
                "generation": 1,
                "link": 1,
                "link_reason": "",
                "safe_mode": False,
            }
        )

    def section(self, bus: str) -> str:
        """Its part of the gateway's configuration."""
        return (
            f'[[lamppost]]\nid = "{self.node.hex()}"\nname = "{bus} {self.address}"\n'
            f'bus = "{bus}"\naddress = {self.address}\n'
            f'key = "{self.key.hex()}"\nkey_id = {KEY_ID}\n'
        )


class Crowd:
    """``count`` lampposts behind one transceiver: a hundred deframers would be the bottleneck.

    ``request_bytes`` and ``reply_bytes`` are those of the last exchange, on the line.
    """

    def __init__(
        self,
        bus: Bus,
        number: int,
        count: int,
        backlog: bool,
        latency: float,
        every_s: float = 0,
    ) -> None:
        self.posts = {
            address: Post(number, address, backlog, every_s) for address in range(1, count + 1)
        }
        self._bus = bus
        self._latency = latency
        self._port = bus.join(self._hear)
        self._deframer = busframe.Deframer()
        self.request_bytes = 0
        self.reply_bytes = 0

    def _hear(self, data: bytes) -> None:
        heard = self._bus.arrived
        for address, control, sequence, payload in self._deframer.feed(data):
            post = self.posts.get(address)
            if post is None or control != busframe.REQUEST:
                continue
            reply = busframe.encode(address, busframe.RESPONSE, sequence, post.answer(payload))
            self.request_bytes, self.reply_bytes = len(data), len(reply)
            self._port.transmit(reply, heard + self._latency)

    @property
    def polls(self) -> int:
        """Polls answered so far."""
        return sum(post.polls for post in self.posts.values())

    @property
    def record_bytes(self) -> int:
        """Bytes of records given so far."""
        return sum(post.record_bytes for post in self.posts.values())
