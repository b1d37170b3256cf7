"""Faults of a lamp, from the power it draws against the power that its light should take.

The expectation: with the lamp off, at most lamp/standby_power; lit, standby_power and what is left
to lamp/rated_power in proportion to the light asked of the driver: a straight line through what LED
drivers' data sheets show. It may be off by lamp/power_tolerance percent of itself, or a twentieth
of the rated power, or 1 W, where that is more: at low levels neither line nor meter is exact.

    fault        raised when                                              (TALQ's name)
    LAMP         lit, and hardly more than standby flows: no light, or
                 DALI gear says it of its lamp or itself                  lampFailure
    RELAY        lit, and nothing beyond standby flows: the relay or what
                 is behind it is open (LAMP is raised as well); off, and
                 the driver is fed nonetheless, without light             relayFailure
    DAY_BURNER   off, and it draws as much as a light                     lampUnexpectedOn
    DIMMING      the power belongs to another level: it did not follow
                 when the light was changed, or is that of full light     dimmingFailure
    POWER_HIGH   more than expected, and it is not DIMMING                lampPowerTooHigh
    POWER_LOW    less than expected, neither LAMP nor DIMMING             lampPowerTooLow
    CYCLING      lit, and it went out and came back three times within
                 ten times lamp/fault_delay                               cyclingFailure
    SUPPLY       the mains has less than four fifths of its voltage       supplyLoss

Without a rated power (0) nothing is learnt: DIMMING, POWER_HIGH and POWER_LOW are not judged, and
LAMP is what draws no more than standby.

A fault is raised once it was seen for lamp/fault_delay seconds of street time and in three samples
at least; cleared likewise, by values that stay within three quarters of what raises it. What a
sample says nothing of (a dead lamp by day) stays as it is. Raised faults do not outlive a restart:
a BOOT record ends them all, and what is still wrong is raised again.
"""

from protocol import records

FULL = 65535
# Power in 0.1 W.
_EXACT = 5  # beyond standby: what a meter says of nothing
_UNRATED = 200  # a small lamp's, to judge an unrated one that should be off by
_SAMPLES = 3
_CYCLES = 3
# Two levels so far apart tell whether the power follows.
_APART = FULL // 4
# Mains voltage in 0.1 V: nominal is 230 V, or 120 V where no more was ever measured.
_HIGHER_NET = 1500
_LEAST = 300  # below, and above the most, the meter does not know, or the node would not run
_MOST = 3000
_NOMINAL = 2300
_NOMINAL_LOW = 1200


def expected(rated, standby, light):
    """Power in 0.1 W at `light` 0..65535 of the driver's full; rated, standby: 0.1 W."""
    if not light or rated <= standby:
        return standby
    return standby + ((rated - standby) * light + FULL // 2) // FULL


class Faults:
    """Judges one lamp by the samples of its meter; knows neither meter nor lamp.

    tell: called with (fault code, 1 raised or 0 cleared, level, power, expected, voltage) as the
    fields of a FAULT record.
    """

    def __init__(self, tell):
        self._tell = tell
        count = records.FAULT_SUPPLY + 1
        self._raised = [False] * count
        # Since when (street s) and in how many samples each fault has looked otherwise.
        self._since = [0] * count
        self._seen = [0] * count
        self._rated = 0
        self._standby = 0
        self._tolerance = 20
        self._delay = 60
        # The newest settled (light, power), and the one at a light well apart before it.
        self._here = (0, 0)
        self._there = None
        self._out = 0  # samples in a row without light, below 0 with light
        self._dark = False  # what these have come to
        self._welded = False  # RELAY was raised of a relay that does not open
        self._returns = [None] * _CYCLES  # when it came back, s; oldest first
        self._highest = 0  # voltage

    def configure(self, rated, standby, tolerance, delay):
        """Take lamp/rated_power and standby_power (0.1 W), power_tolerance (%), fault_delay (s)."""
        self._rated = rated if rated > standby else 0
        self._standby = standby
        self._tolerance = tolerance
        self._delay = delay
        self._there = None
        self._here = (0, 0)

    def raised(self, fault) -> bool:
        """Whether `fault`, a records.FAULT_ code, stands."""
        return self._raised[fault]

    def forget(self):
        """Samples were missed: what has not been raised or cleared yet begins anew."""
        for fault in range(len(self._seen)):
            self._seen[fault] = 0
        self._out = 0

    def sample(self, now, level, light, power, voltage, failed=None):
        """Judge a sample that was taken while the light had been steady.

        now: street s, monotonic. level: commanded, percent. light: asked of the driver, 0..65535.
        power: 0.1 W. voltage: 0.1 V. failed: whether a DALI driver says so of itself or its lamp.
        """
        evidence = (level, power, expected(self._rated, self._standby, light), voltage)
        supply = self._supply(voltage)
        self._judge(records.FAULT_SUPPLY, supply, now, evidence)
        if supply or self._raised[records.FAULT_SUPPLY]:
            return  # what the lamp does without its mains is not the lamp's fault
        if not self._rated:
            for fault in (
                records.FAULT_DIMMING,
                records.FAULT_POWER_HIGH,
                records.FAULT_POWER_LOW,
            ):
                self._judge(fault, False, now, evidence)
        if light:
            self._lit(now, light, power, evidence, failed)
        else:
            self._unlit(now, power, evidence)

    def _supply(self, voltage):
        if not _LEAST <= voltage <= _MOST:
            return None
        self._highest = max(self._highest, voltage)
        nominal = _NOMINAL if self._highest > _HIGHER_NET else _NOMINAL_LOW
        if voltage < nominal * 80 // 100:
            return True
        return None if voltage < nominal * 85 // 100 else False

    def _unlit(self, now, power, evidence):
        """The lamp should be off."""
        self._out = 0
        self._dark = False
        beyond = power - self._standby
        rated = self._rated or _UNRATED
        burner = max(20, rated // 10)
        fed = max(10, rated // 50)
        lit = _above(beyond, burner)
        self._judge(records.FAULT_DAY_BURNER, lit, now, evidence)
        if self._raised[records.FAULT_RELAY] and not self._welded:
            return  # that it does not close can only be seen at night
        # A lamp that burns says the same of the relay, and more plainly.
        closed = None if lit or self._raised[records.FAULT_DAY_BURNER] else _above(beyond, fed)
        self._judge(records.FAULT_RELAY, closed, now, evidence)
        self._welded = self._raised[records.FAULT_RELAY]

    def _lit(self, now, light, power, evidence, told):
        """The lamp should be lit."""
        wanted = evidence[2]
        dark = self._is_dark(power, wanted, light)
        cycling = self._cycles(now, dark)
        self._judge(records.FAULT_CYCLING, cycling, now, evidence, True)
        failed = dark
        if dark and self._raised[records.FAULT_CYCLING]:
            failed = None  # it will be back
        self._judge(records.FAULT_LAMP, True if told else failed, now, evidence)
        if not self._welded and failed is not None:
            self._judge(records.FAULT_RELAY, self._is_open(dark, power), now, evidence)
        if self._rated and dark is False:
            self._compare(now, light, power, evidence)

    def _is_open(self, dark, power):
        """Whether nothing reaches the driver of a lamp that should be lit, and is dark or not."""
        if not dark:
            return False
        if power <= self._standby + _EXACT:
            return True
        return None if power <= self._standby + 2 * _EXACT else False

    def _is_dark(self, power, wanted, light):
        """Whether a lamp that should be lit gives no light; None where power cannot tell."""
        if not self._rated:
            if power <= self._standby + _EXACT:
                # A small lamp, dimmed low, draws as little.
                return True if light >= FULL * 3 // 10 else None
            return False
        alive = wanted - self._standby
        if alive < max(10, self._rated // 30):
            return None if power <= wanted + self._slack(wanted) else False
        limit = min(alive // 2, self._rated // 20)
        if power <= self._standby + limit:
            return True
        # Clearly alive again, or no evidence.
        return None if power <= self._standby + limit * 4 // 3 else False

    def _cycles(self, now, dark):
        """Whether the lamp cycles, from one more look at whether it is dark."""
        if dark is not None:
            if dark == (self._out >= 0):
                self._out += 1 if dark else -1
            else:
                self._out = 1 if dark else -1
            # Two samples alike, so that one odd reading is no cycle.
            if self._dark and self._out <= -2:
                self._dark = False
                for index in range(_CYCLES - 1):
                    self._returns[index] = self._returns[index + 1]
                self._returns[-1] = now
            elif self._out >= 2:
                self._dark = True
        window = 10 * self._delay
        oldest, newest = self._returns[0], self._returns[-1]
        if oldest is not None and now - oldest <= window:
            return True
        return None if newest is not None and now - newest <= window else False

    def _slack(self, wanted):
        return max(10, self._rated // 20, wanted * self._tolerance // 100)

    def _compare(self, now, light, power, evidence):
        """A rated lamp that gives light: as much as it should?"""
        wanted = evidence[2]
        follows = self._follows(light, power)
        off = power - wanted
        slack = self._slack(wanted)
        high = _above(off, slack)
        low = _above(-off, slack)
        stuck = False
        if follows is False:
            # Where all levels fit within the tolerance there is nothing to complain of.
            stuck = True if high or low or self._raised[records.FAULT_DIMMING] else None
        elif follows is None:
            full = self._rated - self._slack(self._rated) <= power
            stuck = None
            if high and light <= FULL - _APART and full:
                # A dimming input that is not connected is pulled to full.
                stuck = power <= self._rated + self._slack(self._rated)
        self._judge(records.FAULT_DIMMING, stuck, now, evidence)
        if stuck or self._raised[records.FAULT_DIMMING]:
            high = low = False  # what is told of the level explains the power
        self._judge(records.FAULT_POWER_HIGH, high, now, evidence)
        self._judge(records.FAULT_POWER_LOW, low, now, evidence)

    def _follows(self, light, power):
        """Whether the power followed when the light last changed much; None where nothing tells."""
        before, drew = self._here
        if before and abs(light - before) >= _APART:
            self._there = self._here
        elif before == light and abs(power - drew) > self._slack(drew):
            self._there = None  # not the lamp any more that it was at that level
        self._here = (light, power)
        there = self._there
        if there is None or abs(light - there[0]) < _APART:
            return None
        way = expected(self._rated, 0, light) - expected(self._rated, 0, there[0])
        made = power - there[1]
        if way < 0:
            way = -way
            made = -made
        if 4 * made < way:
            return False
        return True if 3 * made > way else None

    def _judge(self, fault, wrong, now, evidence, at_once=False):
        """Take in whether `fault` is there; None says nothing, and ends what was not decided.

        at_once: raise it without a delay, since it was long in the making.
        """
        if wrong is None or wrong == self._raised[fault]:
            self._seen[fault] = 0
            return
        if not self._seen[fault]:
            self._since[fault] = now
        self._seen[fault] = min(_SAMPLES, self._seen[fault] + 1)
        waited = self._seen[fault] >= _SAMPLES and now - self._since[fault] >= self._delay
        if waited or (at_once and wrong):
            self._raised[fault] = wrong
            self._seen[fault] = 0
            level, power, wanted, voltage = evidence
            self._tell(fault, 1 if wrong else 0, level, power, wanted, voltage)


def _above(value, limit):
    """Whether value is beyond the limit; None when it has not come back by a quarter of it."""
    if value > limit:
        return True
    return None if value > limit * 3 // 4 else False
