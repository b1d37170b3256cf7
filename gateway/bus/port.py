"""A serial port that comes back: opened, watched, reopened with backoff."""

from __future__ import annotations

import asyncio
import termios
import time
from collections.abc import Callable
from pathlib import Path

import serial
import serial.rs485
import serial_asyncio_fast

from gateway.backoff import FullJitter
from gateway.errors import LinkUnavailable
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
        self._stalled = Trouble(self._log, "serial port stalled")
        self._transport: serial_asyncio_fast.SerialTransport | None = None
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
        """Put bytes on the line. Raises LinkUnavailable while the port is not open."""
        if self._transport is None or self._transport.is_closing():
            raise LinkUnavailable(f"{self._path} is not open")
        self._transport.write(data)

    @property
    def unsent(self) -> int:
        """Bytes that were sent and are not on the line yet, as far as the system knows."""
        return 0 if self._transport is None else self._unsent(self._transport)

    def take_back(self) -> bool:
        """Drop what has been sent but is not on the line yet; whether there was anything.

        An adapter that stalls keeps bytes and puts them on the line when it recovers: a command
        long given up would then be carried out. So they are thrown away, here and in the kernel,
        and the port is opened afresh.
        """
        transport = self._transport
        if transport is None or not self._unsent(transport):
            return False
        self._stalled.failed(error="what is sent does not go out; the port is opened again")
        self._throw_away(transport)
        return True

    def _unsent(self, transport: serial_asyncio_fast.SerialTransport) -> int:
        waiting = transport.get_write_buffer_size()
        device = transport.serial
        if device is None or transport.is_closing():
            return waiting
        try:
            return waiting + device.out_waiting
        except (OSError, termios.error) as error:
            # The device is going; the transport finds out by itself.
            self._log.debug("the port does not say what is unsent", error=str(error))
            return waiting

    def _throw_away(self, transport: serial_asyncio_fast.SerialTransport) -> None:
        device = transport.serial
        if transport.is_closing() and not transport.get_write_buffer_size():
            return  # it is being closed already
        transport.flush()
        try:
            if device is not None:
                # Closing would wait until the rest is on the line.
                device.reset_output_buffer()
        except (OSError, termios.error) as error:
            self._log.debug("the port's output cannot be thrown away", error=str(error))
        transport.abort()

    def data_received(self, data: bytes) -> None:
        """Called by the transport."""
        self.heard = time.monotonic()
        self._stalled.over()
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
        except (OSError, ValueError, termios.error) as error:
            # termios.error, from a device that goes while it is being set up, is no OSError.
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
            self._throw_away(self._transport)
            self._transport = None
        self.opened.clear()
