"""`[updates]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from gateway.config.base import Section


class UpdatesSection(Section):
    """`[updates]`: whom releases are believed, and how long the steps of an update may take.

    Times are machine time.
    """

    root_file: Path | None = Field(
        None, description="a file with root metadata (TUF) of the city's release repository"
    )
    repository_url: Annotated[str, Field(pattern=r"^https?://[^/?#]+[^?#]*$")] | None = Field(
        None, description="http:// or https:// and where the release repository's folder is served"
    )
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

    @model_validator(mode="after")
    def _url_needs_root(self) -> Self:
        if self.repository_url is not None and self.root_file is None:
            raise ValueError(
                "repository_url needs root_file: what a server gives is believed by its signatures"
            )
        return self
