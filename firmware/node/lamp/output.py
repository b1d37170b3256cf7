"""The lamp's two lines: the relay that feeds it and the PWM that dims it."""

from . import dali

_FULL_DUTY = 65535


class Output:
    """Drives the lamp; on and full from construction, before anything else is known.

    pwm: a `machine.PWM` at 1 kHz, its `duty_u16` 65535 at full light. relay: a `machine.Pin`,
    1 = on. The relay closes before light is asked for and opens only once the duty is down, so it
    never switches a driver at full current.
    """

    failed = None  # a driver on a PWM line tells nothing of itself

    def __init__(self, pwm, relay):
        self._pwm = pwm
        self._relay = relay
        self._arc = -1
        self._fed = False
        self.arc = dali.FULL

    def full(self):
        """Full light whatever is believed of the lines; takes no memory, there may be none."""
        self._relay.value(1)
        self._fed = True
        self._pwm.duty_u16(_FULL_DUTY)
        self._arc = dali.FULL

    @property
    def arc(self):
        """DALI arc power level now, 0..254; setting it drives both lines."""
        return self._arc

    @arc.setter
    def arc(self, arc):
        arc = max(0, min(dali.FULL, arc))
        if arc and not self._fed:
            self._relay.value(1)
            self._fed = True
        if arc != self._arc:
            self._pwm.duty_u16(dali.duty(arc))
            self._arc = arc
        if not arc and self._fed:
            self._relay.value(0)
            self._fed = False
