"""`[[lamppost]]`."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Self

from pydantic import Field, SecretBytes, field_validator, model_validator

from gateway.config.base import Name, NodeId, Section
from gateway.config.ble import BluetoothAddress

_KEY = re.compile(r"[0-9a-fA-F]{32}")
Text = Annotated[str, Field(min_length=1, max_length=80)]


class Replaced(Section):
    """One of `replaced`: a node that stood at this place before."""

    id: NodeId = Field(description="12 lower-case hexadecimal characters")
    until: date = Field(description="a date such as 2026-11-27")


class LamppostSection(Section):
    """`[[lamppost]]`: one lamppost, the links that lead to it, and its key."""

    id: NodeId = Field(description="12 lower-case hexadecimal characters")
    name: Text = Field(description="a text of 1 to 80 characters")
    pole: Text | None = Field(
        None, description="a text of 1 to 80 characters for the place, whatever node stands there"
    )
    bus: Name | None = Field(None, description="the name of a [bus.<name>] section")
    address: int | None = Field(None, ge=1, le=247, description="a bus address, 1 to 247")
    street: Text | None = Field(
        None,
        description="a text of 1 to 80 characters; those of one street light the way, whatever bus",
    )
    position_m: float | None = Field(
        None, ge=-1e6, le=1e6, description="metres along the street, -1000000 to 1000000"
    )
    lan: bool = Field(False, description="true when it is reached through the local network")
    ble: bool = Field(False, description="true when it is within Bluetooth range")
    ble_address: BluetoothAddress | None = Field(
        None, description="its Bluetooth address, such as A0:B1:C2:D3:E4:F7, where it is not found"
    )
    key: SecretBytes = Field(description="32 hexadecimal characters (16 bytes)")
    key_id: int = Field(ge=1, le=255, description="a key id, 1 to 255")
    replaced: tuple[Replaced, ...] = Field(
        (), description='nodes that stood there before, such as { id = "...", until = 2026-11-27 }'
    )

    @field_validator("key", mode="before")
    @classmethod
    def _hex_key(cls, value: object) -> bytes:
        if not isinstance(value, str) or not _KEY.fullmatch(value):
            raise ValueError("not 32 hexadecimal characters")
        return bytes.fromhex(value)

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if (self.bus is None) != (self.address is None):
            raise ValueError("expected bus and address together, or neither")
        if self.bus is None and not self.lan and not self.ble:
            raise ValueError("expected a link to it: bus and address, lan = true or ble = true")
        if self.ble_address is not None and not self.ble:
            raise ValueError("expected ble = true beside ble_address")
        return self

    @property
    def node(self) -> bytes:
        """The 6 bytes of the node id."""
        return bytes.fromhex(self.id)

    @property
    def place(self) -> str:
        """What stays when the node is replaced: its pole, or its name where none is given."""
        return self.pole or self.name
