"""A period of street time after which a sampler writes its record."""

from protocol import configuration

_LONGEST = 86400  # what a record can say


class Period:
    """The running period of one sampler.

    clock: `uptime()` in street seconds, which no setting of the clock moves. settings: `.values`.
    name: the field that holds its length in s, such as "air/period".
    """

    def __init__(self, clock, settings, name):
        self._clock = clock
        self._settings = settings
        self._name = name
        self._began = clock.uptime()

    @property
    def elapsed(self):
        """Seconds since it began."""
        return self._clock.uptime() - self._began

    @property
    def length(self):
        """Seconds it should last; the default where the settings hold nothing usable."""
        length = self._settings.values.get(self._name)
        # The settings were validated: only what is no length at all is looked up.
        if isinstance(length, int) and 0 < length <= _LONGEST:
            return length
        return configuration.defaults()[self._name]

    def over(self):
        """Whether it has lasted."""
        return self.elapsed >= self.length

    def restart(self):
        """Begin the next one now; returns how long this one was, 1..86400 s."""
        now = self._clock.uptime()
        lasted = now - self._began
        self._began = now
        return max(1, min(_LONGEST, lasted))
