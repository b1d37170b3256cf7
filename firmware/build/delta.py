"""Deltas: what nodes need that run one release already to get to another.

The patch is `detools`' sequential one over the two ROMFS images, without its compression; a raw
deflate with the window that a node can afford goes around it.
"""

# detools carries no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
import hashlib
import io

import detools

from firmware.build import payload
from firmware.build.errors import BuildError
from firmware.build.image import enclose, inspect, romfs_of
from protocol import image as layout


def build_delta(base: bytes, result: bytes) -> bytes:
    """An unsigned image that makes the release `result` of the release `base`.

    It carries version, board and security counter of `result`, and a node that has taken it says
    that it runs `result`. It is to be signed as a release is.

    Args:
        base: the signed file of the release that nodes run.
        result: the signed file of the release that they are to run.

    Raises:
        BuildError: either is no whole release, they are for two boards or are the same, or the
            delta is no smaller than `result` itself.
    """
    old, new = inspect(base), inspect(result)
    if old.board != new.board:
        raise BuildError(f"expected releases for one board, got {old.board} and {new.board}")
    if old.image_hash == new.image_hash:
        raise BuildError(f"expected two releases, got version {old.version} twice")
    base_romfs, base_sha = romfs_of(base)
    result_romfs, result_sha = romfs_of(result)
    body = layout.delta_preface(old.image_hash, new.image_hash)
    body += payload.deflated(patch(base_romfs, result_romfs))
    unsigned = enclose(
        body,
        {
            layout.TLV_PAYLOAD: layout.payload_description(
                len(result_romfs), result_sha, layout.DELTA
            ),
            layout.TLV_DELTA: layout.delta_description(
                old.image_hash,
                len(base_romfs),
                base_sha,
                new.image_hash,
                hashlib.sha256(result).digest(),
            ),
        },
        new.version,
        new.board,
        new.security_counter,
    )
    if len(unsigned) >= len(result):
        raise BuildError(
            f"the delta has {len(unsigned)} bytes, the whole release {len(result)}: send that"
        )
    return unsigned


def patch(base: bytes, result: bytes) -> bytes:
    """A sequential patch without compression from `base` to `result`."""
    made = io.BytesIO()
    detools.create_patch(
        io.BytesIO(base),
        io.BytesIO(result),
        made,
        compression="none",
        patch_type="sequential",
        use_mmap=False,
    )
    return made.getvalue()
