"""What a lamppost shows to the gateway's broker, and how it comes to it.

The password is derived from the lamppost's own key by HKDF (RFC 5869). So nothing more is kept, and
nothing can be lost but with the key; who takes one lamppost apart has the key that its password
came from and no other; who reads the broker's files learns no key. A lamppost whose key changes has
another password: give it the network again before the old key is forgotten.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from smp.settings_management import CommitSettingsRequest, WriteSettingRequest

from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.management import FLASH_PATIENCE_S
from gateway.lampposts.turns import Traffic
from protocol import cbor, network

_PASSWORD_BYTES = 24
_INFO = b"lamplighter local network "
# Of mosquitto's own hash. Guessing 192 random bits needs no slowing down.
_ITERATIONS = 101
_SALT_BYTES = 12


def password(node: bytes, key: bytes) -> str:
    """The password of the lamppost `node` (6 bytes) with `key` (16 bytes): 32 characters."""
    return base64.urlsafe_b64encode(_derive(key, b"password " + node, _PASSWORD_BYTES)).decode()


def hashed(user: str, secret: str) -> str:
    """`secret` as mosquitto's password file has it: PBKDF2 with SHA-512, its type 7.

    The salt depends on both and on nothing else, so that a file which says the same is the same.
    """
    salt = _derive(secret.encode(), b"salt " + user.encode(), _SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, _ITERATIONS)
    fields = (str(_ITERATIONS), base64.b64encode(salt).decode(), base64.b64encode(digest).decode())
    return "$7$" + "$".join(fields)


async def give_network(lamppost: Lamppost, document: bytes, *, switch_on: bool = True) -> None:
    """Write the network `document` (of protocol.network) to `lamppost`, sealed, by any link it has.

    switch_on: whether to turn its local network on as well; otherwise the configuration that the
    city desires has to say so. Raises as Session.ask does, NodeRefused with the lamppost's reason.
    """
    await _write(lamppost, network.NAME, document)
    if switch_on:
        await _write(lamppost, "link/lan", cbor.dumps(1))
        await lamppost.session.ask(
            bytes(CommitSettingsRequest(sequence=0)),
            Traffic.TRANSFER,
            patience_s=FLASH_PATIENCE_S,
        )


async def _write(lamppost: Lamppost, name: str, value: bytes) -> None:
    request = WriteSettingRequest(name=name, val=value, sequence=0)
    await lamppost.session.ask(bytes(request), Traffic.TRANSFER, patience_s=FLASH_PATIENCE_S)


def _derive(secret: bytes, purpose: bytes, size: int) -> bytes:
    return HKDF(hashes.SHA256(), size, None, _INFO + purpose).derive(secret)
