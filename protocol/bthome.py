"""BTHome v2: live values in Bluetooth LE adverts, encrypted (bthome.io/format, /encryption).

What stands in the advert as service data of UUID 0xFCD2, little endian:

    UUID (2), device information (1) = 0x41, objects encrypted, counter (4), MIC (4)

AES-CCM with a 4-byte tag and no associated data; nonce: Bluetooth address (6, as it is written),
UUID (2), device information (1), counter (4). An object is its id (1) and a value whose size and
factor the id says; ids rise within an advert.

The bind key that a listener needs is derived from the lamppost's own key, so that whoever may only
listen need not be given the key that commands it.
"""

from hashlib import sha256

from . import ccm
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    Buffer = bytes | bytearray | memoryview

UUID = 0xFCD2
# What an advert of 31 bytes has room for, beside its flags and the above.
MAX_OBJECTS = 15
MAX_COUNTER = 0xFFFFFFFF

# Object id << 8 | size of its value in bytes.
TEMPERATURE = 0x0202  # 0.01 C, signed
HUMIDITY = 0x0302  # 0.01 %
POWER = 0x0B03  # 0.01 W
PM25 = 0x0D02  # ug/m3
PM10 = 0x0E02  # ug/m3
POWER_ON = 0x1001  # 1 for a lamp that is lit
COUNT = 0x3D02
CURRENT = 0x4302  # mA
VOLTAGE = 0x4A02  # 0.1 V
ENERGY = 0x4D04  # Wh

_UUID = b"\xd2\xfc"
_INFORMATION = b"\x41"  # version 2, encrypted, sent at intervals
_TAG_SIZE = 4
_LABEL = b"lamplighter bthome"


def bind_key(key: "Buffer", node_id: "Buffer") -> bytes:
    """The bind key, 16 bytes, of the lamppost `node_id` (6 bytes) whose key (16 bytes) is `key`.

    One-step key derivation with SHA-256 (NIST SP 800-56C, section 4): the first 16 bytes of
    SHA-256(00000001 || key || "lamplighter bthome" || node id).
    """
    if len(key) != 16 or len(node_id) != 6:
        raise ProtocolError("BTHome: expected a key of 16 bytes and a node id of 6")
    return sha256(b"\0\0\0\1" + bytes(key) + _LABEL + bytes(node_id)).digest()[:16]


def pack(kind: int, value: int) -> bytes:
    """One object of `kind` (one of the above); a value beyond its bounds becomes the nearest."""
    size = kind & 0xFF
    low = -(1 << 15) if kind == TEMPERATURE else 0
    high = (1 << 15) - 1 if kind == TEMPERATURE else (1 << 8 * size) - 1
    value = min(max(value, low), high) & ((1 << 8 * size) - 1)
    return bytes((kind >> 8,)) + value.to_bytes(size, "little")


def seal(key: "Buffer", address: "Buffer", counter: int, objects: "Buffer") -> bytes:
    """The service data, UUID included, of an advert.

    key: the bind key. address: the advertiser's, 6 bytes, as it is written. counter: 0..2**32-1,
    never used before with this key. objects: at most MAX_OBJECTS bytes, ids rising.

    Raises ProtocolError beyond these.
    """
    if len(address) != 6 or not 0 <= counter <= MAX_COUNTER or len(objects) > MAX_OBJECTS:
        raise ProtocolError(
            "BTHome: address of 6 bytes, counter of 32 bits, %d bytes of objects: "
            "got %d, %d, %d" % (MAX_OBJECTS, len(address), counter, len(objects))
        )
    number = counter.to_bytes(4, "little")
    nonce = bytes(address) + _UUID + _INFORMATION + number
    sealed = ccm.encrypt(key, nonce, objects, b"", _TAG_SIZE)
    end = len(sealed) - _TAG_SIZE
    return _UUID + _INFORMATION + sealed[:end] + number + sealed[end:]
