"""`[ble]`."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gateway.config.base import Section

AdapterName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:/-]{1,80}$")]
BluetoothAddress = Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$")]


class BleSection(Section):
    """`[ble]`: lampposts within Bluetooth range."""

    adapters: tuple[AdapterName, ...] = Field(
        ("hci0",), min_length=1, max_length=8, description='1 to 8 adapter names, such as "hci0"'
    )
    connections: int = Field(
        3, ge=1, le=20, description="connections at once by each adapter, 1 to 20"
    )
    scan: Literal["auto", "active", "passive"] = Field(
        "active", description="active, passive or auto (passive where that hears somebody)"
    )
    silence_s: float = Field(
        90,
        ge=5,
        le=3600,
        description="seconds without any advert until the scan is started again, 5 to 3600",
    )
    visit_s: float = Field(
        300,
        ge=0.1,
        le=86_400,
        description="seconds between visits to a lamppost that has nothing waiting, 0.1 to 86400",
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.adapters)) < len(self.adapters):
            raise ValueError("expected each adapter once")
        return self
