"""I2C: one request and one answer on a socket for every transaction of the bus."""

import struct

import _street
from micropython import const

# A request: operation, address, bytes of the memory address, stop, memory address, length; then
# the data of a write. An answer: errno (0 for done), length; then the data of a read.
_REQUEST = "<BBBBIH"
_WRITE = const(0)
_READ = const(1)
_WRITE_MEMORY = const(2)
_READ_MEMORY = const(3)
_SCAN = const(4)


class I2C:
    """The bus master. An absent part raises OSError ENODEV, a stretched-out one ETIMEDOUT."""

    def __init__(self, id=-1, *, scl=None, sda=None, freq=400_000, timeout=50_000):
        self._wire = _street.connect("i2c%d" % max(id, 0), freq=freq)
        self._head = bytearray(3)
        self._out = bytearray(struct.calcsize(_REQUEST))

    def init(self, **options):
        """Nothing of the bus can be changed that the parts on it would notice."""

    def scan(self):
        found = bytearray(128)
        return list(found[: self._transact(_SCAN, 0, 0, 0, 128, b"", found)])

    def readfrom(self, addr, nbytes, stop=True):
        data = bytearray(nbytes)
        self._transact(_READ, addr, 0, 0, nbytes, b"", data, stop)
        return bytes(data)

    def readfrom_into(self, addr, buf, stop=True):
        self._transact(_READ, addr, 0, 0, len(buf), b"", buf, stop)

    def writeto(self, addr, buf, stop=True):
        self._transact(_WRITE, addr, 0, 0, len(buf), buf, None, stop)
        return len(buf)

    def writevto(self, addr, vector, stop=True):
        return self.writeto(addr, b"".join(vector), stop)

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        data = bytearray(nbytes)
        self._transact(_READ_MEMORY, addr, addrsize, memaddr, nbytes, b"", data)
        return bytes(data)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        self._transact(_READ_MEMORY, addr, addrsize, memaddr, len(buf), b"", buf)

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        self._transact(_WRITE_MEMORY, addr, addrsize, memaddr, len(buf), buf, None)

    def _transact(self, operation, addr, addrsize, memaddr, length, data, into, stop=True):
        if not 0 <= addr <= 127:
            raise ValueError("expected a 7-bit address, got %s" % addr)
        if addrsize not in (0, 8, 16, 24, 32):
            raise ValueError("invalid addrsize")
        struct.pack_into(
            _REQUEST,
            self._out,
            0,
            operation,
            addr,
            addrsize // 8,
            1 if stop else 0,
            memaddr,
            length,
        )
        _street.send(self._wire, bytes(self._out) + bytes(data) if len(data) else self._out)
        self._fill(memoryview(self._head))
        code, count = struct.unpack("<BH", self._head)
        if code:
            raise OSError(code)
        if count:
            self._fill(memoryview(into)[:count])
        return count

    def _fill(self, view):
        while len(view):
            count = self._wire.readinto(view)
            if not count:
                _street.leave(_street.EXIT_STREET_GONE)
            view = view[count:]


class SoftI2C(I2C):
    """The same bus on pins of any number."""

    def __init__(self, scl=None, sda=None, *, freq=400_000, timeout=50_000):
        super().__init__(0, scl=scl, sda=sda, freq=freq, timeout=timeout)
