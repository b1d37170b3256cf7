"""The time on the street, which a simulated street may let run faster than the desk's."""

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class StreetClock:
    """UTC on the street; by default the system's.

    Attributes:
        real_origin: the system's Unix time at which the street's clock showed `street_origin`, ns
            (as a gateway's [clock] has it).
        street_origin: the street's Unix time then, s.
        speed: seconds on the street for one of the system's, above 0.
    """

    real_origin: int = 0
    street_origin: float = 0.0
    speed: float = 1.0

    def now(self) -> int:
        """Unix seconds on the street now."""
        return int(self.street_origin + (time.time_ns() - self.real_origin) / 1e9 * self.speed)

    def real_seconds(self, street_seconds: float) -> float:
        """How long `street_seconds` on the street last at the desk, s."""
        return street_seconds / self.speed


SYSTEM_CLOCK = StreetClock()
