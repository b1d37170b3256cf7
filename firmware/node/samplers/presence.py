"""Presence: whether somebody is near, told to the lamp and to nobody else.

Nothing of it is written down, counted or sent: when somebody came by is theirs.
"""

import asyncio
import time

from protocol import records

from .health import Health
from .pause import pause

_POLL_MS = 50
_AGAIN_MS = 1000  # the lamp holds for seconds: so often it hears that somebody is still there
_SILENT_MS = 5000  # a part that says nothing for so long is lost
_BETWEEN_MS = 60  # between two commands to it


def make(code, board):
    """The part of parts/presence `code`, with its driver, imported now and not before."""
    from .. import parts

    if code == parts.LD2410:
        from ..drivers.ld2410 import Ld2410

        return Ld2410(board.radar_uart())
    from ..drivers.pir import PirPair

    return PirPair(*board.pir_pins())


class PresenceSampler:
    """The task of a presence part.

    part: `wake(step)` sends it command `step` and says whether there was one; `poll(now)` gives
    True or False, or None when it has said nothing. What hangs it takes for nobody, and is
    `suspect` for, lest the light never goes back; `rejected` counts what it said that was none of
    this. seen: called at most once a second while somebody is there. Presence has no records: its
    events carry the kind LAMP, whose level it decides.
    """

    def __init__(self, part, seen, log):
        self._part = part
        self._seen = seen
        self._health = Health(records.LAMP, log)
        self.port_failures = 0

    @property
    def healthy(self):
        """Whether the part says what can be."""
        return self._health.healthy

    async def run(self, check_in):
        """Watch the part; begin anew whenever it falls silent."""
        while True:
            rejected = self._part.rejected
            try:
                step = 0
                while self._part.wake(step):
                    step += 1
                    await pause(_BETWEEN_MS, check_in)
                rejected = await self._watch(check_in)
            except OSError:
                self.port_failures += 1  # as good as silence
                rejected = self._part.rejected
            babble = self._part.rejected != rejected
            await pause(self._health.suspect() if babble else self._health.lost(), check_in)

    async def _watch(self, check_in):
        """Listen until it has been silent too long; how much was rejected when it last was not."""
        part = self._part
        heard = time.ticks_ms()
        told = None
        rejected = part.rejected
        while True:
            check_in()
            now = time.ticks_ms()
            present = part.poll(now)
            if present is not None:
                heard = now
                rejected = part.rejected
                if part.suspect:
                    self._health.suspect()
                else:
                    self._health.answered()
            elif time.ticks_diff(now, heard) >= _SILENT_MS:
                return rejected
            if present and (told is None or not 0 <= time.ticks_diff(now, told) < _AGAIN_MS):
                told = now
                self._seen()
            await asyncio.sleep_ms(_POLL_MS)
