"""A lamppost's console as a serial port that any program can open."""

import asyncio
import os
import tty
from collections.abc import Callable

from simulators.noise import BitErrors


class ConsolePort:
    """A pseudo-terminal whose path a person gives to a serial client.

    Args:
        typed: called with the bytes that the client sends.

    Attributes:
        noise: flips bits both ways; none until it is told to.

    What the lamppost prints while nobody reads the port is kept as far as the kernel's buffer
    goes, then dropped, as a USB serial port does: the lamppost never waits for a reader.
    """

    def __init__(self, typed: Callable[[bytes], None]) -> None:
        self._typed = typed
        self.noise = BitErrors(seed="console")
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        asyncio.get_running_loop().add_reader(self._master, self._read)

    def show(self, data: bytes) -> None:
        """Pass on what the lamppost printed."""
        try:
            os.write(self._master, self.noise(data))
        except BlockingIOError:
            return  # nobody reads

    def close(self) -> None:
        """Close the port."""
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)

    def _read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        self._typed(self.noise(data))
