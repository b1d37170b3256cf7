"""Pin and PWM: outputs are told to the street when they change, inputs are asked of it."""

import _edges
from _street import control
from micropython import const

_FULL = const(65535)


class Pin:
    """A pin by its number, as on the ESP32. Interrupts: see ``_edges``."""

    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None, **options):
        if isinstance(id, Pin):
            id = id.number
        if not isinstance(id, int) or not 0 <= id <= 48:
            raise ValueError("invalid pin")
        self.number = id
        self._mode = Pin.IN
        self._pull = None
        self._level = None
        self.init(mode, pull, value=value)

    def init(self, mode=-1, pull=-1, *, value=None, **options):
        if mode not in (-1, None):
            self._mode = mode
        if pull != -1:
            self._pull = pull
        if value is not None:
            self.value(value)

    def value(self, level=None):
        if level is not None:
            level = 1 if level else 0
            if level != self._level:
                self._level = level
                control.say(b'{"pin":[%d,%d]}' % (self.number, level))
            return None
        if self._mode != Pin.IN:
            return self._level or 0
        level = control.input(self.number)
        _edges.deliver()
        if level is None:  # nothing is wired to it: the pull decides
            level = 1 if self._pull == Pin.PULL_UP else 0
        return level

    def __call__(self, level=None):
        return self.value(level)

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)

    def irq(self, handler=None, trigger=IRQ_RISING | IRQ_FALLING, **options):
        _edges.handle(self.number, handler, self, trigger)

    def __repr__(self):
        return "Pin(%d)" % self.number


class PWM:
    """Pulse width on a pin. As on the ESP32, a duty outside 0..65535 raises ValueError."""

    def __init__(self, dest, *, freq=None, duty=None, duty_u16=None, duty_ns=None):
        self._pin = dest if isinstance(dest, Pin) else Pin(dest)
        self._freq = 5000
        self._duty = None
        self._said = None
        self.init(freq=freq, duty=duty, duty_u16=duty_u16, duty_ns=duty_ns)

    def init(self, *, freq=None, duty=None, duty_u16=None, duty_ns=None):
        if freq is not None:
            if not 0 < freq <= 40_000_000:
                raise ValueError("frequency must be from 1Hz to 40MHz")
            self._freq = freq
        if duty is not None:
            self._set(_checked(duty, 1023) * _FULL // 1023)
        elif duty_ns is not None:
            self._set(_checked(duty_ns * self._freq * _FULL // 1_000_000_000, _FULL))
        elif duty_u16 is not None:
            self._set(_checked(duty_u16, _FULL))
        elif self._duty is None:
            self._set(32768)  # the ESP32 starts at half
        else:
            self._tell()

    def deinit(self):
        control.say(b'{"pwm":[%d,0,0]}' % self._pin.number)
        self._said = None

    def freq(self, value=None):
        if value is None:
            return self._freq
        return self.init(freq=value)

    def duty(self, value=None):
        if value is None:
            return self._duty * 1023 // _FULL
        return self.init(duty=value)

    def duty_ns(self, value=None):
        if value is None:
            return self._duty * 1_000_000_000 // _FULL // self._freq
        return self.init(duty_ns=value)

    def duty_u16(self, value=None):
        if value is None:
            return self._duty
        self._set(_checked(value, _FULL))

    def _set(self, duty):
        self._duty = duty
        self._tell()

    def _tell(self):
        now = (self._freq, self._duty)
        if now != self._said:
            self._said = now
            control.say(b'{"pwm":[%d,%d,%d]}' % (self._pin.number, self._freq, self._duty))


def _checked(duty, highest):
    if not 0 <= duty <= highest:
        raise ValueError("duty must be between 0 and %d" % highest)
    return duty
