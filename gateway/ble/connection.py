"""One connection to one lamppost: SMP over GATT.

A request goes out in writes without response of what the connection carries, the reply comes in
notifications. One request at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from bleak import BleakClient
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError

from gateway.ble.adapter import Adapter
from gateway.ble.adverts import SMP_CHARACTERISTIC
from gateway.ble.reassembly import Reassembly
from gateway.ble.remedies import FAILURES
from gateway.errors import NoReply
from gateway.logs import Logger
from protocol import smp

# What a write without response carries at the least, and what the longest attribute holds.
_LEAST_WRITE: Final = 20
_MOST_WRITE: Final = 512
_CLOSE_S: Final = 12.0
# Of D-Bus calls that wait for nobody in the street.
_CALL_S: Final = 10.0


class Disconnected(Exception):
    """The connection was lost with a request on its way."""


class Connection:
    """Made by `open`; `up` while it is there. `stray` counts messages that nobody waited for."""

    def __init__(self, ended: Callable[[], None], log: Logger) -> None:
        self._ended = ended
        self._log = log
        self._reassembly = Reassembly()
        self._client: BleakClient | None = None
        self._characteristic: BleakGATTCharacteristic | None = None
        self._wanted: tuple[int, ...] = ()
        self._reply: asyncio.Future[bytes] | None = None
        self.up = True
        self.stray = 0

    @classmethod
    async def open(
        cls,
        adapter: Adapter,
        device: BLEDevice,
        timeout_s: float,
        ended: Callable[[], None],
        log: Logger,
    ) -> Connection:
        """Connect, and ask for notifications; `ended` is called when the connection has gone.

        Raises what `remedies.FAILURES` lists.
        """
        connection = cls(ended, log)
        client = connection._client = adapter.client(device, connection._gone, timeout_s)
        try:
            # bleak's own limit does not cover all that it does.
            async with asyncio.timeout(timeout_s + _CALL_S):
                await client.connect()
            characteristic = client.services.get_characteristic(SMP_CHARACTERISTIC)
            if characteristic is None:
                raise BleakError("no SMP service")
            connection._characteristic = characteristic
            options: Any = {"use_start_notify": not adapter.by_descriptor}
            async with asyncio.timeout(_CALL_S):
                await client.start_notify(characteristic, connection._notified, bluez=options)
        except BaseException:
            await connection.close()
            raise
        return connection

    @property
    def passed_over(self) -> int:
        """Messages too long or cut off."""
        return self._reassembly.passed_over

    async def exchange(self, message: bytes, timeout_s: float) -> bytes:
        """Send one SMP message; give the reply to it.

        Raises NoReply, Disconnected, and what `remedies.FAILURES` lists.
        """
        op, *rest = smp.unpack_header(message)[:4]
        self._reassembly.clear()
        # A reply's operation is one more than its request's.
        self._wanted = (op + 1, *rest)
        reply = self._reply = asyncio.get_running_loop().create_future()
        try:
            # The writes wait for room on the air; with the peer out of reach that is never.
            async with asyncio.timeout(timeout_s):
                await self._write(message)
                return await reply
        except TimeoutError:
            raise NoReply("no reply in time") from None
        except FAILURES as error:
            if self.up:
                raise
            raise Disconnected(f"the connection was lost: {error}") from error
        finally:
            self._wanted = ()
            self._reply = None

    async def close(self) -> None:
        """Disconnect; never raises but for a cancellation."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(_CLOSE_S):
                await client.disconnect()
        except FAILURES as error:
            # It ends by itself when nobody answers it any more.
            self._log.debug("not disconnected", why=f"{type(error).__name__}: {error}")
        finally:
            self._gone()

    async def _write(self, message: bytes) -> None:
        client, characteristic = self._client, self._characteristic
        if client is None or characteristic is None or not self.up:
            raise Disconnected("the connection was lost")
        room = characteristic.max_write_without_response_size
        size = min(max(room, _LEAST_WRITE), _MOST_WRITE)
        for at in range(0, len(message), size):
            await client.write_gatt_char(characteristic, message[at : at + size], response=False)

    def _notified(self, _: BleakGATTCharacteristic, piece: bytearray) -> None:
        message = self._reassembly.feed(piece, time.monotonic())
        if message is None:
            return
        reply = self._reply
        if reply is None or reply.done() or smp.unpack_header(message)[:4] != self._wanted:
            self.stray += 1
        else:
            reply.set_result(message)

    def _gone(self) -> None:
        if not self.up:
            return
        self.up = False
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(Disconnected("the connection was lost"))
        self._ended()
