"""Whether a part answers and can be believed, said once per change, and when to try it again."""

from protocol import records

_FIRST_MS = 1000
_LAST_MS = 60000


class Health:
    """Health of the part behind records of `kind`.

    log: `append(kind, *values)`. `healthy` is False until the part has answered once; a part that
    is silent from the start is reported lost like one that falls silent. Only a sound reading ends
    what was told: lost, or suspect, which is one that says what cannot be.
    """

    def __init__(self, kind, log):
        self._kind = kind
        self._log = log
        self._told_lost = False
        self._told_suspect = False
        self._backoff = _FIRST_MS
        self.healthy = False
        self.losses = 0

    def answered(self):
        """The part gave a sound reading."""
        self.healthy = True
        self._backoff = _FIRST_MS
        if self._told_lost or self._told_suspect:
            self._told_lost = self._told_suspect = False
            self._log.append(records.EVENT, records.EVENT_SENSOR_BACK, self._kind)

    def lost(self):
        """The part is silent; returns ms until it is worth another try.

        1 s at first, twice as long each time, at most a minute, until it answers.
        """
        self.healthy = False
        if not self._told_lost:
            self._told_lost = True
            self.losses += 1
            self._log.append(records.EVENT, records.EVENT_SENSOR_LOST, self._kind)
        return self._wait()

    def suspect(self):
        """The part babbles, freezes or lies out of range; returns ms like `lost`."""
        self.healthy = False
        if not self._told_suspect:
            self._told_suspect = True
            self._log.append(records.EVENT, records.EVENT_SENSOR_SUSPECT, self._kind)
        return self._wait()

    def _wait(self):
        wait = self._backoff
        self._backoff = min(2 * wait, _LAST_MS)
        return wait
