"""Whether this machine knows the time: the kernel's word, the last run's, the RTC's."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path

from gateway.cabinet.findings import Finding, fail, ok, warn
from gateway.clock import EARLIEST_PLAUSIBLE
from gateway.data_dir import DATABASE

_RTC = Path("/sys/class/rtc")
# adjtimex(2): the clock is not synchronised.
_TIME_ERROR = 5
_TIMEX_SIZE = 256  # more than struct timex has on any machine
_MOST_ERROR_S = 5.0
# The database is written every half a minute; more than this in the future is no rounding.
_FUTURE_S = 120.0
_RTC_OFF_S = 120
_HOUR_S = 3600
_ABOUT = "clock"


class _Timex(ctypes.Structure):
    """The beginning of struct timex, up to what is read here."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),  # microseconds
        ("rest", ctypes.c_char * _TIMEX_SIZE),
    )


def synchronised() -> tuple[bool, float] | None:
    """(whether the kernel's clock is kept by NTP, s it may be off); None where it does not tell."""
    asked = _Timex()
    state: int = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    if state < 0:
        return None
    return state != _TIME_ERROR, asked.maxerror / 1e6


def kept_by_ntp() -> bool:
    """Whether a time server keeps the clock, as far as the kernel tells."""
    told = synchronised()
    return told is not None and told[0]


def check(data_dir: Path, rtc: Path = _RTC, now: float | None = None) -> list[Finding]:
    """Look at the clock. now: Unix seconds, None for the system's."""
    unix = time.time() if now is None else now
    return [_plausible(unix), *_kept(), *_since_last_run(data_dir, unix), _rtc(rtc, unix)]


def _plausible(unix: float) -> Finding:
    said = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(unix))
    if unix < EARLIEST_PLAUSIBLE:
        return fail(
            _ABOUT,
            f"{said} is before this software was written",
            "give the machine NTP (timedatectl set-ntp true) and a network; lampposts get no time "
            "until then",
        )
    return ok(_ABOUT, said)


def _kept() -> list[Finding]:
    told = synchronised()
    if told is None:
        return [warn(_ABOUT, "the kernel does not tell whether NTP keeps it", "run timedatectl")]
    kept, off_s = told
    if not kept:
        return [
            warn(
                _ABOUT,
                "not synchronised with NTP",
                "sudo timedatectl set-ntp true; see `timedatectl timesync-status` for the server",
            )
        ]
    if off_s > _MOST_ERROR_S:
        return [
            warn(
                _ABOUT,
                f"kept by NTP, but may be off by {off_s:.0f} s: no server has answered for long",
                "look at the network and at `timedatectl timesync-status`",
            )
        ]
    return [ok(_ABOUT, f"kept by NTP, within {off_s:.3f} s")]


def _since_last_run(data_dir: Path, unix: float) -> list[Finding]:
    written = 0.0
    for name in (DATABASE, f"{DATABASE}-wal"):
        try:
            written = max(written, os.stat(data_dir / name).st_mtime)
        except OSError:
            continue  # not there yet, or not for this user
    ahead = written - unix
    if ahead <= _FUTURE_S:
        return []
    hours = ahead / _HOUR_S
    return [
        fail(
            _ABOUT,
            f"the database was last written {hours:.1f} h in the future: the clock was set back, "
            "or was ahead then",
            "see which of the two it is (date); readings carry the lampposts' own time",
        )
    ]


def _rtc(folder: Path, unix: float) -> Finding:
    clocks = sorted(folder.iterdir()) if folder.is_dir() else []
    for clock in clocks:
        try:
            off = int((clock / "since_epoch").read_text(encoding="ascii")) - unix
        except (OSError, ValueError):
            continue  # one that was never set cannot be read
        if abs(off) > _RTC_OFF_S:
            return warn(
                "RTC",
                f"{clock.name} is off by {off:.0f} s",
                "look at its battery; sudo hwclock --systohc sets it",
            )
        return ok("RTC", f"{clock.name} agrees")
    return warn(
        "RTC",
        "none that keeps time" if clocks else "none",
        "after a power cut the time is unknown until NTP answers: fit one with a battery (on a "
        "Pi 5 the J5 battery), or be sure of the network",
    )
