"""`[web]`."""

from __future__ import annotations

from ipaddress import IPv4Address

from pydantic import Field, field_validator

from gateway.config.base import Section


class WebSection(Section):
    """`[web]`: the page for an installer's phone, with which lampposts are commissioned."""

    enabled: bool = Field(False, description="true to serve the page, else false")
    address: IPv4Address = Field(
        IPv4Address("127.0.0.1"),
        description="the IPv4 address of this machine on the installer's network, private or "
        "loopback, such as 192.168.4.1",
    )
    port: int = Field(8443, ge=1024, le=65535, description="a TCP port, 1024 to 65535")
    tls: bool = Field(
        True,
        description="true for https with a certificate of this gateway's own; false only where "
        "nobody else can listen: keys are typed in here",
    )
    session_minutes: int = Field(
        30, ge=1, le=480, description="minutes after which an idle phone is logged out, 1 to 480"
    )
    code_minutes: int = Field(
        10, ge=1, le=60, description="minutes that a one-time code is good for, 1 to 60"
    )

    @field_validator("address")
    @classmethod
    def _local(cls, value: IPv4Address) -> IPv4Address:
        # The page is for who stands at the cabinet.
        if value.is_unspecified or not value.is_private:
            raise ValueError("not a private or loopback address of this machine")
        return value

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"{'https' if self.tls else 'http'}://{self.address}:{self.port}/"
