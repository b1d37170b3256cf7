"""`[buffer]`."""

from __future__ import annotations

from pydantic import Field, field_validator

from gateway.config.base import Section

# A quarter of it, where records begin to be dropped for room, holds the whole write-ahead log.
_LEAST_FREE = 64_000_000


class BufferSection(Section):
    """`[buffer]`: how much is kept while the broker or an outlet is away."""

    max_bytes: int = Field(2_000_000_000, ge=10_000, description="bytes of records, at least 10000")
    max_age_days: float = Field(
        3650, gt=0, le=36_500, description="days a record is kept, above 0, at most 36500"
    )
    keep_free_bytes: int = Field(
        200_000_000,
        ge=0,
        description="bytes of its disk that are left free, at least 64000000; 0 to fill the disk",
    )
    outlet_max_bytes: int | None = Field(
        None,
        ge=0,
        description="bytes of records kept only for second outlets that lag, 0 or more; "
        "a quarter of max_bytes when left out",
    )

    @field_validator("keep_free_bytes")
    @classmethod
    def _enough_to_work_in(cls, value: int) -> int:
        if 0 < value < _LEAST_FREE:
            raise ValueError("less than the database needs to make room")
        return value
