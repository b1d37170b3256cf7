"""A delta applied as a stream: the patch and the running release in, the new release out.

The patch is a sequential one of detools without compression (detools' documentation, "Sequential"),
in a raw deflate stream with a window of 1 KiB:

    0 (kind and compression), size of the result, 0 (no data format), then until it is reached:
    n, n bytes to be added to those of the base; m, m bytes as they are; how far the base moves

Numbers have six bits and a sign in their first byte, seven in each that follows, lowest first.
The patch came signed, but each number is checked before it is used all the same.
"""

import asyncio
from hashlib import sha256

from . import refusal
from .refusal import Refused

_PIECE = 512


class Patched:
    """What comes of `patch` (has `readinto`) and `base` (see base.py): has `readinto` itself.

    size: bytes that are to come. Raises Refused for a patch that is not as it should be.
    """

    def __init__(self, patch, base, size: int):
        self._patch = patch
        self._base = base
        self._left = size  # of the result
        self._add = 0  # bytes left that are added to the base's
        self._copy = 0  # bytes left that come as they are
        self._at = 0  # in the base
        self._moves = False  # whether the base moves before the next two runs
        self._one = memoryview(bytearray(1))
        self._old = memoryview(bytearray(_PIECE))
        self._zeros = memoryview(bytes(_PIECE))
        if self._byte() != 0:
            raise _broken("it is not a sequential patch without compression")
        stated = self._number()
        if stated != size:
            raise _broken("it makes %d bytes, its image says %d" % (stated, size))
        if self._number() != 0:
            raise _broken("it has a data format")

    def readinto(self, view) -> int:
        """The next bytes, as many as one run has of them; 0 at the end."""
        if not self._left:
            return 0
        while not self._add and not self._copy:
            self._next_runs()
        if self._add:
            count = min(len(view), self._add, _PIECE)
            self._read(view[:count])
            self._add_base(view[:count], count)
            self._add -= count
            self._left -= count
            if not self._add:
                self._take_copy()
        else:
            count = min(len(view), self._copy)
            self._read(view[:count])
            self._copy -= count
            self._left -= count
        return count

    def _next_runs(self) -> None:
        if self._moves:
            self._at += self._number()
        self._moves = True
        self._add = self._number()
        if self._add < 0 or self._add > self._left:
            raise _broken("a run of %d bytes with %d to come" % (self._add, self._left))
        if self._add and not 0 <= self._at <= self._base.size - self._add:
            raise _broken("it reads outside of its base")
        if not self._add:
            self._take_copy()
            if not self._copy:
                # Without an end to such pairs the node would be busy with them for ever.
                raise _broken("a pair of empty runs")

    def _take_copy(self) -> None:
        self._copy = self._number()
        if self._copy < 0 or self._copy > self._left:
            raise _broken("a run of %d bytes with %d to come" % (self._copy, self._left))

    def _add_base(self, view, count: int) -> None:
        old = self._old[:count]
        self._base.readinto(self._at, old)
        self._at += count
        # Most of a patch says that nothing changes.
        if view == self._zeros[:count]:
            view[:] = old
            return
        for index in range(count):
            if view[index]:
                old[index] = old[index] + view[index] & 0xFF
        view[:] = old

    def _byte(self) -> int:
        self._read(self._one)
        return self._one[0]

    def _number(self) -> int:
        byte = self._byte()
        negative = byte & 0x40
        value = byte & 0x3F
        shift = 6
        while byte & 0x80:
            if shift > 27:
                raise _broken("a number does not end")
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            shift += 7
        return -value if negative else value

    def _read(self, view) -> None:
        got = 0
        while got < len(view):
            try:
                step = self._patch.readinto(view[got:])
            except (OSError, EOFError, ValueError) as error:
                raise _broken("it cannot be inflated (%s)" % error) from None
            if not step:
                raise _broken("it ends early")
            got += step


async def check_base(base, size: int, sha: bytes) -> None:
    """Refused unless `base` has `size` bytes with SHA-256 `sha`. Others get their turns."""
    if base.size != size:
        raise Refused(
            refusal.DELTA_BASE, "the base has %d bytes, the delta's has %d" % (base.size, size)
        )
    digest = sha256()
    view = memoryview(bytearray(_PIECE))
    at = 0
    while at < size:
        count = min(_PIECE, size - at)
        base.readinto(at, view[:count])
        digest.update(view[:count])
        at += count
        await asyncio.sleep(0)
    if digest.digest() != sha:
        raise Refused(refusal.DELTA_BASE, "the running release is not as it was delivered")


def _broken(text: str) -> Refused:
    return Refused(refusal.DELTA, "delta: " + text)
