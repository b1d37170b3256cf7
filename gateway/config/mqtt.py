"""`[mqtt]` and `[mqtt.tls]`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from gateway.config.base import Section


class TlsSection(Section):
    """`[mqtt.tls]`: a broker reached through TLS."""

    ca_file: Path | None = Field(None, description="a PEM file with the broker's authority")
    cert_file: Path | None = Field(None, description="a PEM file with this gateway's certificate")
    key_file: Path | None = Field(None, description="a PEM file with this gateway's private key")


class MqttSection(Section):
    """`[mqtt]`: the city's broker."""

    host: str = Field(min_length=1, description="a host name or address")
    port: int = Field(1883, ge=1, le=65535, description="a TCP port, 1 to 65535")
    username: str | None = Field(None, description="a user name")
    password_file: Path | None = Field(None, description="a file that holds the password")
    tls: TlsSection | None = Field(None, description="a [mqtt.tls] section")
    keepalive: int = Field(30, ge=5, le=3600, description="seconds, 5 to 3600")
    in_flight: int = Field(20, ge=1, le=1000, description="messages on the way at once, 1 to 1000")
    report_interval_s: float = Field(
        2, ge=0.05, le=3600, description="least seconds between reports of a lamppost, 0.05 to 3600"
    )
    require_ingest: bool = Field(
        True, description="true to keep readings until an ingest is there to store them, else false"
    )
