"""Unsealed SMP over a simulated street's bus: one request at a time, repeated until answered."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

import serial

from protocol import busframe, smp

_ATTEMPT_SECONDS = 2.0


class StreetLink:
    """The serial port of a street's bus, talking to the lamppost at one address."""

    def __init__(self, port: str, address: int) -> None:
        self._port = serial.Serial(port, 115_200, timeout=0.05)
        self._address = address
        self._deframer = busframe.Deframer()
        self._sequence = 0

    def __enter__(self) -> StreetLink:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._port.close()

    async def ask(self, op: int, group: int, command: int, body: dict[str, Any]) -> dict[str, Any]:
        """The body of the reply; asks again until there is one, so the caller has the deadline."""
        self._sequence = (self._sequence + 1) & 0xFF
        message = smp.pack(op, group, self._sequence, command, body)
        frame = busframe.encode(self._address, busframe.REQUEST, self._sequence, message)
        expected = (self._address, busframe.RESPONSE, self._sequence)
        loop = asyncio.get_running_loop()
        while True:
            self._port.write(frame)
            end = loop.time() + _ATTEMPT_SECONDS
            while loop.time() < end:
                data = await asyncio.to_thread(self._read)
                for sender, control, sequence, payload in self._deframer.feed(data):
                    if (sender, control, sequence) == expected:
                        return smp.unpack(payload)[4]

    def _read(self) -> bytes:
        """What has come; pyserial calls it a disconnect when a pty is woken without a byte."""
        try:
            return self._port.read(max(1, self._port.in_waiting))
        except serial.SerialException:
            if not self._port.is_open:
                raise
            return b""
