"""Bytes of a fuzzer, read as choices."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

import cbor2

T = TypeVar("T")

_NUMBERS = (
    0, 1, 2, 5, 10, 23, 24, 64, 100, 101, 247, 255, 256, 1199, 1200, 65535, 65536, 0x7FFFFFFF,
    0xFFFFFFFF, 1 << 32, (1 << 38) + 5, (1 << 40) - 1, 1 << 40, (1 << 63) - 1, 1 << 63,
    (1 << 64) - 1, 1 << 80, -1, -2, -(1 << 31), -(1 << 63), -(1 << 64),
)  # fmt: skip
_TEXTS = ("", "x", "\0", "\n", "\x1b[2J", "\ud800", "ä" * 40, "A" * 400, "../..", "+", "#", "$SYS")


class Data:
    """Reads `data` from its beginning; when it has come to its end there are only zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        """Whether there is something left."""
        return self._at < len(self._data)

    def bytes(self, most: int = 64) -> bytes:
        """Up to `most` bytes; how many is in the first."""
        size = min(self.below(256) if most < 256 else self.below(65536), most)
        found = self._data[self._at : self._at + size]
        self._at += size
        return found

    def rest(self) -> bytes:
        """All that is left."""
        found = self._data[self._at :]
        self._at = len(self._data)
        return found

    def below(self, end: int) -> int:
        """0 up to `end` - 1."""
        size = max(1, ((end - 1).bit_length() + 7) // 8)
        found = int.from_bytes(self._data[self._at : self._at + size], "big")
        self._at += size
        return found % end

    def chance(self) -> bool:
        """One of two."""
        return bool(self.below(2))

    def pick(self, choices: Sequence[T]) -> T:
        """One of them."""
        return choices[self.below(len(choices))]

    def number(self) -> int:
        """An integer, more often than not at a bound of something."""
        if self.chance():
            return self.pick(_NUMBERS)
        return int.from_bytes(self.bytes(9), "big", signed=True)

    def text(self) -> str:
        """A text, with lone surrogates too, as JSON can carry them."""
        if self.chance():
            return self.pick(_TEXTS)
        return self.bytes(40).decode("utf-8", "surrogateescape")

    def value(self, keys: Sequence[Any] = (), depth: int = 3) -> Any:
        """What CBOR or JSON may hold; maps have some of `keys`."""
        kind = self.below(12)
        if kind == 0:
            return None
        if kind == 1:
            return self.chance()
        if kind in (2, 3, 4):
            return self.number()
        if kind == 5:
            return self.pick((0.5, -0.0, float("nan"), float("inf"), 1e300))
        if kind == 6:
            return self.text()
        if kind == 7:
            return self.bytes(80)
        if depth == 0:
            return 0
        if kind in (8, 9):
            return [self.value(keys, depth - 1) for _ in range(self.below(6))]
        return self.map(keys, depth)

    def map(self, keys: Sequence[Any], depth: int = 3) -> dict[Any, Any]:
        """A map with some of `keys`, seldom others."""
        found: dict[Any, Any] = {}
        for _ in range(self.below(12)):
            key = self.pick(keys) if keys and self.below(8) else self.text()
            found[key] = self.value(keys, depth - 1)
        return found

    def damaged(self, right: bytes) -> bytes:
        """`right` with bytes changed, cut out, put in or cut off; or as it is."""
        found = bytearray(right)
        for _ in range(self.below(5)):
            at = self.below(len(found)) if found else 0
            match self.below(5):
                case 0 if found:
                    found[at] ^= 1 << self.below(8)
                case 1:
                    found[at : at + self.below(16)] = b""
                case 2:
                    found[at:at] = self.bytes(16)
                case 3:
                    del found[at:]
                case _:
                    piece = self.bytes(16)
                    found[at : at + len(piece)] = piece
        return bytes(found)


def as_cbor(value: Any) -> bytes:
    """By another encoder than ours: floats, large numbers and all."""
    try:
        return cbor2.dumps(value)
    except (UnicodeEncodeError, cbor2.CBOREncodeError):
        return b"\x61\xff"  # a text that is none


def as_json(value: Any) -> bytes:
    """Bytes become texts."""
    return json.dumps(value, default=lambda other: repr(other)).encode()
