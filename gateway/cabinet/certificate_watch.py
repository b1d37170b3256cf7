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
from gateway.clock import StreetClock

EXPIRY, UNUSABLE = "certificate_expiry", "certificate_unusable"
_LOOK_S = 3600.0


class CertificateWatch:
    """Looks at the files that `files` gives, which is asked each time: a reload may name others.

    Attributes:
        expires: Unix seconds by file, of those that could be read.
    """

    def __init__(
        self, files: Callable[[], Sequence[CertificateFile]], alarms: Alarms, clock: StreetClock
    ) -> None:
        self._files = files
        self._alarms = alarms
        self._clock = clock
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
                self._alarms.set(EXPIRY, _text(certificate, left), _severity(left), name)
        self._alarms.over_but(UNUSABLE, unusable)
        self._alarms.over_but(EXPIRY, ending)
        self.expires = expires


def _severity(left: float) -> Severity:
    return "critical" if left <= 0 else "warning"


def _text(certificate: CertificateFile, left: float) -> str:
    when = f"expires in {left:.0f} days" if left > 0 else "has expired"
    return f"{certificate.file} ({certificate.use}) {when}: put a new one in its place"
