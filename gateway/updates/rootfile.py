"""The root metadata that a gateway is given at its commissioning: whose signatures count."""

# python-tuf documents these names here, and does not mark them as exported.
# pyright: reportPrivateImportUsage=false
from __future__ import annotations

from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

LARGEST_ROOT = 65_536


def read_root(path: Path) -> bytes:
    """The root metadata in the file `path`, any version of it, expired or not.

    Raises:
        OSError: it cannot be read.
        ValueError: it is none, or not signed as it says itself.
    """
    with path.open("rb") as file:
        data = file.read(LARGEST_ROOT + 1)
    check_root(data)
    return data


def check_root(data: bytes) -> None:
    """Raise ValueError, which says what it is, unless `data` is root metadata signed by itself."""
    if len(data) > LARGEST_ROOT:
        raise ValueError(f"it has more than {LARGEST_ROOT} bytes")
    try:
        metadata = Metadata[Root].from_bytes(data)
        if metadata.signed.type != Root.type:
            raise ValueError(f"it is {metadata.signed.type} metadata")
        metadata.signed.verify_delegate(Root.type, metadata.signed_bytes, metadata.signatures)
    except RepositoryError as error:
        raise ValueError(f"it is none: {error}") from error
