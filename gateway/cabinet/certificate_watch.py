"""The alarm before a certificate expires: looked at every hour, told until it is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from gateway.alarms import Alarms, Severity
from gateway.cabinet.certificates import (
    WARN_DAYS,
    CertificateFile,
    CertificateUnusable,
    days_left,
    expires_at,
)
from gateway.cabinet.clock_state import kept_by_ntp
from gateway.clock import StreetClock

EXPIRY, UNUSABLE = "certificate_expiry", "certificate_unusable"
_LOOK_S = 3600.0


class CertificateWatch:
    """Looks at the files that `files` gives, which is asked each time: a reload may name others.

    kept: whether a time server keeps the machine's clock. By one that none keeps, which may be off
    by years, a certificate is not declared expired: that is a warning that says so.

    Attributes:
        expires: Unix seconds by file, of those that could be read.
    """

    def __init__(
        self,
        files: Callable[[], Sequence[CertificateFile]],
        alarms: Alarms,
        clock: StreetClock,
        kept: Callable[[], bool] = kept_by_ntp,
    ) -> None:
        self._files = files
        self._alarms = alarms
        self._clock = clock
        self._kept = kept
        self.expires: dict[str, int] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_LOOK_S)

    def look(self) -> None:
        """Look at each file, and raise or end its alarms."""
        now = self._clock.now()
        expires: dict[str, int] = {}
        unusable: set[str] = set()
        ending: set[str] = set()
        for certificate in self._files():
            name = str(certificate.file)
            try:
                expires[name] = at = expires_at(certificate)
            except CertificateUnusable as error:
                unusable.add(name)
                self._alarms.set(UNUSABLE, str(error), "critical", name)
                continue
            left = days_left(at, now)
            # Without a time nothing can be said of it.
            if now and left <= WARN_DAYS:
                ending.add(name)
                text, severity = _judged(certificate, left, kept=left > 0 or self._kept())
                self._alarms.set(EXPIRY, text, severity, name)
        self._alarms.over_but(UNUSABLE, unusable)
        self._alarms.over_but(EXPIRY, ending)
        self.expires = expires


def _judged(certificate: CertificateFile, left: float, *, kept: bool) -> tuple[str, Severity]:
    """What is said of one with `left` days, and how loud."""
    which = f"{certificate.file} ({certificate.use})"
    if left > 0:
        return f"{which} expires in {left:.0f} days: put a new one in its place", "warning"
    if not kept:
        return (
            f"{which} has expired, by a clock that no time server keeps: give the machine NTP, "
            "then see whether it has",
            "warning",
        )
    return f"{which} has expired: put a new one in its place", "critical"
