"""Finding frames of one size in the bytes of a serial line."""


def begins(data, fits):
    """Whether a frame may begin with `data`: each of its beginnings fits."""
    return all(fits(data[:size]) for size in range(1, len(data) + 1))


class Frames:
    """Holds at most one frame; never raises, never waits.

    size: bytes of a frame. fits: called with what is held, 1 to `size` bytes, says whether its
    newest byte leaves a frame possible; with `size` bytes, whether it is one, its sum included.

    Counters: `accepted` frames, `skipped` bytes that belong to none.
    """

    def __init__(self, size, fits):
        self._size = size
        self._fits = fits
        self._held = bytearray()
        self.accepted = 0
        self.skipped = 0

    def feed(self, data):
        """The newest sound frame that `data` completes, as bytes, or None."""
        found = None
        held = self._held
        for byte in data:
            held.append(byte)
            if not self._fits(held):
                self._resync()
            if len(held) == self._size:
                found = bytes(held)
                held[:] = b""
                self.accepted += 1
        return found

    def _resync(self):
        """Drop what was taken for a beginning and was none; a frame may begin inside it."""
        held = self._held
        at = 1
        while at < len(held) and not begins(held[at:], self._fits):
            at += 1
        self.skipped += at
        held[:] = held[at:]

    def clear(self):
        """Forget a frame that has begun: after silence the next byte begins another."""
        self.skipped += len(self._held)
        self._held[:] = b""
