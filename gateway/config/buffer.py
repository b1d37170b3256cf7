"""`[buffer]`."""

from __future__ import annotations

from pydantic import Field

from gateway.config.base import Section


class BufferSection(Section):
    """`[buffer]`: how much is kept while the broker is away."""

    max_bytes: int = Field(2_000_000_000, ge=10_000, description="bytes of records, at least 10000")
    max_age_days: float = Field(
        3650, gt=0, le=36_500, description="days a record is kept, above 0, at most 36500"
    )
