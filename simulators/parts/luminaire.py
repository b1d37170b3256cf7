"""An LED street light behind a relay, dimmed by the duty of a PWM line.

The driver's light output follows the duty linearly, as a 0-10 V or PWM controlled LED driver's
does; the logarithmic (DALI) curve is the controller's business. Electrical power is a fixed loss
of the driver plus a share in proportion to the light, the shape of published driver curves.
"""

from dataclasses import dataclass

FULL_DUTY = 65535
_DRIVER_LOSS = 0.06  # of rated power, whenever the driver is fed at all
_FAILED_SHARE = 0.04  # of rated power: what a driver with dead LEDs still draws


@dataclass
class Luminaire:
    """The lamp of one post. It starts as hardware leaves it with no node at all: on and full.

    Attributes:
        rated_watts: electrical power at full output and nominal voltage.
        power_factor: at every load, a simplification.
        failed: the LEDs are dead; the driver still draws a little.
        stuck_on: the relay's contacts are welded (a day burner).
    """

    rated_watts: float = 60.0
    power_factor: float = 0.95
    failed: bool = False
    stuck_on: bool = False
    _duty: int = FULL_DUTY
    _closed: bool = True

    def pwm(self, duty_u16: int) -> None:
        """The dimming line's duty, 0..65535.

        Raises:
            ValueError: outside that range, as ``machine.PWM.duty_u16`` raises.
        """
        if not 0 <= duty_u16 <= FULL_DUTY:
            raise ValueError(f"duty: expected 0..{FULL_DUTY}, got {duty_u16}")
        self._duty = duty_u16

    def relay(self, on: bool) -> None:
        """The relay's coil: on feeds the driver."""
        self._closed = bool(on)

    @property
    def fed(self) -> bool:
        """The driver has mains."""
        return self._closed or self.stuck_on

    @property
    def dimming_level(self) -> float:
        """Light now, in percent of full output; 0 when dark for whatever reason."""
        if not self.fed or self.failed:
            return 0.0
        return 100.0 * self._duty / FULL_DUTY

    def power_watts(self, mains_voltage: float) -> float:
        """Active power in W at ``mains_voltage`` (LED drivers hold their power over voltage)."""
        if not self.fed or mains_voltage < 90:  # below its start-up voltage
            return 0.0
        if self.failed:
            return self.rated_watts * _FAILED_SHARE
        light = self._duty / FULL_DUTY
        return self.rated_watts * (_DRIVER_LOSS + (1 - _DRIVER_LOSS) * light)
