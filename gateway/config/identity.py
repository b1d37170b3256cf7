"""`[gateway]`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from gateway.config.base import Name, Section
from gateway.uplink.topics import RESERVED


class GatewaySection(Section):
    """`[gateway]`: who this gateway is and where it keeps its data."""

    id: Name = Field(
        description="a name of 1 to 48 letters, digits, '.', '_' or '-', not "
        f"{', '.join(RESERVED[:-1])} or {RESERVED[-1]}"
    )
    data_dir: Path = Field(description="a folder for the database and release images")
    lampposts_file: Path = Field(
        Path("lampposts.toml"),
        description="a file for the [[lamppost]] sections that the gateway writes itself",
    )

    @field_validator("id")
    @classmethod
    def _not_reserved(cls, value: str) -> str:
        if value in RESERVED:
            raise ValueError("means something else in the topics")
        return value
