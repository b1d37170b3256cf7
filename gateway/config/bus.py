"""`[bus.<name>]`."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from gateway.config.base import Section

# What gateway.bus.finding takes.
_PORT = re.compile(r"[^:]+|usb:[0-9a-fA-F]{4}:[0-9a-fA-F]{4}(:.+)?|serial:.+|/.+")
BAUD_RATES = (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)


class BusSection(Section):
    """`[bus.<name>]`: one RS-485 line."""

    port: str = Field(
        description="the path of a serial port, such as /dev/ttyAMA0 or a link in"
        " /dev/serial/by-id, or usb:<vendor>:<product>, with :<serial number> behind it where"
        " there are several, or serial:<serial number>"
    )
    baud: int = Field(115200, description=f"one of {', '.join(map(str, BAUD_RATES))}")
    rs485: bool = Field(
        False, description="true to let the kernel switch the driver (RS-485 mode), else false"
    )
    reply_timeout_ms: int = Field(
        250, ge=5, le=10_000, description="a whole number of milliseconds, 5 to 10000"
    )
    idle_poll_ms: int = Field(
        1000, ge=10, le=600_000, description="a whole number of milliseconds, 10 to 600000"
    )
    attempts: int = Field(3, ge=1, le=10, description="attempts per request, 1 to 10")
    silent_poll_max_s: float = Field(
        60,
        ge=0.1,
        le=3600,
        description="most seconds between polls of a silent lamppost, 0.1 to 3600",
    )
    discover: bool = Field(
        True, description="true to ask free addresses who is there, in the background, else false"
    )
    discover_every_s: float = Field(
        5, ge=0.1, le=3600, description="seconds between free addresses asked, 0.1 to 3600"
    )
    uploads_at_once: int = Field(1, ge=1, le=16, description="image uploads at once, 1 to 16")

    @field_validator("port")
    @classmethod
    def _known_form(cls, value: str) -> str:
        if not _PORT.fullmatch(value):
            raise ValueError("neither a path, nor usb:.. nor serial:..")
        return value

    @field_validator("baud")
    @classmethod
    def _known_baud(cls, value: int) -> int:
        if value not in BAUD_RATES:
            raise ValueError("not a supported rate")
        return value
