"""An LED street light behind a relay, dimmed by the duty of a PWM line.

The driver's light output follows the duty linearly, as a 0-10 V or PWM controlled LED driver's
does; the logarithmic (DALI) curve is the controller's business. Electrical power is a fixed loss
of the driver plus a share in proportion to the light, the shape of published driver curves.
"""

from collections.abc import Callable
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
        stuck_on: the relay's contacts are welded: the driver is always fed, and a day burner with
            its dimming input stuck as well.
        stuck_open: the relay does not close any more.
        stuck_duty: the duty that the driver's dimming input is stuck at; None while it follows.
        power_scale: power drawn for the light, as a multiple of what it should be.
        out: called, answers whether a lamp that cycles is out just now; None for one that does not.
    """

    rated_watts: float = 60.0
    power_factor: float = 0.95
    failed: bool = False
    stuck_on: bool = False
    stuck_open: bool = False
    stuck_duty: int | None = None
    power_scale: float = 1.0
    out: Callable[[], bool] | None = None
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
        return (self._closed and not self.stuck_open) or self.stuck_on

    @property
    def dimming_level(self) -> float:
        """Light now, in percent of full output; 0 when dark for whatever reason."""
        if not self.fed or self._is_out:
            return 0.0
        return 100.0 * self._dimmed / FULL_DUTY

    def power_watts(self, mains_voltage: float) -> float:
        """Active power in W at ``mains_voltage`` (LED drivers hold their power over voltage)."""
        if not self.fed or mains_voltage < 90:  # below its start-up voltage
            return 0.0
        if self._is_out:
            return self.rated_watts * _FAILED_SHARE
        share = _DRIVER_LOSS + (1 - _DRIVER_LOSS) * self._dimmed / FULL_DUTY
        return self.rated_watts * share * self.power_scale

    @property
    def _is_out(self) -> bool:
        return self.failed or (self.out is not None and self.out())

    @property
    def _dimmed(self) -> int:
        return self._duty if self.stuck_duty is None else self.stuck_duty
