"""`[outlet.<name>]`: second outlets beside the city's broker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.config.base import Section
from gateway.config.mqtt import TlsSection

_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class _Outlet(Section):
    host: str = Field(min_length=1, description="a host name or address")
    port: int = Field(1883, ge=1, le=65535, description="a TCP port, 1 to 65535")
    username: str | None = Field(None, description="a user name")
    password_file: Path | None = Field(None, description="a file that holds the password")
    tls: TlsSection | None = Field(None, description="an [outlet.<name>.tls] section")
    keepalive: int = Field(30, ge=5, le=3600, description="seconds, 5 to 3600")
    commands: bool = Field(False, description="true to let lamps be dimmed from there, else false")
    override_s: int = Field(
        3600, ge=1, le=604_800, description="seconds such a level lasts, 1 to 604800"
    )


class HomeAssistantSection(_Outlet):
    """Home Assistant, by MQTT discovery."""

    kind: Literal["home-assistant"] = Field(description="home-assistant, thingsboard or sparkplug")
    discovery_prefix: _Word = Field(
        "homeassistant", description="Home Assistant's discovery prefix: letters, digits, '_', '-'"
    )


class ThingsBoardSection(_Outlet):
    """ThingsBoard, by its MQTT gateway API; username is the gateway's access token."""

    kind: Literal["thingsboard"] = Field(description="home-assistant, thingsboard or sparkplug")


class SparkplugSection(_Outlet):
    """Sparkplug B."""

    kind: Literal["sparkplug"] = Field(description="home-assistant, thingsboard or sparkplug")
    group: _Word = Field("lamplighter", description="a group id: letters, digits, '_', '-'")
    primary_host: _Word | None = Field(
        None, description="the id of the host application that must be there to be sent anything"
    )


OutletSection = Annotated[
    HomeAssistantSection | ThingsBoardSection | SparkplugSection, Field(discriminator="kind")
]
