"""The models of the parts around a lamppost's lamp, by the codes of its configuration."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from simulators.clock import SimClock
from simulators.parts import Surroundings, UartPart
from simulators.parts.bl0942 import Bl0942
from simulators.parts.cse7766 import Cse7766
from simulators.parts.dali import Gear
from simulators.parts.ld2410 import Ld2410
from simulators.parts.luminaire import FULL_DUTY, Luminaire
from simulators.parts.photocell import Photocell
from simulators.parts.pir import PirPair
from simulators.parts.pulses import PulseMeter, PulseModel

# Codes of parts/output, parts/meter, parts/presence and parts/photocell; 0 is the board's: PWM, a
# BL0942, nothing, nothing.
_DALI = 2
_NONE, _BL0942, _CSE7766, _HLW8012, _BL0937 = 1, 2, 3, 4, 5
_PIR_PAIR, _LD2410 = 2, 3
_PHOTOCELL_ADC = 2

DIMMING_PIN, RELAY_PIN = 4, 5
_DALI_TX, _DALI_RX = 12, 13
_PIR_A, _PIR_B = 14, 21
_CF, _CF1, _SEL = 40, 41, 42
_PHOTOCELL_PIN = 1


class LampParts:
    """What is fitted to one lamppost around its lamp.

    Args:
        codes: by name of the configuration's field under ``parts/``; 0 where absent.
        surroundings: the mains, and who walks by.
        luminaire: the lamp.
        clock: the street's.
        seed: of their noise.

    Attributes:
        meter: on a UART or by pulses, None for none.
        presence: None for none of its own.
        photocell: None for none.
        gear: the DALI gear in the luminaire, None for one that is dimmed by PWM.

    Raises:
        ValueError: a code that is none.
    """

    def __init__(
        self,
        codes: Mapping[str, int],
        surroundings: Surroundings,
        luminaire: Luminaire,
        clock: SimClock,
        seed: str,
    ) -> None:
        output, meter, presence = (codes.get(name, 0) for name in ("output", "meter", "presence"))
        self._luminaire = luminaire
        lamp = (surroundings, luminaire, clock.machine, clock.street)
        noise = Random(f"{seed} meter")
        self.meter: Bl0942 | Cse7766 | PulseMeter | None = None
        if meter in (0, _BL0942):
            self.meter = Bl0942(*lamp, noise)
        elif meter == _CSE7766:
            self.meter = Cse7766(*lamp, noise)
        elif meter in (_HLW8012, _BL0937):
            model = PulseModel.HLW8012 if meter == _HLW8012 else PulseModel.BL0937
            self.meter = PulseMeter(*lamp, model, noise)
        elif meter != _NONE:
            raise ValueError(f"parts/meter: expected 0 to 5, got {meter}")
        self.presence: PirPair | Ld2410 | None = None
        if presence == _PIR_PAIR:
            self.presence = PirPair(surroundings, clock.machine)
        elif presence == _LD2410:
            self.presence = Ld2410(surroundings, clock.machine, Random(f"{seed} presence"))
        self.photocell: Photocell | None = None
        if codes.get("photocell", 0) == _PHOTOCELL_ADC:
            self.photocell = Photocell(surroundings.daylight_lux, lambda: luminaire.dimming_level)
        self.gear: Gear | None = None
        if output == _DALI:
            self.gear = Gear(clock.machine, luminaire.pwm)
            self.gear.power(True)
        self.dali_powered = True

    @property
    def polled(self) -> bool:
        """Whether its input pins change by themselves."""
        return isinstance(self.presence, PirPair)

    def meter_uart(self) -> UartPart | None:
        """The meter, where it is on the UART."""
        return None if isinstance(self.meter, PulseMeter) else self.meter

    def presence_uart(self) -> UartPart | None:
        """The presence part, where it is on a UART."""
        return self.presence if isinstance(self.presence, Ld2410) else None

    def brown_out(self) -> None:
        """The supply dipped."""
        for part in (self.meter, self.presence):
            if part is not None and not isinstance(part, PirPair):
                part.brown_out()

    def power_dali_bus(self, on: bool) -> None:
        """Cut or mend the supply of the DALI bus; its pin is told at the next look."""
        self.dali_powered = on
        if self.gear is not None:
            self.gear.bus_power(on)

    def reset(self) -> None:
        """Nothing drives the pins: the board's pulls have the lamp on."""
        self.relay(True)
        if self.gear is None:
            self._luminaire.pwm(FULL_DUTY)

    def pwm(self, duty: int) -> None:
        """The dimming line."""
        if self.gear is None:
            self._luminaire.pwm(duty)

    def relay(self, on: bool) -> None:
        """The coil of the relay that feeds the driver."""
        self._luminaire.relay(on)
        if self.gear is not None:
            self.gear.power(self._luminaire.fed)

    def settle(self) -> None:
        """Bring the light to what time has made of it."""
        if self.gear is not None:
            self.gear.level  # noqa: B018 - whose reading it is

    def pin(self, number: int, level: int) -> None:
        """An output pin of the chip."""
        if number == RELAY_PIN:
            self.relay(bool(level))
        elif number == _SEL and isinstance(self.meter, PulseMeter):
            self.meter.select(level)

    def pins(self) -> dict[int, int]:
        """Levels of the input pins that are wired."""
        levels: dict[int, int] = {}
        if self.gear is not None:
            levels[_DALI_RX] = int(self.dali_powered)
        if isinstance(self.presence, PirPair):
            levels[_PIR_A], levels[_PIR_B] = self.presence.levels()
        return levels

    def count(self, pin: int) -> int:
        """Pulses so far on an input pin."""
        if isinstance(self.meter, PulseMeter):
            counts: dict[int, Callable[[], int]] = {_CF: self.meter.cf, _CF1: self.meter.cf1}
            if pin in counts:
                return counts[pin]()
        return 0

    def microvolts(self, pin: int) -> int:
        """What they put on an analogue pin; 0 where nothing is connected."""
        if self.photocell is None or pin != _PHOTOCELL_PIN:
            return 0
        return self.photocell.microvolts()

    def transmit(self, pin: int, lengths: Sequence[int]) -> tuple[int, list[float]] | None:
        """The chip sends pulses, the first one high, in us; (pin, edges in us) it sees of them."""
        if pin != _DALI_TX or self.gear is None or not self.dali_powered:
            return None
        echo: list[float] = []
        at = 0.0
        for length in lengths:
            echo.append(at)
            at += length
        if len(lengths) % 2:
            echo.append(at)
        return _DALI_RX, echo + self.gear.transmit(lengths)
