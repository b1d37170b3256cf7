"""People passing under a sensor that looks at two zones in turn, A before B on the way *towards*.

Somebody who passes covers one zone, then both, then only the other: none, A, A and B, B, none.
Turning back, coming from and leaving to the same side, is nobody, however long it took.

While somebody is below, the next person may not be told apart from the first. So it is with every
counter; what is missed grows with the crowd. As in counting radiation the answer is live time
(Knoll, Radiation Detection and Measurement, chapter 4): people who do not know one another come at
random, so those who come while the counter could tell them apart, divided by that share of the
time, are all who came. A zone can tell a newcomer apart while both zones are empty, and while only
the other one is covered by somebody who has come through this one. Two who walk in step side by
side stay one: `people/factor` is for that, counted by hand at the site.
"""

A = 0
B = 1
TOWARDS = 1
AWAY = -1

_BOTH = 3
# Somebody who passes is gone by then; who stays longer tells nothing of how many come.
_LONG_MS = 3000
# Two heads or shoulders differ by more than one does between two looks.
_OTHER_MM = 30
# By so much those two differ who met below. Wider, since most who leave where they came from have
# turned back: at 30 a minute, a tenth of whom turn, each millimetre counts.
_MET_MM = 45
# Looks that find the entrance empty before whoever covers it is surely somebody else. After fewer
# it has to be another height: one who hesitates between the zones uncovers it for a moment too.
_CLEAR = 2
_FAR = 65535


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

    def look(self, valid: bool, distance: int) -> bool:
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


class Passages:
    """Counts who passes, and the time in which passing could be seen.

    stuck_ms: after so long without both zones empty nothing is watched until they were: something
    is parked there. Read and then clear with `take`:
    counted: people told apart, by the zone they came from. live: ms in which a newcomer from that
    zone could be told apart. watched: ms in all.
    """

    def __init__(self, stuck_ms=60000):
        self._stuck_ms = stuck_ms
        self.counted = [0, 0]
        self.live = [0, 0]
        self.watched = 0
        self._covered = 0  # bit per zone
        self.reset()

    def update(self, zone: int, occupied: bool, distance: int, elapsed: int, gap: int) -> int:
        """Zone A or B was looked at, at `elapsed` ms of any running time, `gap` ms after the last.

        distance: mm, of what covers it. Returns TOWARDS or AWAY when this completes a passage whose
        first person came from A or B, else 0.
        """
        self._pass_time(gap)
        bit = 1 << zone
        covered = self._covered | bit if occupied else self._covered & ~bit
        self._covered, before = covered, self._covered
        if not before:
            if not covered:
                return 0
            self._began = elapsed
            self._entered = zone
            # A zone is seen each second look: in the mean they have been here for one look already.
            self.live[A] -= gap
            self.live[B] -= gap
        stays = elapsed - self._began
        self._long = stays >= _LONG_MS
        if stays >= self._stuck_ms:
            self.blocked = True
        if not covered:
            return self._leave()
        if zone == self._entered:
            self._look_at_entrance(occupied, distance)
        elif occupied:
            self._crossed = True
            self._newest = _FAR
        if covered != _BOTH:
            self._last = A if covered == 1 << A else B
        return 0

    def reset(self):
        """Forget a path that could not be followed to its end."""
        self._covered = 0
        self._began = 0
        self._entered = A  # zone first covered
        self._last = A  # zone last covered alone
        self._crossed = False  # the other zone was covered as well
        self._led = False  # who came has left the zone of entrance, and is in the other
        self._clear = 0  # looks in a row that found the entrance empty
        self._following = 0  # came after the first, from the same side
        self._first = _FAR  # mm, of the entrance before the other zone was covered
        self._newest = _FAR  # mm, of the entrance since the other zone was last seen covered
        self._long = False
        self.blocked = False

    def take(self) -> "tuple[int, ...]":
        """(counted from A, from B, live A ms, live B ms, watched ms) since last taken."""
        out = (self.counted[A], self.counted[B], self.live[A], self.live[B], self.watched)
        self.counted[A] = self.counted[B] = self.live[A] = self.live[B] = self.watched = 0
        return out

    def _pass_time(self, gap):
        if self.blocked:
            return
        self.watched += gap
        if not self._covered:
            self.live[A] += gap
            self.live[B] += gap
        elif self._led and not self._long:
            self.live[self._entered] += gap

    def _look_at_entrance(self, occupied, distance):
        if not occupied:
            # The other zone is covered, or the path had ended.
            self._clear += 1
            self._led = True
            return
        if self._led:
            self._led = False
            other = self._clear >= _CLEAR or abs(self._first - distance) > _OTHER_MM
            if other and not self._long:
                self._following += 1
        self._clear = 0
        # The edge of somebody looks farther than the head does, hence the nearest of several looks.
        if not self._crossed:
            self._first = min(self._first, distance)
        self._newest = min(self._newest, distance)

    def _leave(self):
        """Both zones are empty: judge the path that led here."""
        entered = self._entered
        if self.blocked:
            passed = 0
        elif self._last != entered:
            passed = 1 + self._following
        else:
            # Left where it came from: one who turned back, or, seen by their heights, two who met.
            # The last to come to the entrance is the one who left by it.
            met = self._newest != _FAR and abs(self._first - self._newest) > _MET_MM
            passed = (1 if met else 0) + max(0, self._following - 1)
        self.counted[entered] += passed
        self.reset()
        if not passed:
            return 0
        return TOWARDS if entered == A else AWAY


class Estimate:
    """How many came, from those told apart and the live share of the time; integers throughout.

    A short period has too little live time for a share of its own, so the share is that of about
    the last ten minutes of watching. Fractions of people are carried from one period to the next.
    """

    _HORIZON_MS = 600_000

    def __init__(self):
        self._live = [0, 0]
        self._watched = 0
        self._carried = [0, 0]  # 1e-6 people

    def people(self, taken: "tuple[int, ...]", factor: int) -> "tuple[int, int, int, int]":
        """(towards, away, counted, share) of what `Passages.take` gave.

        factor: people for each passage, 1/1000. counted: people told apart, both directions.
        share: per mille of the watched time in which a newcomer could be told apart, the lower of
        both directions.
        """
        counted = taken[A], taken[B]
        self._watched += taken[4]
        share = 1000
        out = [0, 0]
        for zone in (A, B):
            self._live[zone] += taken[2 + zone]
            live = max(1, self._live[zone])  # it may be below 0 for a moment
            # Never more than tenfold: with so little live time the share itself is chance.
            scale = min(10_000, max(1000, self._watched * 1000 // live)) * factor
            total = self._carried[zone] + counted[zone] * scale
            out[zone] = total // 1_000_000
            self._carried[zone] = total % 1_000_000
            if self._watched:
                share = min(share, max(0, self._live[zone]) * 1000 // self._watched)
        if self._watched > self._HORIZON_MS:
            self._watched //= 2
            self._live[A] //= 2
            self._live[B] //= 2
        return out[A], out[B], counted[A] + counted[B], share
