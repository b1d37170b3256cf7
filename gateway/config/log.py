"""`[log]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.config.base import Section


class LogSection(Section):
    """`[log]`."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )
    format: Literal["text", "json"] = Field("text", description="text or json")
