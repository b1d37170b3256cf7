"""What a lamppost shows to the gateway's broker.

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


def _derive(secret: bytes, purpose: bytes, size: int) -> bytes:
    return HKDF(hashes.SHA256(), size, None, _INFO + purpose).derive(secret)
