"""What a person has to see to: raised once, said until it is over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from gateway.clock import StreetClock
from gateway.logs import Logger

Severity = Literal["warning", "critical"]
# Far more than there are parts that raise any; a bound for the retained status document.
_MOST = 50
# Of one name: who answers at many addresses of a bus must not keep other alarms out.
_MOST_OF_ONE = 10
_LONGEST = 300


@dataclass(frozen=True)
class Alarm:
    """One thing to see to.

    Attributes:
        name: which one it is, such as ``certificate_expiry``.
        subject: what it is about, such as the file; "" when there is only one.
        severity: warning or critical.
        text: what was found and what to do.
        since: street time, Unix seconds; 0 when it was not known.
    """

    name: str
    subject: str
    severity: Severity
    text: str
    since: int

    def document(self) -> dict[str, str | int]:
        """As it stands in the status document."""
        return {
            "name": self.name,
            "subject": self.subject,
            "severity": self.severity,
            "text": self.text,
            "since": self.since,
        }


class Alarms:
    """The alarms there are. `changed` is set whenever they do; whoever publishes them clears it."""

    def __init__(self, clock: StreetClock, log: Logger) -> None:
        self._clock = clock
        self._log = log
        self._raised: dict[tuple[str, str], Alarm] = {}
        # Names of which more came than there was room for.
        self._crowded: set[str] = set()
        self.changed = asyncio.Event()

    def set(self, name: str, text: str, severity: Severity = "warning", subject: str = "") -> None:
        """Raise an alarm, or say anew what one is about; its `since` stays."""
        known = self._raised.get((name, subject))
        if known is None and not self._room(name):
            say = self._log.debug if name in self._crowded else self._log.error
            self._crowded.add(name)
            say("too many alarms; those of this name are only logged", alarm=name, text=text)
            return
        since = self._clock.now() if known is None else known.since
        alarm = Alarm(name, subject, severity, text[:_LONGEST], since)
        if alarm == known:
            return
        self._raised[name, subject] = alarm
        self.changed.set()
        if known is None or known.severity != severity:
            say = self._log.error if severity == "critical" else self._log.warning
            say("alarm", alarm=name, subject=subject, text=alarm.text)

    def _room(self, name: str) -> bool:
        of_one = sum(known == name for known, _ in self._raised)
        return of_one < _MOST_OF_ONE and len(self._raised) < _MOST

    def over(self, name: str, subject: str = "") -> None:
        """It has been seen to."""
        if self._raised.pop((name, subject), None) is not None:
            self._crowded.discard(name)
            self.changed.set()
            self._log.info("alarm over", alarm=name, subject=subject)

    def over_but(self, name: str, subjects: set[str]) -> None:
        """All alarms `name` about anything but `subjects` have been seen to."""
        for known, subject in list(self._raised):
            if known == name and subject not in subjects:
                self.over(name, subject)

    @property
    def raised(self) -> list[Alarm]:
        """What there is, the worst first."""
        return sorted(
            self._raised.values(), key=lambda alarm: (alarm.severity, alarm.name, alarm.subject)
        )

    async def publish(self, status: Callable[[], Awaitable[None]]) -> None:
        """Have `status` tell of them whenever they change, until cancelled or it raises."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            await status()

    def documents(self) -> list[dict[str, str | int]]:
        """For the status document."""
        return [alarm.document() for alarm in self.raised]
