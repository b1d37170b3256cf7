"""The keys that sign release metadata (TUF): Ed25519, one PEM file each, in a folder of their own.

A file is named after its role and the first characters of its key id, so that a key that takes
another's place stands beside it: which of them counts, the root metadata says.
"""

# securesystemslib documents its signers here, and does not mark them as exported.
# pyright: reportPrivateImportUsage=false
import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner

from fleet_cli.errors import BadInput, Failed, reason_of

ROLES: Final = ("root", "targets", "snapshot", "timestamp")
"""The top-level roles of TUF, in the order in which one vouches for the next."""

_ID_CHARACTERS: Final = 12
_LARGEST: Final = 16_384


class RoleKeys:
    """The private keys in `folder`.

    Args:
        folder: made with the first key; nothing else belongs there.
        passphrase: what the files are encrypted with, None for files that are not.
    """

    def __init__(self, folder: Path, passphrase: bytes | None = None) -> None:
        self.folder = folder
        self._passphrase = passphrase

    @property
    def encrypted(self) -> bool:
        """Whether what is written is encrypted."""
        return self._passphrase is not None

    @property
    def any(self) -> bool:
        """Whether there is a key of any role."""
        return any(self._files(role) for role in ROLES)

    def generate(self, role: str) -> CryptoSigner:
        """A new key of `role`, written so that only its owner can read it.

        Raises:
            Failed: it could not be written.
        """
        signer = CryptoSigner.generate_ed25519()
        keyid = signer.public_key.keyid
        path = self.folder / f"{role}-{keyid[:_ID_CHARACTERS]}.pem"
        encryption = (
            NoEncryption()
            if self._passphrase is None
            else BestAvailableEncryption(self._passphrase)
        )
        private = load_pem_private_key(signer.private_bytes, None)
        data = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Never readable by others, not even for the moment before a chmod.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Failed(f"{path}: the key could not be written: {reason_of(error)}") from error
        return signer

    def signers(self, role: str, keyids: Collection[str]) -> list[CryptoSigner]:
        """Those of the keys `keyids` of `role` that are here; each key once.

        Raises:
            BadInput: a file cannot be used: others may read it, or it takes another passphrase.
        """
        found: dict[str, CryptoSigner] = {}
        names = {f"{role}-{keyid[:_ID_CHARACTERS]}.pem" for keyid in keyids}
        for path in self._files(role):
            if path.name not in names:
                continue
            signer = self._load(path)
            if signer.public_key.keyid in keyids:
                found[signer.public_key.keyid] = signer
        return list(found.values())

    def _files(self, role: str) -> list[Path]:
        return sorted(self.folder.glob(f"{role}-*.pem"))

    def _load(self, path: Path) -> CryptoSigner:
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                data = file.read(_LARGEST)
        except OSError as error:
            raise BadInput(f"{path}: cannot be read: {reason_of(error)}") from error
        if mode & 0o077:
            raise BadInput(f"{path}: others may read this key; run: chmod 600 {path}")
        try:
            return CryptoSigner(load_pem_private_key(data, self._passphrase))
        except TypeError as error:
            # The library's way to say that a passphrase is missing, or that none is needed.
            needed = "is not encrypted; leave" if self._passphrase else "is encrypted; give"
            raise BadInput(f"{path}: {needed} --passphrase-file") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            why = "or the passphrase is another" if self._passphrase else "and this is none"
            raise BadInput(f"{path}: expected an Ed25519 key as a PEM file, {why}") from error
