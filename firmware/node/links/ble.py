"""Bluetooth LE: adverts with live values, and SMP over GATT for whoever connects.

SMP over GATT as in Zephyr's "SMP over Bluetooth": one characteristic; a request comes in as many
writes without response as it takes, its header says where it ends; the reply goes out the same way
in notifications. Reads and signed images need no seal here either, and nothing else goes without.

The radio's interrupt handler may run between any two steps of the rest. It copies what was written
into memory that is there already and raises a flag; all else is the task's.
"""

import asyncio
import errno
import time

import bluetooth
from micropython import const

from protocol.busframe import MAX_PAYLOAD
from protocol.smp import HEADER_SIZE

NAME = "ble"

_SERVICE = "8D53DC1D-1DB7-4CD3-868B-8A527460AA84"
_CHARACTERISTIC = "DA2E7828-FBCE-4E01-AE9E-261174997C48"

_IRQ_CENTRAL_CONNECT = const(1)
_IRQ_CENTRAL_DISCONNECT = const(2)
_IRQ_GATTS_WRITE = const(3)
_IRQ_MTU_EXCHANGED = const(21)

# Longest value of an attribute, and with its head of 3 bytes the MTU that carries it.
_VALUE_SIZE = const(512)
_MTU = const(515)
_LEAST_MTU = const(23)

# An engineer, and a gateway.
_CONNECTIONS = const(2)
# The writes of one message follow one another: after such a gap the next one begins a new message.
_GAP_MS = const(1000)
# Whoever asks nothing for so long makes room for others.
_IDLE_MS = const(120_000)
# How long a reply may take to get out, whatever the peer does.
_PATIENCE_MS = const(10_000)
_PAUSE_MS = const(10)
_QUIET_MS = const(3000)
# An advert is sent so often before the next takes its turn: a listener may miss some.
_SHOWN = const(3)
# Adverts that cannot be set in a row, after which the radio is started again.
_MOST_FAILURES = const(3)
# After a counter could not be had, adverts say nothing for so long: each attempt writes flash.
_SILENCE_MS = const(60_000)

# By these the radio says that it has no room just now.
_NO_ROOM = (errno.ENOMEM, errno.EAGAIN, errno.EALREADY, errno.ENOBUFS)


class BleLink:
    """radio: `bluetooth.BLE()`. server: Server. settings: Settings, for ble/interval.

    adverts: Adverts. name: at most 11 characters, which fill the scan response.

    answered: requests replied to. failed: replies given up, the peer being gone or not taking them.
    unsealed: times that no counter could be had for an advert.
    """

    def __init__(self, radio, server, settings, adverts, name):
        self._radio = radio
        self._server = server
        self._settings = settings
        self._adverts = adverts
        self._name = name.encode()
        self._connections = [_Connection() for _ in range(_CONNECTIONS)]
        self._flag = asyncio.ThreadSafeFlag()
        self._value = 0
        self._address = b""
        self._turned_away = 0
        # Service data shown now, and when the next is due; `_stale` once the radio stopped showing
        # it, as it does at each connection.
        self._shown = b""
        self._due = 0
        self._stale = True
        self._failures = 0
        self.answered = 0
        self.failed = 0
        self.unsealed = 0

    @property
    def rejected(self) -> int:
        """Messages too long, cut off or out of turn, and connections there was no room for."""
        return self._turned_away + sum([c.inbox.rejected for c in self._connections])

    async def run(self, check_in):
        """Advertise, and answer every request; raises OSError when the radio does not work."""
        try:
            self._start()
            while True:
                check_in()
                for connection in self._connections:
                    await self._serve(connection)
                wait = self._advertise()
                try:
                    await asyncio.wait_for_ms(self._flag.wait(), wait)
                except asyncio.TimeoutError:  # noqa: UP041 - MicroPython has no other
                    continue
        finally:
            for connection in self._connections:
                connection.end()
            self._radio.active(False)

    def _start(self):
        radio = self._radio
        radio.active(True)
        radio.config(mtu=_MTU, gap_name=self._name)
        radio.irq(self._irq)
        characteristic = (
            bluetooth.UUID(_CHARACTERISTIC),
            bluetooth.FLAG_WRITE_NO_RESPONSE | bluetooth.FLAG_NOTIFY,
        )
        handles = radio.gatts_register_services(((bluetooth.UUID(_SERVICE), (characteristic,)),))
        self._value = handles[0][0]
        # Appending: writes that come before the first is read are not lost.
        radio.gatts_set_buffer(self._value, _VALUE_SIZE, True)
        self._address = bytes(radio.config("mac")[1])
        self._stale = True
        self._due = time.ticks_ms()
        self._failures = 0

    # ------------------------------------------------------------------------- between two steps

    def _irq(self, event, data):
        if event == _IRQ_GATTS_WRITE:
            self._written(data[0], data[1])
        elif event == _IRQ_CENTRAL_CONNECT:
            self._connected(data[0])
        elif event == _IRQ_CENTRAL_DISCONNECT:
            connection = self._find(data[0])
            if connection is not None:
                connection.end()
            self._stale = True
        elif event == _IRQ_MTU_EXCHANGED:
            connection = self._find(data[0])
            if connection is not None:
                connection.mtu = max(_LEAST_MTU, min(data[1], _MTU))
        self._flag.set()

    def _written(self, handle, value):
        # Read even where nobody is to get it: the radio would go on appending to it.
        written = self._radio.gatts_read(value)
        connection = self._find(handle)
        if connection is not None and value == self._value:
            connection.inbox.feed(written, time.ticks_ms())

    def _connected(self, handle):
        self._stale = True  # the radio stops advertising at a connection
        connection = self._find(None)
        if connection is None:
            self._turned_away += 1
            self._radio.gap_disconnect(handle)
        else:
            connection.begin(handle)

    def _find(self, handle):
        for connection in self._connections:
            if connection.handle == handle:
                return connection
        return None

    # ---------------------------------------------------------------------------------- the task

    async def _serve(self, connection):
        """Answer what one connection asks; end it when it has asked nothing for long."""
        # In this order, and before the request: at each step the peer may go and another come.
        life = connection.life
        handle = connection.handle
        message = connection.inbox.take()
        if message is not None:
            try:
                reply = await self._server.handle(message, NAME)
            finally:
                connection.inbox.release()
            connection.asked = time.ticks_ms()
            if reply is not None:
                await self._send(connection, life, handle, reply)
        elif handle is not None and time.ticks_diff(time.ticks_ms(), connection.asked) >= _IDLE_MS:
            # Not asked for again meanwhile: with a peer out of reach the end takes seconds.
            connection.asked = time.ticks_ms()
            try:
                self._radio.gap_disconnect(handle)
            except OSError:
                return  # it is ending already

    async def _send(self, connection, life, handle, reply):
        view = memoryview(reply)
        began = time.ticks_ms()
        # Another peer may have come under the same handle meanwhile; the reply is not for that.
        while connection.life == life:
            piece = view[: connection.mtu - 3]
            pause = 0
            try:
                self._radio.gatts_notify(handle, self._value, piece)
                view = view[len(piece) :]
                if not len(view):
                    self.answered += 1
                    return
            except OSError as error:
                if error.errno not in _NO_ROOM:
                    break
                pause = _PAUSE_MS
            if time.ticks_diff(time.ticks_ms(), began) >= _PATIENCE_MS:
                break
            await asyncio.sleep_ms(pause)
        self.failed += 1

    def _advertise(self):
        """Show what is due; for how many ms there is nothing to do."""
        now = time.ticks_ms()
        if time.ticks_diff(now, self._due) >= 0:
            self._stale = True
            interval = self._settings.values["ble/interval"]
            self._due = time.ticks_add(now, _SHOWN * interval)
            try:
                self._shown = self._adverts.next(self._address)
            except OSError:
                # Never the old one again as if it were new, nor one with a counter used before.
                self._shown = b""
                self.unsealed += 1
                self._due = time.ticks_add(now, _SILENCE_MS)
        if self._stale:
            self._stale = False
            try:
                self._show()
                self._failures = 0
            except OSError:
                self._stale = True
                self._failures += 1
                if self._failures >= _MOST_FAILURES:
                    raise
        return max(0, min(time.ticks_diff(self._due, now), _QUIET_MS))

    def _show(self):
        advert = b"\x02\x01\x06"  # general discoverable, no Bluetooth classic
        if self._shown:
            advert += bytes((len(self._shown) + 1, 0x16)) + self._shown
        response = b"\x11\x07" + bytes(bluetooth.UUID(_SERVICE))  # pyright: ignore
        response += bytes((len(self._name) + 1, 0x09)) + self._name
        self._radio.gap_advertise(
            self._settings.values["ble/interval"] * 1000,
            advert,
            resp_data=response,
            connectable=self._find(None) is not None,
        )


class _Connection:
    """One peer. handle: the radio's number, None while there is none. life: counts the peers."""

    def __init__(self):
        self.inbox = Inbox()
        self.handle = None
        self.mtu = _LEAST_MTU
        self.life = 0
        self.asked = 0

    def begin(self, handle):
        self.inbox.clear()
        self.mtu = _LEAST_MTU
        self.life += 1
        self.asked = time.ticks_ms()
        self.handle = handle

    def end(self):
        self.handle = None
        self.life += 1
        self.inbox.clear()


class Inbox:
    """Puts the requests of one peer together, in memory that it has from the start.

    A request that comes while the one before is still dealt with is passed over to its end, so that
    the one after it is understood again. rejected: requests passed over, too long or cut off.
    """

    def __init__(self):
        self._buffer = bytearray(MAX_PAYLOAD)
        self._header = bytearray(HEADER_SIZE)
        self._size = 0  # of the whole request in the buffer, 0 while there is none
        self._held = False
        self._got = 0  # bytes of the header
        self._left = 0  # bytes of the body to come
        self._fill = 0  # of the buffer; 0 for a request that is passed over
        self._touched = 0
        self.rejected = 0

    def feed(self, data, now):
        """Take the bytes of one write; now: `time.ticks_ms()`."""
        if self._got and time.ticks_diff(now, self._touched) >= _GAP_MS:
            self.rejected += self._fill > 0 or self._got < HEADER_SIZE
            self._got = 0
        self._touched = now
        data = memoryview(data)
        at = 0
        end = len(data)
        while at < end:
            if self._got < HEADER_SIZE:
                self._header[self._got] = data[at]
                self._got += 1
                at += 1
                if self._got < HEADER_SIZE:
                    continue
                self._begin()
            count = min(self._left, end - at)
            if self._fill:
                self._buffer[self._fill : self._fill + count] = data[at : at + count]
                self._fill += count
            at += count
            self._left -= count
            if not self._left:
                self._got = 0
                self._size = self._fill or self._size

    def take(self):
        """The whole request that has come, or None; it stays as it is until `release`."""
        if not self._size or self._held:
            return None
        self._held = True
        return memoryview(self._buffer)[: self._size]

    def release(self):
        """The request was dealt with: there is room for the next."""
        self._size = 0
        self._held = False

    def clear(self):
        """Forget what has come of the peer before, but not what is being dealt with."""
        self._got = 0
        self._left = 0
        self._fill = 0
        if not self._held:
            self._size = 0

    def _begin(self):
        self._left = self._header[2] << 8 | self._header[3]
        if self._size or HEADER_SIZE + self._left > MAX_PAYLOAD:
            self._fill = 0
            self.rejected += 1
            return
        self._buffer[:HEADER_SIZE] = self._header
        self._fill = HEADER_SIZE
