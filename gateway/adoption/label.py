"""The label on a lamppost: its node id and its key, as a QR code and in print.

    LAMPLIGHTER:1:<node id>:<key id>:<key>

1 is the version of the label; node id and key are 12 and 32 hexadecimal digits, the key id 1 to 255
in decimal. In capital letters all of it fits the alphanumeric mode of a QR code (ISO/IEC 18004), so
that the code stays small; it is read in small ones as well. `firmware.build.provision` writes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gateway.errors import GatewayError

_LABEL = re.compile(
    r"LAMPLIGHTER:1:(?P<node>[0-9A-F]{12}):(?P<key_id>[1-9][0-9]{0,2}):(?P<key>[0-9A-F]{32})",
    re.ASCII | re.IGNORECASE,
)
_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII | re.IGNORECASE)
_LONGEST = 100


class BadLabel(GatewayError):
    """What was scanned or typed is no label; the text never shows it, there may be a key in it."""


@dataclass(frozen=True)
class Label:
    """What a label says.

    Attributes:
        node: node id, 6 bytes.
        key_id: number of the key, 1..255.
        key: 16 bytes.
    """

    node: bytes
    key_id: int
    key: bytes = field(repr=False)


def parse(text: str) -> Label:
    """The label in `text`, with spaces around it or without. Raises BadLabel."""
    found = _LABEL.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if found is None or int(found["key_id"]) > 255:
        raise BadLabel(
            f"expected LAMPLIGHTER:1:<node id>:<key id>:<key>, got {len(text)} characters that are "
            "not that; scan the code again, or type the node id and the key printed beside it"
        )
    return Label(bytes.fromhex(found["node"]), int(found["key_id"]), bytes.fromhex(found["key"]))


def parse_key(text: str) -> bytes:
    """The key typed in `text`, with spaces around it or without. Raises BadLabel."""
    if len(text) > _LONGEST or not _KEY.fullmatch(text.strip()):
        raise BadLabel(
            f"expected the 32 hexadecimal digits of the key, got {len(text.strip())} characters; "
            "compare them with the label"
        )
    return bytes.fromhex(text.strip())
