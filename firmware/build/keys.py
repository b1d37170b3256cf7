"""Release keys: RSA-3072, in PEM files as `imgtool` reads and writes them."""

# imgtool carries no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import hashlib
import os
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from imgtool import keys as imgtool_keys

from firmware.build.errors import BuildError

KEY_BITS = 3072
MODULUS_SIZE = KEY_BITS // 8


class PublicKey:
    """A key that releases are verified with."""

    def __init__(self, key: Any) -> None:
        self._key = key

    @property
    def modulus(self) -> bytes:
        """The modulus, 384 bytes big endian, as an identity holds it (the exponent is 65537)."""
        public: RSAPublicKey = self._key._get_public()
        return public.public_numbers().n.to_bytes(MODULUS_SIZE, "big")

    @property
    def key_hash(self) -> bytes:
        """SHA-256 of the public key in PKCS #1 DER form: MCUboot's key hash TLV, 32 bytes."""
        return hashlib.sha256(self._key.get_public_bytes()).digest()

    def verifies(self, signature: bytes, data: bytes) -> bool:
        """Whether `signature` (RSASSA-PSS, SHA-256) is this key's over `data`."""
        try:
            self._key.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def write_public(self, path: Path) -> None:
        """Write the public half as PEM."""
        path.write_bytes(self._key.get_public_pem())


class PrivateKey(PublicKey):
    """A key that releases are signed with."""

    def sign(self, data: bytes) -> bytes:
        """The signature (RSASSA-PSS, SHA-256, salt of 32 bytes) over `data`, 384 bytes."""
        return self._key.sign(data)


def generate_key(path: Path) -> PrivateKey:
    """Make a release key and write it to `path`, readable by its owner alone.

    Raises:
        BuildError: there is a file already, or it cannot be written.
    """
    key = imgtool_keys.RSA.generate(KEY_BITS)
    try:
        # Never readable by others, not even for the moment before a chmod.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(descriptor)
        key.export_private(str(path))
    except FileExistsError as error:
        raise BuildError(f"{path} is there already; name another file for the new key") from error
    except OSError as error:
        raise BuildError(f"the key cannot be written: {error}") from error
    return PrivateKey(key)


def load_key(path: Path) -> PrivateKey:
    """The private release key in `path`.

    Raises:
        BuildError: no RSA-3072 private key there, or others may read the file.
    """
    key = _load(path)
    if not hasattr(key, "sign"):
        raise BuildError(f"{path} holds a public key; signing needs the private one")
    if path.stat().st_mode & 0o077:
        raise BuildError(f"{path} can be read by others; chmod 600 it")
    return PrivateKey(key)


def load_public_key(path: Path) -> PublicKey:
    """The public release key in `path`, which may hold the private one too.

    Raises:
        BuildError: no RSA-3072 key there.
    """
    return PublicKey(_load(path))


def _load(path: Path) -> Any:
    try:
        key = imgtool_keys.load(str(path))
    except OSError as error:
        raise BuildError(
            f"expected an RSA-3072 key in {path}, which cannot be read: {error.strerror}"
        ) from error
    except ValueError as error:
        raise BuildError(f"expected an RSA-3072 key in {path}, which is no PEM file") from error
    except Exception as error:  # imgtool raises plain Exception for other sizes
        raise BuildError(f"expected an RSA-3072 key in {path}, got {error}") from error
    if key is None:
        raise BuildError(f"{path} is protected by a password; give one without")
    if not isinstance(key, imgtool_keys.RSAPublic) or key.key_size() != KEY_BITS:
        raise BuildError(f"expected an RSA-3072 key in {path}, got {type(key).__name__}")
    return key
