"""Which bytes are an array of integers in CBOR, as nearly all records are, told by their heads.

`protocol.cbor` reads these and more, one interpreted step after another, as a lamppost has to; for
a gateway that is most of what a record costs.
"""

from __future__ import annotations

import re

# The heads of RFC 8949, 3.1, each with what belongs to it, of integers from -2**63 to 2**64 - 1.
_INTEGER = (
    rb"[\x00-\x17\x20-\x37]|[\x18\x38].|[\x19\x39]..|[\x1a\x3a].{4}|\x1b.{8}|\x3b[\x00-\x7f].{7}"
)
# An array of known length, and after it integers.
_ARRAY = re.compile(rb"([\x80-\x97]|\x98.)(?:" + _INTEGER + rb")*", re.DOTALL)
_ITEM = re.compile(_INTEGER, re.DOTALL)


def integers(data: bytes) -> int | None:
    """How many items the array of integers has that `data` is, whole; None where it is none.

    An array of more than 255, which no record is, is none here.
    """
    match = _ARRAY.fullmatch(data)
    if match is None:
        return None
    head = match.end(1)
    count = data[0] & 31 if head == 1 else data[1]
    return count if len(_ITEM.findall(data, head)) == count else None
