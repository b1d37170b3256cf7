"""The Simple Management Protocol of MCUmgr: header, groups and result codes.

Header (8 bytes, big endian), as in Zephyr's SMP protocol specification: reserved 3 bits, version 2
bits, operation 3 bits; flags u8; length u16 of the body; group u16; sequence u8; command u8. The
body is a CBOR map.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from . import cbor
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

HEADER_SIZE = 8
VERSION = 1  # 0 is SMP version 1, 1 is SMP version 2

OP_READ = 0
OP_READ_RSP = 1
OP_WRITE = 2
OP_WRITE_RSP = 3

GROUP_OS = 0
GROUP_IMAGE = 1
GROUP_SETTINGS = 3
GROUP_STREET = 64

OS_ECHO = 0
OS_DATETIME = 4
OS_RESET = 5
OS_PARAMETERS = 6
OS_INFO = 7
IMAGE_STATE = 0
IMAGE_UPLOAD = 1
IMAGE_ERASE = 5
SETTINGS_READ_WRITE = 0
SETTINGS_DELETE = 1
SETTINGS_COMMIT = 2
SETTINGS_LOAD_SAVE = 3

# Result codes common to all groups (mcumgr MGMT_ERR_*).
MGMT_ERR_EOK = 0
MGMT_ERR_EUNKNOWN = 1
MGMT_ERR_ENOMEM = 2
MGMT_ERR_EINVAL = 3
MGMT_ERR_ETIMEOUT = 4
MGMT_ERR_ENOENT = 5
MGMT_ERR_EBADSTATE = 6
MGMT_ERR_EMSGSIZE = 7
MGMT_ERR_ENOTSUP = 8
MGMT_ERR_ECORRUPT = 9
MGMT_ERR_EBUSY = 10
MGMT_ERR_EACCESSDENIED = 11

# Result codes of group 64, inside {"err": {"group": 64, "rc": code}}.
STREET_ERR_OK = 0
STREET_ERR_UNKNOWN = 1
STREET_ERR_INVALID = 2  # a field is missing or outside its bounds
STREET_ERR_NOT_SEALED = 3  # this changes the street: send it sealed
STREET_ERR_SEAL = 4  # the seal does not open: wrong key, wrong lamppost or altered
STREET_ERR_REPLAY = 5  # counter used before; "c" in the body is the lowest acceptable one
STREET_ERR_BUSY = 6


def pack(
    op: int, group: int, sequence: int, command: int, body: "dict[str, Any]", version: int = VERSION
) -> bytes:
    """A whole SMP message around `body`. Raises ProtocolError for a body CBOR cannot carry."""
    encoded = cbor.dumps(body)
    return pack_header(op, group, sequence, command, len(encoded), version) + encoded


def pack_header(
    op: int, group: int, sequence: int, command: int, length: int, version: int = VERSION
) -> bytes:
    """The 8-byte header alone. `length` is that of the CBOR body, 0..65535."""
    if length > 0xFFFF:
        raise ProtocolError("SMP: body of %d bytes, at most 65535" % length)
    return bytes(
        (
            (version & 3) << 3 | op & 7,
            0,
            length >> 8,
            length & 0xFF,
            group >> 8 & 0xFF,
            group & 0xFF,
            sequence & 0xFF,
            command & 0xFF,
        )
    )


def unpack_header(data: "bytes | bytearray | memoryview") -> "tuple[int, int, int, int, int, int]":
    """(op, group, sequence, command, body length, version). Raises ProtocolError if too short."""
    if len(data) < HEADER_SIZE:
        raise ProtocolError("SMP: %d bytes, the header alone has 8" % len(data))
    return (
        data[0] & 7,
        data[4] << 8 | data[5],
        data[6],
        data[7],
        data[2] << 8 | data[3],
        data[0] >> 3 & 3,
    )


def unpack(data: "bytes | bytearray | memoryview") -> "tuple[int, int, int, int, dict[str, Any]]":
    """(op, group, sequence, command, body) of one whole message.

    Raises ProtocolError when it is shorter or longer than its header says, or its body no map.
    """
    op, group, sequence, command, length, _ = unpack_header(data)
    if len(data) != HEADER_SIZE + length:
        raise ProtocolError(
            "SMP: body of %d bytes, header says %d" % (len(data) - HEADER_SIZE, length)
        )
    body = cbor.loads(memoryview(data)[HEADER_SIZE:]) if length else {}
    if not isinstance(body, dict):
        raise ProtocolError("SMP: the body must be a map")
    return op, group, sequence, command, body


def error(group: int, code: int) -> "dict[str, Any]":
    """Body of a version 2 reply that refuses a request."""
    return {"err": {"group": group, "rc": code}}


def error_of(body: "dict[str, Any]") -> "tuple[int | None, int] | None":
    """(group, code) of a reply body that refuses, None when it does not.

    group is None where the reply has version 1's form, which does not name it.
    """
    err = body.get("err")
    if isinstance(err, dict):
        group = err.get("group")
        code = err.get("rc")
        if isinstance(group, int) and isinstance(code, int):
            return group, code
        return None, MGMT_ERR_EUNKNOWN
    code = body.get("rc")
    if isinstance(code, int) and code != 0:
        return None, code
    return None
