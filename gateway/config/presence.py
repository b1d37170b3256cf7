"""`[presence]`."""

from __future__ import annotations

from pydantic import Field

from gateway.config.base import Section


class PresenceSection(Section):
    """`[presence]`: light that goes ahead of who walks, where lampposts dim by presence."""

    enabled: bool = Field(True, description="true to light neighbours ahead of people, else false")
    around: int = Field(
        2, ge=0, le=10, description="lampposts lit each way when somebody turns up, 0 to 10"
    )
    ahead: int = Field(
        3, ge=0, le=10, description="lampposts lit ahead of somebody who walks, 0 to 10"
    )
    behind: int = Field(
        1, ge=0, le=10, description="lampposts kept lit behind somebody who walks, 0 to 10"
    )
    lookahead_s: float = Field(
        12, ge=0, le=60, description="seconds of way lit ahead of who is fast, 0 to 60"
    )
    spacing_m: float = Field(
        30,
        gt=0,
        le=500,
        description="metres between lampposts that have no position, above 0, at most 500",
    )
    hold_most_s: int = Field(
        120, ge=10, le=3600, description="most seconds a lamp is lit ahead, 10 to 3600"
    )
    call_ms: int = Field(
        100, ge=20, le=10_000, description="milliseconds between calls on a bus, 20 to 10000"
    )
    window_ms: int = Field(
        20,
        ge=1,
        le=1000,
        description="milliseconds in which a lamppost begins to answer a call, 1 to 1000",
    )
    line_share: float = Field(
        0.25, gt=0, le=0.9, description="most of a bus's time for calls, above 0, at most 0.9"
    )
