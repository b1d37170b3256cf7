"""Tables that stay in flash: constant rows in CBOR, decoded one at a time when they are looked at.

The build of a release puts them in the place of the tuples and dicts that the sources have, which
would cost a node several KB of heap for what it looks at once an hour.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from . import cbor

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Rows:
    """A sequence of rows: `data` is their CBOR, one after the other. Iterated, or its length."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __iter__(self) -> "Iterator[Any]":
        at = 0
        while at < len(self._data):
            row, at = cbor.load_at(self._data, at)
            yield row

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Map:
    """A dict of rows: `data` is the CBOR of key, row, key, row, ... Looked up, asked for keys."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __contains__(self, key: "Any") -> bool:
        return self._find(key) is not None

    def __getitem__(self, key: "Any") -> "Any":
        row = self._find(key)
        if row is None:
            raise KeyError(key)
        return row

    def __iter__(self) -> "Iterator[Any]":
        at = 0
        while at < len(self._data):
            key, at = cbor.load_at(self._data, at)
            _, at = cbor.load_at(self._data, at)
            yield key

    def _find(self, key: "Any") -> "Any":
        at = 0
        while at < len(self._data):
            found, at = cbor.load_at(self._data, at)
            row, at = cbor.load_at(self._data, at)
            if found == key:
                return row
        return None
