"""The two clocks of a simulated street.

*Machine time* is never scaled: bytes on a line, ramps, watchdogs and walking people go by it.
*Street time* is UTC epoch seconds of the street and may run faster: schedules, sampling periods and
record timestamps go by it.
"""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class SimClock:
    """Street time as a function of the wall clock, the same in every process that is told it.

    Attributes:
        real_origin_ns: wall clock (``time.time_ns()``) at the street's origin.
        street_origin: street time then, UTC epoch seconds.
        speed: street seconds in one machine second, above 0; whole thousandths.
    """

    real_origin_ns: int
    street_origin: int
    speed: float

    @classmethod
    def start(cls, street_origin: float | None = None, speed: float = 1.0) -> "SimClock":
        """A clock whose street time is ``street_origin`` now (the real time when None).

        Raises:
            ValueError: a speed that is not 0.001..100000.
        """
        if not 0.001 <= speed <= 100_000:
            raise ValueError(f"speed: expected 0.001..100000 street seconds a second, got {speed}")
        now = time.time_ns()
        origin = now // 1_000_000_000 if street_origin is None else int(street_origin)
        return cls(now, origin, round(speed, 3))

    def street(self) -> float:
        """Street time now, UTC epoch seconds."""
        return self.street_origin + (time.time_ns() - self.real_origin_ns) / 1e9 * self.speed

    def machine(self) -> float:
        """Machine seconds now, of no particular origin."""
        return time.monotonic()

    def environment(self) -> str:
        """The clock as LAMPLIGHTER_SIM_CLOCK tells it to a node."""
        return f"{self.real_origin_ns}:{self.street_origin}:{self.speed:.3f}"

    def gateway_section(self) -> str:
        """The ``[clock]`` section of a gateway's configuration file."""
        return (
            '[clock]\nsource = "simulated"\n'
            f"real_origin = {self.real_origin_ns}\n"
            f"street_origin = {self.street_origin}\n"
            f"speed = {self.speed:.3f}\n"
        )
