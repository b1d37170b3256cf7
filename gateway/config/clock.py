"""`[clock]`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from gateway.clock import SimulatedClock, StreetClock, SystemClock
from gateway.config.base import Section


class ClockSection(Section):
    """`[clock]`: where street time comes from."""

    source: Literal["system", "simulated"] = Field("system", description="system or simulated")
    real_origin: int = Field(
        0, ge=0, description="wall time of the simulation's start, Unix nanoseconds"
    )
    street_origin: float = Field(
        0, ge=0, description="street time at the simulation's start, Unix seconds"
    )
    speed: float = Field(1, gt=0, le=100_000, description="a factor above 0, at most 100000")

    @model_validator(mode="after")
    def _origins(self) -> Self:
        if self.source == "simulated" and (self.real_origin < 10**15 or self.street_origin < 10**8):
            raise ValueError(
                "a simulated clock needs real_origin (Unix nanoseconds, as time.time_ns() gives) "
                "and street_origin (Unix seconds)"
            )
        return self

    def make(self) -> StreetClock:
        """The clock described here."""
        if self.source == "system":
            return SystemClock()
        return SimulatedClock(self.real_origin, self.street_origin, self.speed)
