"""``bluetooth`` as on the ESP32, of which a peripheral's half: GATT server and adverts.

Forwards to the street's radio by the frames of ``simulators/radio/wire.py``. As on the ESP32 the
value of an attribute changes and the handler is called in one step; unlike there that is never
between two steps of Python, but when a call to the radio ends or asyncio looks at its streams.
"""

import asyncio
import errno
import json
import select
import struct
import sys
from binascii import hexlify, unhexlify

import _street
from micropython import const

FLAG_READ = 0x0002
FLAG_WRITE_NO_RESPONSE = 0x0004
FLAG_WRITE = 0x0008
FLAG_NOTIFY = 0x0010
FLAG_INDICATE = 0x0020

_ACTIVE = const(1)
_CONFIGURE = const(2)
_SERVICES = const(3)
_ADVERTISE = const(4)
_QUIET = const(5)
_NOTIFY = const(6)
_DISCONNECT = const(7)

_REPLY = const(0)
_HELLO = const(255)
_IRQ_CENTRAL_CONNECT = const(1)
_IRQ_CENTRAL_DISCONNECT = const(2)
_IRQ_GATTS_WRITE = const(3)
_IRQ_MTU_EXCHANGED = const(21)

_HEAD = const(3)
_DEFAULT_ATTRIBUTE = const(20)
_MOST_ADVERT = const(31)
# The largest frame and some of the next.
_BUFFER = const(1024)


class UUID:
    def __init__(self, value):
        if isinstance(value, int):
            self._bytes = struct.pack("<H", value)
        elif isinstance(value, str):
            self._bytes = bytes(reversed(unhexlify(value.replace("-", ""))))
        else:
            self._bytes = bytes(value)
        if len(self._bytes) not in (2, 4, 16):
            raise ValueError("invalid UUID")

    def text(self):
        return hexlify(bytes(reversed(self._bytes))).decode()

    def __iter__(self):  # what bytes() of it goes by
        return iter(self._bytes)

    def __eq__(self, other):
        return isinstance(other, UUID) and self._bytes == other._bytes

    def __hash__(self):
        return hash(self._bytes)

    def __repr__(self):
        return "UUID('%s')" % self.text()


class _Attribute:
    def __init__(self):
        self.value = b""
        self.size = _DEFAULT_ATTRIBUTE
        self.append = False


class BLE:
    """The one radio of the chip."""

    _only = None

    def __new__(cls):
        if BLE._only is None:
            BLE._only = object.__new__(cls)
            BLE._only._wire = None
        return BLE._only

    def __init__(self):
        if self._wire is None:
            self._wire = _street.connect("ble")
            # The heap is the node's, which the module of an ESP32 would take nothing of.
            self._buffer = bytearray(_BUFFER)
            self._view = memoryview(self._buffer)
            self._fill = 0
            self._events = []
            self._handler = None
            self._in_handler = False
            self._pump = None
            self._on = False
            self._mtu = 256
            self._name = b"MPY ESP32"
            self._attributes = {}
            self._advert = b""
            self._response = b""
            self._wire.setblocking(False)
            self._poll = select.poll()
            self._poll.register(self._wire, select.POLLIN)
            hello = self._answer()
            if hello is None:
                # There is no radio on this street.
                self._wire.close()
                self._wire = None
                raise OSError(errno.ENODEV)
            self._mac = (hello[0], hello[1:7])

    def active(self, on=None):
        if on is not None and bool(on) != self._on:
            self._call(_ACTIVE, b"\1" if on else b"\0")
            self._on = bool(on)
            self._attributes = {}
            if on:
                self._call(_CONFIGURE, struct.pack("<H", self._mtu) + self._name)
                self._pump = asyncio.create_task(self._run())
            elif self._pump is not None:
                self._pump.cancel()
                self._pump = None
        return self._on

    def config(self, *name, **values):
        if name:
            if name[0] == "mac":
                return self._mac
            if name[0] == "mtu":
                return self._mtu
            if name[0] == "gap_name":
                return self._name
            raise ValueError("unknown config param")
        for key in values:
            if key == "mtu":
                self._mtu = values[key]
            elif key == "gap_name":
                name = values[key]
                self._name = name.encode() if isinstance(name, str) else bytes(name)
            elif key != "rxbuf":
                raise ValueError("unknown config param")
        if self._on:
            self._call(_CONFIGURE, struct.pack("<H", self._mtu) + self._name)

    def irq(self, handler):
        self._handler = handler

    def gap_advertise(self, interval_us, adv_data=None, *, resp_data=None, connectable=True):
        self._need()
        if interval_us is None:
            self._call(_QUIET, b"")
            return
        if adv_data is not None:
            self._advert = bytes(adv_data)
        if resp_data is not None:
            self._response = bytes(resp_data)
        if max(len(self._advert), len(self._response)) > _MOST_ADVERT:
            raise OSError(errno.EINVAL)
        head = struct.pack("<IBB", interval_us, 1 if connectable else 0, len(self._advert))
        self._call(_ADVERTISE, head + self._advert + self._response)

    def gap_disconnect(self, connection):
        self._need()
        return self._call(_DISCONNECT, struct.pack("<H", connection)) == b"\1"

    def gatts_register_services(self, services):
        self._need()
        wanted = [[one[0].text(), [[c[0].text(), c[1]] for c in one[1]]] for one in services]
        answer = self._call(_SERVICES, json.dumps(wanted).encode())
        found = []
        at = 0
        for one in services:
            count = len(one[1])
            handles = struct.unpack("<%dH" % count, answer[at : at + 2 * count])
            at += 2 * count
            for handle in handles:
                self._attributes[handle] = _Attribute()
            found.append(handles)
        return tuple(found)

    def gatts_set_buffer(self, handle, size, append=False):
        attribute = self._attribute(handle)
        attribute.size = size
        attribute.append = append

    def gatts_read(self, handle):
        attribute = self._attribute(handle)
        value = attribute.value
        if attribute.append:
            attribute.value = b""
        return value

    def gatts_notify(self, connection, handle, data=None):
        self._need()
        value = self._attribute(handle).value if data is None else bytes(data)
        self._call(_NOTIFY, struct.pack("<HH", connection, handle) + value)

    def _need(self):
        if not self._on:
            raise OSError(errno.ENODEV)

    def _attribute(self, handle):
        attribute = self._attributes.get(handle)
        if attribute is None:
            raise OSError(errno.EINVAL)
        return attribute

    # ------------------------------------------------------------------------------- the wire

    def _call(self, kind, body):
        _street.send(self._wire, struct.pack("<BH", kind, len(body)) + body)
        answer = self._answer()
        if answer is None:
            _street.leave(_street.EXIT_STREET_GONE)
        self._dispatch()
        if answer[0]:
            raise OSError(answer[0])
        return answer[1:]

    def _answer(self):
        """The body of the next reply, once it is there; None at the end of the connection."""
        while True:
            while self._fill >= _HEAD:
                size = _HEAD + (self._buffer[1] | self._buffer[2] << 8)
                if self._fill < size:
                    break
                answer = self._take(size)
                if answer is not None:
                    return answer
            self._poll.poll()
            if not self._receive():
                return None

    def _receive(self):
        """Take what has come; False at the end of the connection."""
        count = self._wire.readinto(self._view[self._fill :])
        if count:
            self._fill += count
        return count != 0

    def _take(self, size):
        """The body of the first frame when it is a reply; an event is put aside."""
        kind = self._buffer[0]
        body = bytes(self._view[_HEAD:size])
        self._fill -= size
        self._buffer[: self._fill] = self._view[size : size + self._fill]
        if kind in (_REPLY, _HELLO):
            return body
        self._events.append((kind, body))
        return None

    def _dispatch(self):
        if self._in_handler:
            return
        self._in_handler = True
        while self._events:
            kind, body = self._events.pop(0)
            data = self._happened(kind, body)
            if self._handler is None:
                continue
            try:
                self._handler(kind, data)
            except Exception as error:  # noqa: BLE001 - as the ESP32 does: printed, and that is all
                sys.print_exception(error)
        self._in_handler = False

    def _happened(self, kind, body):
        """What the handler is given; an attribute that was written has its new value."""
        if kind == _IRQ_GATTS_WRITE:
            connection, handle = struct.unpack("<HH", body[:4])
            attribute = self._attributes.get(handle)
            if attribute is not None:
                before = attribute.value if attribute.append else b""
                attribute.value = (before + body[4:])[: attribute.size]
            return connection, handle
        if kind == _IRQ_MTU_EXCHANGED:
            return struct.unpack("<HH", body)
        connection, address_type = struct.unpack("<HB", body[:3])
        return connection, address_type, memoryview(body)[3:]

    def _run(self):  # a generator, as asyncio's own streams are: it waits by what it yields
        while True:
            yield asyncio.core._io_queue.queue_read(self._wire)
            self._collect()
            self._dispatch()

    def _collect(self):
        """Put aside the events that have come, without waiting for more."""
        if not self._receive():
            _street.leave(_street.EXIT_STREET_GONE)
        while self._fill >= _HEAD:
            size = _HEAD + (self._buffer[1] | self._buffer[2] << 8)
            if self._fill < size:
                return
            self._take(size)
