"""Arithmetic of 24-bit floats, as on the ESP32: every operation is rounded to single precision."""

import math
import struct
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def rounded(value: float) -> float:
    """The single precision number nearest to ``value``."""
    return struct.unpack("<f", struct.pack("<f", value))[0]


def _operator(operation: Callable[[float, float], float]) -> Callable[[Any, Any], "Single"]:
    return lambda self, other: Single(operation(float(self), rounded(float(other))))


class Single(float):
    """A float that stays in single precision through every operation."""

    def __new__(cls, value: float) -> "Single":
        return super().__new__(cls, rounded(value))

    __add__ = __radd__ = _operator(lambda a, b: a + b)
    __sub__ = _operator(lambda a, b: a - b)
    __rsub__ = _operator(lambda a, b: b - a)
    __mul__ = __rmul__ = _operator(lambda a, b: a * b)
    __truediv__ = _operator(lambda a, b: a / b)
    __rtruediv__ = _operator(lambda a, b: b / a)
    __neg__ = lambda self: Single(-float(self))  # noqa: E731


def _function(function: Callable[..., float]) -> Callable[..., Single]:
    return lambda *given: Single(function(*(rounded(float(one)) for one in given)))


MATH = SimpleNamespace(
    **{
        name: _function(getattr(math, name))
        for name in ("sin", "cos", "asin", "acos", "atan2", "radians", "degrees")
    }
)


def real(whole: int, divisor: int) -> Single:
    """Stands in for the door from integers to floats of ``firmware.node.lamp.sun``."""
    return Single(Single(whole) / divisor)
