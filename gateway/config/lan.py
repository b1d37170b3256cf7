"""`[lan]`."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from gateway.config.base import Section

_HOST = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$"
_NODE_ID = re.compile(r"[0-9a-f]{12}")

Port = Annotated[int, Field(ge=1, le=65535)]


class LanSection(Section):
    """`[lan]`: lampposts reached through the local network, by a mosquitto on this machine.

    Without the section, or with ``enabled = false``, there is no such link.
    """

    enabled: bool = Field(True, description="true or false")
    address: IPv4Address = Field(
        description="the IPv4 address of this machine on the lampposts' network, such as "
        "192.168.4.1, or 0.0.0.0 for all of its networks"
    )
    host: str | None = Field(
        None,
        pattern=_HOST,
        description="what lampposts reach this machine under, an IPv4 address or a name of at most "
        "63 letters, digits, '.' and '-'",
    )
    port: Port = Field(8883, description="a TCP port, 1 to 65535")
    local_port: Port = Field(
        1884, description="a TCP port of the loopback interface, 1 to 65535, other than port"
    )
    local_user: str = Field(
        "gateway",
        pattern=r"^[A-Za-z0-9_-]{1,32}$",
        description="a name of 1 to 32 letters, digits, '_' or '-' that is no node id",
    )
    folder: Path | None = Field(
        None, description="a folder for mosquitto's configuration and the certificates"
    )
    ssid: str | None = Field(
        None, min_length=1, max_length=32, description="the name of the Wi-Fi, 1 to 32 bytes"
    )
    passphrase_file: Path | None = Field(
        None, description="a file that holds the passphrase of the Wi-Fi"
    )
    reply_timeout_ms: int = Field(
        3000, ge=10, le=60_000, description="a whole number of milliseconds, 10 to 60000"
    )
    idle_poll_ms: int = Field(
        5000, ge=10, le=600_000, description="a whole number of milliseconds, 10 to 600000"
    )
    silent_poll_max_s: float = Field(
        60,
        ge=0.1,
        le=3600,
        description="most seconds between polls of a silent lamppost, 0.1 to 3600",
    )
    attempts: int = Field(3, ge=1, le=10, description="attempts per request, 1 to 10")
    at_once: int = Field(16, ge=1, le=64, description="lampposts asked at once, 1 to 64")

    @field_validator("local_user")
    @classmethod
    def _no_node(cls, value: str) -> str:
        if _NODE_ID.fullmatch(value):
            raise ValueError("is a node id")
        return value

    @field_validator("ssid")
    @classmethod
    def _fits(cls, value: str | None) -> str | None:
        if value is not None and len(value.encode()) > 32:
            raise ValueError("more than 32 bytes")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.port == self.local_port:
            raise ValueError("expected local_port to be another than port")
        if self.host is None and self.address == IPv4Address(0):
            raise ValueError(
                "expected host beside address 0.0.0.0: lampposts have to be told an address"
            )
        if self.passphrase_file is not None and self.ssid is None:
            raise ValueError("expected ssid beside passphrase_file: a Wi-Fi has a name")
        return self

    @property
    def reached_under(self) -> str:
        """The address or name that lampposts are told."""
        return self.host or str(self.address)

    def folder_in(self, data_dir: Path) -> Path:
        """Where mosquitto's files and the certificates are."""
        return self.folder or data_dir / "lan"
