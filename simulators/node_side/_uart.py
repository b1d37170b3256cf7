"""UART: raw bytes on a socket, with a real file descriptor that asyncio can poll."""

import errno
import io
import select
from array import array

import _street
import ffi
from micropython import const
from utime import sleep_ms, ticks_add, ticks_diff, ticks_us

_MP_STREAM_POLL = const(3)
_MP_STREAM_GET_FILENO = const(10)
_FIONREAD = const(0x541B)

_ioctl = ffi.open(None).func("i", "ioctl", "iip")


class UART(io.IOBase):
    """A serial port. Received bytes wait in the socket, so that polling it tells the truth."""

    INV_TX = 32
    INV_RX = 4

    def __init__(self, id, baudrate=115200, **options):
        if id not in (0, 1, 2):
            raise ValueError("UART(%s) does not exist" % id)
        self._id = id
        self._wire = None
        self._settings = {"bits": 8, "parity": None, "stop": 1, "timeout": 0, "timeout_char": 0}
        self._count = array("i", [0])
        self._idle_at = ticks_us()  # when the last byte written will have left the port
        self.init(baudrate, **options)

    def init(self, baudrate=115200, **options):
        self.deinit()
        self._settings.update(options)
        self._settings["baud"] = baudrate
        self._byte_us = 10_000_000 // baudrate
        line = {key: self._settings[key] for key in ("baud", "bits", "parity", "stop")}
        self._wire = _street.connect("uart%d" % self._id, **line)
        self._wire.setblocking(False)
        self._poll = select.poll()
        self._poll.register(self._wire, select.POLLIN)

    def deinit(self):
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def any(self):
        """How many bytes can be read without waiting."""
        _ioctl(self._wire.fileno(), _FIONREAD, self._count)
        return self._count[0]

    def read(self, size=-1):
        """Up to ``size`` bytes that have come, or None; waits for ``timeout`` ms where set."""
        if size is None or size < 0:
            size = 4096
        data = self._recv(size)
        timeout = self._settings["timeout"] if data is None else self._settings["timeout_char"]
        while timeout and (data is None or len(data) < size) and self._poll.poll(timeout):
            data = (data or b"") + (self._recv(size - len(data or b"")) or b"")
            timeout = self._settings["timeout_char"]
        return data

    def readinto(self, buffer, size=None):
        """Fill ``buffer`` with what has come; returns how many bytes, or None for none."""
        view = memoryview(buffer)
        if size is not None:
            view = view[:size]
        if not len(view):
            return 0
        if self._settings["timeout"]:
            data = self.read(len(view))
            if data is None:
                return None
            view[: len(data)] = data
            return len(data)
        count = self._wire.readinto(view)
        if count == 0:
            _street.leave(_street.EXIT_STREET_GONE)
        return count

    def readline(self):
        """Bytes up to a line end, or those that have come without one, or None."""
        line = b""
        while not line.endswith(b"\n"):
            byte = self.read(1)
            if byte is None:
                break
            line += byte
        return line or None

    def write(self, data):
        """Send ``data``; returns its length. The bytes take their line time: see ``txdone``."""
        view = memoryview(data)
        left = view
        while len(left):
            try:
                left = left[self._wire.send(left) :]
            except OSError as error:
                if error.errno in (errno.EPIPE, errno.ECONNRESET):
                    _street.leave(_street.EXIT_STREET_GONE)
                if error.errno != errno.EAGAIN:
                    raise
                sleep_ms(1)
        now = ticks_us()
        if ticks_diff(self._idle_at, now) > 0:
            now = self._idle_at
        self._idle_at = ticks_add(now, len(view) * self._byte_us)
        return len(view)

    def txdone(self):
        return ticks_diff(self._idle_at, ticks_us()) <= 0

    def flush(self):
        left = ticks_diff(self._idle_at, ticks_us())
        if left > 0:
            sleep_ms(left // 1000 + 1)

    def sendbreak(self):
        self.write(b"\0")

    def ioctl(self, request, argument):
        if request == _MP_STREAM_GET_FILENO:
            return self._wire.fileno()
        if request == _MP_STREAM_POLL:
            return argument & (5 if self.any() else 4)
        return 0

    def _recv(self, size):
        try:
            data = self._wire.recv(size)
        except OSError as error:
            if error.errno == errno.EAGAIN:
                return None
            if error.errno == errno.ECONNRESET:
                _street.leave(_street.EXIT_STREET_GONE)
            raise
        if not data and size:
            _street.leave(_street.EXIT_STREET_GONE)
        return data

    def __repr__(self):
        return "UART(%d, baudrate=%d)" % (self._id, self._settings["baud"])
