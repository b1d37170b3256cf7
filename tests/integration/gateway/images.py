"""Release images for the fake lampposts."""

from __future__ import annotations

import struct
from hashlib import sha256

from protocol import image


def make_image(size: int = 20_000, version: int = 2) -> bytes:
    """An MCUboot image with a true hash TLV last; unsigned, since no firmware checks it here."""
    payload = sha256(bytes((version,))).digest() * (size // 32)
    header = struct.pack(
        "<IIHHIIBBHII", image.MAGIC, 0, 32, 0, len(payload), 0, version, 0, 0, 0, 0
    )
    digest = sha256(header + payload).digest()
    tlvs = struct.pack("<HHHH", image.TLV_MAGIC, 8 + 32, image.TLV_SHA256, 32)
    return header + payload + tlvs + digest
