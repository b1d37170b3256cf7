"""People passing under a sensor that looks at two zones in turn, A before B on the way *towards*.

Somebody who passes covers one zone, then both, then only the other: none, A, A and B, B, none. As
one look changes one zone, both were covered in between whenever the first and the last zone covered
alone differ; that they differ is what counts. So turning back, coming from and leaving to the same
side, is nobody, however long it took. Two people within an arm's length of each other pass as one:
infra-red counters do no better.
"""

A = 0
B = 1
TOWARDS = 1
AWAY = -1

_BOTH = 3


class Zone:
    """One zone's judgement of its distances.

    The pavement is the farthest distance seen eight times in a row; what comes nearer than 80 % of
    that is somebody, so snow or a kerb is not. No target within range is an empty zone as well.
    """

    _NEAREST = 1500  # mm: nearer than this is somebody before any pavement was seen
    _FARTHEST = 4000  # mm: the sensor's range
    _SIGHTINGS = 8  # one stray reading must not raise the pavement's threshold above the pavement

    def __init__(self):
        self.occupied = False
        self.floor = 0  # mm
        self._sightings = 0
        self._candidate = 0  # mm, the nearest of them

    def relearn(self):
        """Forget the pavement: something stands on it that may stay."""
        self.floor = 0
        self._sightings = 0

    def look(self, valid, distance):
        """Take one ranging result, in mm; returns whether somebody is there."""
        if not valid:
            self._sightings = 0
            self.occupied = False
            return False
        self._learn(min(distance, self._FARTHEST))
        self.occupied = distance < max(self._NEAREST, self.floor * 4 // 5)
        return self.occupied

    def _learn(self, distance):
        if distance <= self.floor:
            self._sightings = 0
            return
        self._candidate = min(self._candidate, distance) if self._sightings else distance
        self._sightings += 1
        if self._sightings >= self._SIGHTINGS:
            self.floor = self._candidate
            self._sightings = 0


class Passage:
    """The path of whoever is below.

    stuck_ms: after so long without both zones empty there is no path any more, and nothing is
    counted until they were: something is parked there, not passing.
    """

    def __init__(self, stuck_ms=60000):
        self._stuck_ms = stuck_ms
        self._covered = 0  # bit per zone
        self._began = 0
        self._entered = None  # zone first covered alone
        self._last = None  # zone last covered alone
        self.blocked = False

    def update(self, zone, occupied, elapsed):
        """Zone A or B was looked at, at `elapsed` ms of any running time.

        Returns TOWARDS or AWAY when this completes a passage, else 0.
        """
        bit = 1 << zone
        covered = self._covered | bit if occupied else self._covered & ~bit
        if covered and not self._covered:
            self._began = elapsed
            self._entered = zone
        self._covered = covered
        if covered and elapsed - self._began >= self._stuck_ms:
            self.blocked = True
        if not covered:
            return self._leave()
        if covered != _BOTH:
            self._last = A if covered == 1 << A else B
        return 0

    def reset(self):
        """Forget a path that could not be followed to its end."""
        self._covered = 0
        self._entered = None
        self.blocked = False

    def _leave(self):
        """Both zones are empty: judge the path that led here."""
        entered = self._entered
        passed = not self.blocked and entered is not None and entered != self._last
        self.reset()
        if not passed:
            return 0
        return TOWARDS if entered == A else AWAY
