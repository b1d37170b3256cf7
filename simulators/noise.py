"""Noise on a line: bits flipped at random, the same ones for the same seed."""

import math
import random


class BitErrors:
    """Flips bits, each with the same chance.

    Args:
        rate: chance that a bit is flipped, 0 or more and below 1.
        seed: the same bytes passed then suffer the same errors.

    Attributes:
        flipped: bits flipped so far.

    Raises:
        ValueError: a rate outside its range.
    """

    def __init__(self, rate: float = 0.0, seed: str = "") -> None:
        self._random = random.Random(seed)
        self.flipped = 0
        self.set_rate(rate)

    def set_rate(self, rate: float) -> None:
        """Make the line noisier or quieter from now on.

        Raises:
            ValueError: a rate outside its range.
        """
        if not 0.0 <= rate < 1.0:
            raise ValueError(f"bit error rate: expected 0 or more and below 1, got {rate}")
        self._rate = rate
        self._good_bits = self._next_error()

    def __call__(self, data: bytes) -> bytes:
        """What becomes of ``data`` on the line."""
        bits = len(data) * 8
        if bits <= self._good_bits:
            self._good_bits -= bits
            return data
        noisy = bytearray(data)
        at = 0
        while at + self._good_bits < bits:
            at += int(self._good_bits)
            noisy[at // 8] ^= 1 << at % 8
            self.flipped += 1
            at += 1
            self._good_bits = self._next_error()
        self._good_bits -= bits - at
        return bytes(noisy)

    def _next_error(self) -> float:
        """Good bits before the next bad one, of a geometric distribution."""
        if self._rate <= 0.0:
            return math.inf
        return math.floor(math.log(1.0 - self._random.random()) / math.log(1.0 - self._rate))
