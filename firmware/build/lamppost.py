"""Who one lamppost is, as its flash and its gateway are told."""

import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Provision:
    """Who one lamppost is.

    Attributes:
        node: node id, 12 hexadecimal digits.
        name: what people call it.
        address: bus address, 1..247.
        key_id: number of its key, 1..255.
        key: the 16 bytes shared with its gateway.
        board: board id.
    """

    node: str
    name: str
    address: int
    key_id: int
    key: bytes = field(repr=False)
    board: str

    def identity(self, release_key: bytes) -> dict[str, object]:
        """What it is told of itself at flashing, with the modulus of the trusted release key."""
        return {
            "id": bytes.fromhex(self.node),
            "board": self.board,
            "address": self.address,
            "keys": {self.key_id: self.key},
            "release_key": release_key,
        }

    def gateway_section(self, bus: str) -> str:
        """Its ``[[lamppost]]`` section of a gateway's configuration file."""
        # A JSON string of printable characters is a TOML one, but for escaped pairs.
        name = json.dumps(self.name, ensure_ascii=False)
        return (
            f'[[lamppost]]\nid = "{self.node}"\nname = {name}\nbus = "{bus}"\n'
            f'address = {self.address}\nkey = "{self.key.hex()}"\nkey_id = {self.key_id}\n'
        )

    def label(self) -> str:
        """The text of the QR code on its label, by which a gateway adopts it; it holds the key."""
        return f"LAMPLIGHTER:1:{self.node}:{self.key_id}:{self.key.hex()}".upper()
