"""`[[lamppost]]`."""

from __future__ import annotations

from pydantic import Field, SecretBytes, field_validator

from gateway.config.base import Name, NodeId, Section


class LamppostSection(Section):
    """`[[lamppost]]`: one lamppost on a bus, with its key."""

    id: NodeId = Field(description="12 lower-case hexadecimal characters")
    name: str = Field(min_length=1, max_length=80, description="a text of 1 to 80 characters")
    bus: Name = Field(description="the name of a [bus.<name>] section")
    address: int = Field(ge=1, le=247, description="a bus address, 1 to 247")
    key: SecretBytes = Field(description="32 hexadecimal characters (16 bytes)")
    key_id: int = Field(ge=1, le=255, description="a key id, 1 to 255")

    @field_validator("key", mode="before")
    @classmethod
    def _hex_key(cls, value: object) -> bytes:
        if not isinstance(value, str) or len(value) != 32:
            raise ValueError("not 32 hexadecimal characters")
        return bytes.fromhex(value)

    @property
    def node(self) -> bytes:
        """The 6 bytes of the node id."""
        return bytes.fromhex(self.id)
