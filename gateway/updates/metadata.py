"""Release metadata fetched and verified whole, by python-tuf's client (ngclient).

Signatures and their thresholds, versions that go back, expiry, and metadata that does not belong
together: The Update Framework Specification 1.0, section 5. What is verified is kept in a folder,
so that no older state is believed after a restart either.

The clock. Expiry goes by the system's clock, machine time and not the street's. A Pi without a
battery for its clock may start years in the past, where what has expired would look fresh. So
nothing counts as fresh while the clock shows less than `EARLIEST_PLAUSIBLE`, or less than the time
at which the newest timestamp metadata seen was signed (which it states): updates wait for the time.
Of two clocks that agree with both, none can be told from the other: who keeps a gateway from the
time as well as from new metadata can hold it where it is, and no more.
"""

# python-tuf documents these names here, and does not mark them as exported.
# pyright: reportPrivateImportUsage=false
from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from gateway.clock import EARLIEST_PLAUSIBLE
from gateway.updates.catalogue import Catalogue, read
from gateway.updates.rootfile import LARGEST_ROOT
from gateway.updates.trusted import TrustUnavailable

LARGEST_TARGETS = 1_000_000
_LIMITS = UpdaterConfig(
    max_root_rotations=64,
    max_delegations=0,
    root_max_length=LARGEST_ROOT,
    timestamp_max_length=16_384,
    snapshot_max_length=65_536,
    targets_max_length=LARGEST_TARGETS,
)
# In the timestamp metadata, Unix seconds; any repository may leave it out.
_SIGNED_AT = "x-lamplighter-signed"
_LATEST = 4_102_444_800  # 2100-01-01: what states a later time states none
# Two clocks that are both right may differ by this, s.
_TOLERANCE_S = 300
_LONGEST_REASON = 300


class _Client(Updater):
    """python-tuf's client, at a time of ours, giving what it has verified."""

    def at(self, now: float) -> None:
        # ngclient has no argument for the time; this attribute is where it keeps it.
        self._trusted_set.reference_time = datetime.fromtimestamp(now, UTC)

    def catalogue(self) -> Catalogue:
        trusted = self._trusted_set
        roles = (trusted.root, trusted.timestamp, trusted.snapshot, trusted.targets)
        signed = trusted.timestamp.unrecognized_fields.get(_SIGNED_AT)
        return read(
            trusted.targets.targets.values(),
            min(role.expires for role in roles),
            signed if type(signed) is int and 0 < signed < _LATEST else 0,
        )


def refresh(
    root: bytes, folder: Path, base_url: str, fetcher: FetcherInterface, now: float
) -> Catalogue:
    """Fetch what is new, verify it, and give what it names. Blocks while it is fetched.

    Args:
        root: the root metadata that this gateway was given at its commissioning.
        folder: where verified metadata is kept; nobody else writes there.
        base_url: where the metadata is, as `fetcher` understands it.
        fetcher: how it is fetched.
        now: the system's time, Unix seconds.

    Raises:
        TrustUnavailable: it cannot be had, does not verify, or is not current; says which.
    """
    check_clock(now, 0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        client = _Client(str(folder), base_url, fetcher=fetcher, config=_LIMITS, bootstrap=root)
        client.at(now)
        client.refresh()
        catalogue = client.catalogue()
    except (RepositoryError, DownloadError, OSError) as error:
        raise TrustUnavailable(_why(error, now)[:_LONGEST_REASON]) from error
    check_clock(now, catalogue.signed)
    return catalogue


def check_clock(now: float, signed: int) -> None:
    """Raise TrustUnavailable when `now` cannot be the time: metadata of `signed` has been seen."""
    least = max(EARLIEST_PLAUSIBLE, signed - _TOLERANCE_S)
    if now < least:
        raise TrustUnavailable(
            f"this gateway's clock shows {_text(now)} and cannot be right: it is after "
            f"{_text(least)}; updates wait until the clock is set (NTP)"
        )


def _why(error: Exception, now: float) -> str:
    match error:
        case ExpiredMetadataError():
            return (
                f"the signed release metadata has expired ({error}; the clock here shows "
                f"{_text(now)}); at the desk: lamplighter release refresh"
            )
        case UnsignedMetadataError():
            return f"release metadata is not signed as this gateway's root asks: {error}"
        case BadVersionNumberError():
            return f"release metadata goes back to what was before: {error}"
        case DownloadLengthMismatchError():
            return f"release metadata is too large: {error}"
        case DownloadError():
            return f"release metadata does not come: {error.__cause__ or error}"
        case OSError():
            return f"release metadata cannot be kept: {error}"
        case _:
            return f"release metadata cannot be used: {error}"


def _text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
