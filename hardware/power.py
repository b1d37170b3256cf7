"""The power budget: what a lamppost's electronics draw in each state of its day."""

from typing import NamedTuple

from hardware.check import MODULE_MEAN_MA, MODULE_PEAK_MA, mean_ma, peak_ma
from hardware.model import Board, Part

MAINS_EFFICIENCY = 0.78
"""Of a small AC/DC module at a third of its load; to be measured on the first board."""

# Mean current of the module at 3.3 V: interpreter running, radios off.
_QUIET_MA = 45.0


class State(NamedTuple):
    """One state of the day.

    Attributes:
        name: in words.
        milliamps: drawn from 5 V.
        watts: taken from the mains, without the lamp.
    """

    name: str
    milliamps: float
    watts: float


def budget(board: Board, parts: dict[str, Part]) -> list[State]:
    """The states of a board with its fitted parts, and its worst moment."""
    fitted = tuple(parts[name] for name in board.fitted)
    idle = {part.id: part.idle_ma for part in fitted}
    active = {part.id: part.active_ma for part in fitted}
    # The relay's coil draws while the lamp is off: it rests when there is most to do.
    outputs = [part.id for part in fitted if part.field == "parts/output"]
    by_night = active | {name: idle[name] for name in outputs}
    resting = idle | {name: active[name] for name in outputs}
    states = [
        ("lamp off, sensors resting, radios off", resting, _QUIET_MA),
        ("lamp off, all sensors at work, radios off", active, _QUIET_MA),
        ("lamp on, all sensors at work, radios off", by_night, _QUIET_MA),
        ("lamp on, all sensors at work, radios on", by_night, MODULE_MEAN_MA),
    ]
    found = [
        _state(name, mean_ma(board, "5V", fitted, currents, module), board)
        for name, currents, module in states
    ]
    worst = peak_ma(board, "5V", fitted)
    return [*found, _state(f"every peak at once, module at {MODULE_PEAK_MA:.0f} mA", worst, board)]


def _state(name: str, milliamps: float, board: Board) -> State:
    watts = milliamps / 1000 * board.rails["5V"].volts / MAINS_EFFICIENCY
    return State(name, milliamps, watts)
