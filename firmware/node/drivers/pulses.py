"""HLW8012 and BL0937 energy meters, which speak in pulses: CF for energy, CF1 for V or I by SEL.

From their data sheets, V1 and V2 in V at the pins:

    HLW8012: CF = 48 V1 V2 / Vref^2 * fosc / 128, CF1 = 24 V1 / Vref * fosc / 512 for current and
             2 V2 / Vref * fosc / 512 for voltage, Vref 2.43 V, fosc 3.579 MHz
    BL0937:  CF = 1721506 V1 V2 / Vref^2, CF1 = 94638 V1 / Vref and 15397 V2 / Vref, Vref 1.218 V

The current goes through a shunt of 1 mohm; the mains over a divider of five times 470 kohm and
1 kohm (HLW8012), five times 390 kohm and 1 kohm (BL0937). Nothing is said by a pulse but that it
came, so a restart of the chip costs the pulses it did not give and no more.
"""

import time

HLW8012 = 0
BL0937 = 1

_RING = 8  # windows of one second that make the power: 2 % at 60 W
_DROPPED = 1  # CF1 takes up to a second after SEL before it says the other thing
_TAKEN = 3
_LEAST_DV = 400
_APPARENT = 500_000  # 50 VA, in 0.1 V * mA: no load draws so much without any power
_COUNT = 0x3FFFFFFF


class EdgeCounter:
    """Counts rising edges of a pin by interrupt, for a MicroPython without `machine.Counter`."""

    def __init__(self, pin):
        self._count = 0
        pin.irq(handler=self._edge, trigger=pin.IRQ_RISING)

    def _edge(self, pin):
        self._count = (self._count + 1) & _COUNT

    def value(self):
        """Edges so far, modulo 2^30."""
        return self._count


def counter(number, pin):
    """What counts the rising edges of `pin`: the chip's counter `number`, else interrupts."""
    import machine

    make = getattr(machine, "Counter", None)
    # Shorter than 10 us is interference: both chips give at least 38 us.
    return EdgeCounter(pin) if make is None else make(number, pin, filter_ns=10000)


class PulseMeter:
    """cf, cf1: counters with `value()`. sel: output pin. model: HLW8012 or BL0937.

    Boards differ in which level of SEL is which; a lamp's current, below 3 A, never gives as many
    pulses as the mains that it comes from, so the greater of the two is the voltage.
    """

    wrap = 1 << 30
    # Its counter is the node's, and begins with it.
    keeps = False
    # A round of its windows, and no longer pauses: they would make windows as long.
    patience = 12
    rest_ms = 1000

    def __init__(self, cf, cf1, sel, model):
        self._cf = cf
        self._cf1 = cf1
        self._sel = sel
        # uJ per pulse; 0.1 V and mA of 1 mHz, times 10^8.
        if model == BL0937:
            self.unit, self._voltage, self._current = 1681293, 154336, 1287009
        else:
            self.unit, self._voltage, self._current = 10343612, 408637, 1448449
        self.rejected = 0
        self._last_cf = cf.value()
        self._last_cf1 = cf1.value()
        self._at = time.ticks_us()
        self._pulses = [0] * _RING
        self._spans = [0] * _RING
        self._next = 0
        self._level = 0
        self._rates = [0, 0]  # of CF1 by level of SEL, mHz
        self._known = 0  # windows of CF1 finished, as far as 2
        self._dropping = _DROPPED
        self._windows = 0
        self._edges = 0
        self._span = 0
        self.count = 0
        sel.value(0)

    def ask(self):
        """End the running window and begin the next; they may last a second to a minute."""
        now = time.ticks_us()
        span = time.ticks_diff(now, self._at)
        if span <= 0:
            return
        self._at = now
        cf = self._cf.value()
        cf1 = self._cf1.value()
        pulses = (cf - self._last_cf) & _COUNT
        edges = (cf1 - self._last_cf1) & _COUNT
        self._last_cf = cf
        self._last_cf1 = cf1
        self.count = (self.count + pulses) & _COUNT
        at = self._next
        self._pulses[at] = pulses
        self._spans[at] = span
        self._next = (at + 1) % _RING
        if self._dropping:
            self._dropping -= 1
            return
        self._edges += edges
        self._span += span
        self._windows += 1
        if self._windows < _TAKEN:
            return
        self._rates[self._level] = self._edges * 1_000_000_000 // self._span
        self._known = min(2, self._known + 1)
        self._level ^= 1
        self._sel.value(self._level)
        self._dropping = _DROPPED
        self._windows = self._edges = self._span = 0

    def poll(self):
        """(0.1 V, mA, 0.1 W, pulses 0..2^30-1) by what was counted up to `ask`, or None.

        None until both of CF1 were counted, and below 40 V: then there is no mains, or no meter.
        None, and counted in `rejected`, while a current flows for which CF gives no pulses.
        """
        if self._known < 2:
            return None
        voltage = max(self._rates) * self._voltage // 100_000_000
        if voltage < _LEAST_DV:
            return None
        span = sum(self._spans)
        power = sum(self._pulses) * self.unit * 10 // span
        current = min(self._rates) * self._current // 100_000_000
        if not power and voltage * current >= _APPARENT:
            self.rejected += 1
            return None
        return voltage, current, power, self.count
