"""A serial port that comes back: opened, watched, reopened with backoff."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import serial
import serial.rs485
import serial_asyncio_fast

from gateway.backoff import FullJitter
from gateway.errors import PortUnavailable
from gateway.logs import Logger, Trouble
from protocol.busframe import Deframer

Frame = tuple[int, int, int, bytes]

# A USB adapter takes about a second to come back after a glitch; a cabinet can wait a minute.
_REOPEN_FIRST_S = 0.2
_REOPEN_MOST_S = 30.0


class Port(asyncio.Protocol):
    """The port of one bus. Received frames go to `on_frame`.

    path: of the device; baud: bit/s; rs485: let the kernel switch the line driver (needs a UART
    whose driver can, such as the Raspberry Pi's PL011).
    """

    def __init__(self, path: Path, baud: int, rs485: bool, log: Logger) -> None:
        self._path = path
        self.baud = baud
        self._rs485 = rs485
        self._log = log.bind(port=str(path))
        self._trouble = Trouble(self._log, "serial port unavailable")
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.Event()
        self._stopping = False
        self.opened = asyncio.Event()
        self.deframer = Deframer()
        self.on_frame: Callable[[Frame], None] | None = None
        # Machine time of the last byte heard.
        self.heard = 0.0
        self.reopened = 0

    async def run(self) -> None:
        """Keep the port open until cancelled."""
        backoff = FullJitter(_REOPEN_FIRST_S, _REOPEN_MOST_S)
        try:
            while True:
                if self._open():
                    backoff.reset()
                    self._trouble.over()
                    await self._lost.wait()
                    self.reopened += 1
                await asyncio.sleep(backoff.next_delay())
        finally:
            self._close()

    def send(self, data: bytes) -> None:
        """Put bytes on the line. Raises PortUnavailable while the port is not open."""
        if self._transport is None or self._transport.is_closing():
            raise PortUnavailable(f"{self._path} is not open")
        self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Called by the transport."""
        self.heard = time.monotonic()
        for frame in self.deframer.feed(data):
            if self.on_frame is not None:
                self.on_frame(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport."""
        self._transport = None
        self.opened.clear()
        self._lost.set()
        if not self._stopping:
            self._trouble.failed(error=str(exc) if exc else "closed")

    def _open(self) -> bool:
        device: serial.Serial | None = None
        try:
            # Opened afresh each time: a handle from before an adapter was replugged stays dead.
            device = serial.Serial(str(self._path), self.baud, exclusive=True)
            if self._rs485:
                device.rs485_mode = serial.rs485.RS485Settings()
            device.reset_input_buffer()
        except (OSError, ValueError) as error:
            if device is not None:
                device.close()
            self._trouble.failed(error=str(error))
            return False
        self._lost.clear()
        self.deframer = Deframer()
        self._transport = serial_asyncio_fast.SerialTransport(
            asyncio.get_running_loop(), self, device
        )
        self.opened.set()
        self._log.info("serial port open", baud=self.baud, rs485=self._rs485)
        return True

    def _close(self) -> None:
        self._stopping = True
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self.opened.clear()
