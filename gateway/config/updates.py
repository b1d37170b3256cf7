"""`[updates]`."""

from __future__ import annotations

from pydantic import Field

from gateway.config.base import Section


class UpdatesSection(Section):
    """`[updates]`: how long the steps of an update may take, in machine time."""

    trial_timeout_s: float = Field(
        900, ge=1, le=86_400, description="seconds from reset to a confirmed image, 1 to 86400"
    )
    settle_s: float = Field(
        3, ge=0.05, le=60, description="seconds from a reset until its outcome is read, 0.05 to 60"
    )
    retry_s: float = Field(
        5, ge=0.01, le=3600, description="seconds between attempts at a failed step, 0.01 to 3600"
    )
    multicast: bool = Field(
        True, description="true to send a release that several lampposts of a bus want to all, once"
    )
    multicast_gather_s: float = Field(
        2,
        ge=0.01,
        le=600,
        description="seconds that a multicast waits for further lampposts, 0.01 to 600",
    )
    lan_uploads_at_once: int = Field(
        8, ge=1, le=64, description="uploads at once by the local network, 1 to 64"
    )
    ble_uploads_at_once: int = Field(
        3, ge=1, le=16, description="uploads at once by Bluetooth, 1 to 16"
    )
