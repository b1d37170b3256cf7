"""A minimal gateway: asks lampposts over the street's serial port, one frame at a time."""

import asyncio
from types import TracebackType
from typing import Any

import serial

from protocol import busframe, envelope, messages, smp
from simulators.factory import Provision

ATTEMPT_SECONDS = 1.0


class StreetClient:
    """Unsealed requests over the bus, each repeated until it is answered."""

    def __init__(self, port: str) -> None:
        self._port = serial.Serial(port, 115_200, timeout=ATTEMPT_SECONDS)
        self._deframer = busframe.Deframer()
        self._sequence = 0

    def __enter__(self) -> "StreetClient":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._port.close()

    async def status(self, address: int, patience: float = 60.0) -> dict[str, Any]:
        """The lamppost's STATUS, asked for until it answers."""
        return await self._ask(address, messages.STATUS, {}, patience)

    async def records(self, node: str, address: int) -> list[tuple[str, int, int, bytes]]:
        """Every record the lamppost holds now, as (node, epoch, sequence, body)."""
        found: list[tuple[str, int, int, bytes]] = []
        epoch = sequence = 0
        while True:
            request = messages.readings_request(epoch, sequence, 800)
            reply = await self._ask(address, messages.READINGS, request, 60.0)
            bodies = reply["r"]
            if not bodies:
                return found
            epoch, first = reply["e"], reply["s"]
            found += [(node, epoch, first + n, body) for n, body in enumerate(bodies)]
            sequence = first + len(bodies)

    async def sealed(
        self,
        who: Provision,
        command: int,
        body: dict[str, Any],
        counter: int,
        writes: bool = True,
    ) -> dict[str, Any]:
        """The reply to a request of the street group that is sealed under ``counter``."""
        op = smp.OP_WRITE if writes else smp.OP_READ
        inner = smp.pack(op, smp.GROUP_STREET, 0, command, body)
        node = bytes.fromhex(who.node)
        keys = {who.key_id: who.key}
        message = envelope.seal(who.key, who.key_id, node, envelope.TO_NODE, counter, inner)
        request = messages.sealed(message)
        reply = await self._ask(who.address, messages.SEALED, request, 60.0, smp.OP_WRITE)
        answer = envelope.open_sealed(keys, node, envelope.FROM_NODE, messages.parse_sealed(reply))[
            0
        ]
        return smp.unpack(answer)[4]

    async def broadcast(
        self, key_id: int, key: bytes, command: int, body: dict[str, Any], counter: int
    ) -> None:
        """Say a write of the street group to all, twice: nobody answers a broadcast."""
        inner = smp.pack(smp.OP_WRITE, smp.GROUP_STREET, 0, command, body)
        data = envelope.seal(key, key_id, envelope.BROADCAST_ID, envelope.TO_NODE, counter, inner)
        for _ in range(2):
            self._sequence = (self._sequence + 1) & 0xFF
            message = smp.pack(
                smp.OP_WRITE,
                smp.GROUP_STREET,
                self._sequence,
                messages.SEALED,
                messages.sealed(data),
            )
            frame = busframe.encode(
                busframe.BROADCAST_ADDRESS, busframe.BROADCAST, self._sequence, message
            )
            await asyncio.to_thread(self._port.write, frame)

    async def _ask(
        self,
        address: int,
        command: int,
        body: dict[str, Any],
        patience: float,
        op: int = smp.OP_READ,
    ) -> dict[str, Any]:
        async with asyncio.timeout(patience):
            while True:
                self._sequence = (self._sequence + 1) & 0xFF
                reply = await asyncio.to_thread(self._attempt, address, command, body, op)
                if reply is not None:
                    return reply

    def _attempt(
        self, address: int, command: int, body: dict[str, Any], op: int
    ) -> dict[str, Any] | None:
        message = smp.pack(op, smp.GROUP_STREET, self._sequence, command, body)
        self._port.write(busframe.encode(address, busframe.REQUEST, self._sequence, message))
        while data := self._read():
            for sender, control, sequence, payload in self._deframer.feed(data):
                if (sender, control, sequence) == (address, busframe.RESPONSE, self._sequence):
                    return smp.unpack(payload)[4]
        return None

    def _read(self) -> bytes:
        """What has come; pyserial calls it a disconnect when a pty is woken without a byte."""
        try:
            return self._port.read(max(1, self._port.in_waiting))
        except serial.SerialException:
            if not self._port.is_open:
                raise
            return b""
