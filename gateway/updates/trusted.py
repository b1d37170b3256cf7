"""What the city's signed release metadata says of an image, and how it is asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.errors import GatewayError


class NotTrusted(GatewayError):
    """The signed metadata, current and whole, does not allow it. Final: waiting changes nothing."""


class TrustUnavailable(GatewayError):
    """There is no current signed metadata now (not there, expired, or does not verify).

    Nothing is relayed, and nothing has failed: the update waits and asks again.
    """


@dataclass(frozen=True)
class Delta:
    """A delta that makes a trusted image of a release that runs.

    Attributes:
        base_hash: MCUboot's hash of the release that has to run, 64 hexadecimal characters.
        sha256: of the delta's file, hexadecimal; its name at the broker.
        size: bytes of the delta's file.
    """

    base_hash: str
    sha256: str
    size: int


@dataclass(frozen=True)
class TrustedImage:
    """An image that the city's signed metadata names.

    Attributes:
        sha256: of the image's file, hexadecimal; its name at the broker.
        size: bytes of the file.
        hash: MCUboot's hash of the release, hexadecimal.
        board: the board id it is for.
        version: such as "1.4.0".
        security_counter: lampposts with a higher one refuse it.
        deltas: those that make it, the smallest first.
    """

    sha256: str
    size: int
    hash: str
    board: str
    version: str
    security_counter: int
    deltas: tuple[Delta, ...] = ()


class Trust(Protocol):
    """Asked before anything of a release is relayed to a lamppost."""

    async def release(self, image_sha256: str) -> TrustedImage:
        """What the current metadata says of the image whose file has this SHA-256 (hexadecimal).

        Cheap to ask again: metadata that is still fresh is not fetched anew.

        Raises:
            NotTrusted: it is no target; final.
            TrustUnavailable: nothing can be said now; ask again later.
        """
        ...
