"""A serial port that comes back: opened, watched, reopened with backoff."""

from __future__ import annotations

import asyncio
import errno
import os
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import serial
import serial.rs485
import serial_asyncio_fast

from gateway.backoff import FullJitter
from gateway.bus.babble import Babble
from gateway.bus.finding import find
from gateway.errors import LinkUnavailable
from gateway.logs import Logger, Trouble
from protocol.busframe import Deframer

Frame = tuple[int, int, int, bytes]

# A USB adapter takes about a second to come back after a glitch; a cabinet can wait a minute.
_REOPEN_FIRST_S = 0.2
_REOPEN_MOST_S = 30.0


class Port(asyncio.Protocol):
    """The port of one bus. Received frames go to `on_frame`.

    name: of the device, as `finding.find` takes it; baud: bit/s; rs485: let the kernel switch the
    line driver (needs a UART whose driver can, such as the Raspberry Pi's PL011).

    `on_garbled` is called when something came that was no frame, `on_lost` when the port has gone.
    `opened` is set while it is open; `reopened` counts how often it was opened again, `silences`
    how often of these because nobody answered; `rs485_refused` says that the driver cannot do what
    `rs485` asks for; `trouble` is why the port is not open, "" while it is.
    """

    def __init__(self, name: str | Path, baud: int, rs485: bool, log: Logger) -> None:
        self._name = str(name)
        self.baud = baud
        self._rs485 = rs485
        self._log = log.bind(port=self._name)
        self._trouble = Trouble(self._log, "serial port unavailable")
        self._stalled = Trouble(self._log, "serial port stalled")
        self._transport: serial_asyncio_fast.SerialTransport | None = None
        self._lost = asyncio.Event()
        self._stopping = False
        self.opened = asyncio.Event()
        self.deframer = Deframer()
        self.on_frame: Callable[[Frame], None] | None = None
        self.on_garbled: Callable[[], None] = lambda: None
        self.on_lost: Callable[[], None] = lambda: None
        self.babble = Babble(baud)
        self._rejected = 0  # by deframers before this one
        # Machine time of the last byte heard.
        self.heard = 0.0
        self.reopened = 0
        self.silences = 0
        self.rs485_refused = False
        self.trouble = "not opened yet"

    @property
    def rejected(self) -> int:
        """What came and was no frame, since the start."""
        return self._rejected + self.deframer.rejected

    async def run(self) -> None:
        """Keep the port open until cancelled."""
        backoff = FullJitter(_REOPEN_FIRST_S, _REOPEN_MOST_S)
        try:
            while True:
                if await self._open():
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
            raise LinkUnavailable(f"{self._name} is not open")
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

    def open_again(self, why: str) -> None:
        """Close the port and open it afresh: an adapter that is stuck often comes back by that."""
        if self._transport is not None and not self._transport.is_closing():
            self.silences += 1
            self._log.warning("serial port is opened again", why=why)
            self._throw_away(self._transport)

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
        self.babble.heard(len(data))
        rejected = self.deframer.rejected
        for frame in self.deframer.feed(data):
            if self.on_frame is not None:
                self.on_frame(frame)
        if self.deframer.rejected != rejected:
            self.on_garbled()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the transport."""
        self._transport = None
        self.opened.clear()
        self._lost.set()
        if not self._stopping:
            self._unavailable(str(exc) if exc else "closed")
        self.on_lost()

    async def _open(self) -> bool:
        # In a thread: an adapter that is stuck makes its driver wait, for seconds.
        opening = asyncio.ensure_future(asyncio.to_thread(self._opened_device))
        try:
            device = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        except (OSError, ValueError, termios.error, LinkUnavailable) as error:
            self._unavailable(_reason(error))
            return False
        self._lost.clear()
        self._rejected += self.deframer.rejected
        self.deframer = Deframer()
        loop = asyncio.get_running_loop()
        try:
            self._transport = serial_asyncio_fast.SerialTransport(loop, self, device)
        except (OSError, ValueError, termios.error) as error:
            # It sets the device up once more, and that may have gone meanwhile.
            device.close()
            self._unavailable(_reason(error))
            return False
        self.trouble = ""
        self.opened.set()
        self._log.info("serial port open", device=device.port, baud=self.baud, rs485=self._rs485)
        return True

    def _opened_device(self) -> serial.Serial:
        # Found and opened afresh each time: a handle from before an adapter was replugged stays
        # dead, and the adapter may have another name.
        device = serial.Serial(find(self._name), self.baud, exclusive=True)
        try:
            if self._rs485:
                self._switch_by_kernel(device)
            device.reset_input_buffer()
        except BaseException:
            # termios.error among them: a device that goes while it is being set up.
            device.close()
            raise
        return device

    def _switch_by_kernel(self, device: serial.Serial) -> None:
        try:
            device.rs485_mode = serial.rs485.RS485Settings()
        except ValueError as error:
            # Most adapters switch by themselves, and then all is well without.
            if not self.rs485_refused:
                self._log.warning(
                    "the driver has no RS-485 mode; going on without",
                    error=str(error),
                    next="if the adapter switches by itself, set rs485 = false; else use another",
                )
            self.rs485_refused = True
            # Else pyserial tries again, and raises, whenever anything is set.
            device.rs485_mode = None
        else:
            self.rs485_refused = False

    def _unavailable(self, why: str) -> None:
        self.trouble = why
        self._trouble.failed(error=why)

    def _close(self) -> None:
        self._stopping = True
        if self._transport is not None:
            self._throw_away(self._transport)
            self._transport = None
        self.opened.clear()


def _close_late(opening: asyncio.Future[serial.Serial]) -> None:
    """Close what a thread has opened for somebody who no longer waits."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


# What to do where the system's own word for it is not enough.
_TO_DO: Final = {
    errno.ENOENT: "is the adapter plugged in, and is this its name?",
    errno.EACCES: "the gateway's user has to be in the group dialout",
    errno.EAGAIN: "another program has it open",
    errno.EBUSY: "another program has it open",
}


def _reason(error: Exception) -> str:
    """Why a port cannot be used. pyserial says it twice, in words of its own."""
    number = getattr(error, "errno", None)
    if not isinstance(number, int):
        return str(error)
    said = os.strerror(number)
    return f"{said}; {_TO_DO[number]}" if number in _TO_DO else said
