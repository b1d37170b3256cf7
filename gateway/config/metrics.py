"""`[metrics]`."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

from pydantic import Field, field_validator

from gateway.config.base import Section


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """As the beginning of a URL, without a "/" at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class MetricsSection(Section):
    """`[metrics]`: what this gateway says of itself on loopback."""

    enabled: bool = Field(True, description="true to serve metrics and health, else false")
    listen: str = Field(
        "127.0.0.1:9477",
        description="a loopback address and a TCP port, such as 127.0.0.1:9477 or [::1]:9477",
    )

    @field_validator("listen")
    @classmethod
    def _loopback(cls, value: str) -> str:
        host, port = _split(value)
        # Nothing here asks who is there. For others on the network there are reverse proxies.
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError("not a loopback address")
        if not 1 <= port <= 65535:
            raise ValueError("not a TCP port")
        return value

    @property
    def address(self) -> Address:
        """Where to listen."""
        return _split(self.listen)


def _split(value: str) -> Address:
    host, _, port = value.rpartition(":")
    if not port.isdecimal():
        raise ValueError("no TCP port")
    return Address(host.removeprefix("[").removesuffix("]"), int(port))
