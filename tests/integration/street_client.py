"""A minimal gateway: asks lampposts over the street's serial port, one frame at a time."""

import asyncio
from types import TracebackType
from typing import Any

import serial

from protocol import busframe, messages, smp

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

    async def _ask(
        self, address: int, command: int, body: dict[str, Any], patience: float
    ) -> dict[str, Any]:
        async with asyncio.timeout(patience):
            while True:
                self._sequence = (self._sequence + 1) & 0xFF
                reply = await asyncio.to_thread(self._attempt, address, command, body)
                if reply is not None:
                    return reply

    def _attempt(self, address: int, command: int, body: dict[str, Any]) -> dict[str, Any] | None:
        message = smp.pack(smp.OP_READ, smp.GROUP_STREET, self._sequence, command, body)
        self._port.write(busframe.encode(address, busframe.REQUEST, self._sequence, message))
        while data := self._port.read(max(1, self._port.in_waiting)):
            for sender, control, sequence, payload in self._deframer.feed(data):
                if (sender, control, sequence) == (address, busframe.RESPONSE, self._sequence):
                    return smp.unpack(payload)[4]
        return None
