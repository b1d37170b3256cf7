"""What is wrong with a board: the mistakes that cost a second run of boards.

Each check is a function from a board and its parts to messages; none is fixed up, all are told.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product

from hardware import partitions
from hardware.model import Board, Part

Check = Callable[[Board, list[Part]], Iterator[str]]

# Mean current of the module's own 3.3 V with the radios at work, and its peak (Wi-Fi sending), mA.
MODULE_MEAN_MA = 110.0
MODULE_PEAK_MA = 355.0

_DIRECTIONS = ("in", "out", "both", "analog")


def problems(board: Board, parts: dict[str, Part]) -> list[str]:
    """Messages, each with what was expected and what to do; [] for a sound board."""
    names = list(dict.fromkeys((*board.fitted, *board.options)))
    known = [parts[name] for name in names if name in parts]
    found = [f"part {name!r} is not in parts.toml" for name in names if name not in parts]
    for check in CHECKS:
        found += check(board, known)
    return found


def _pins_exist(board: Board, _: list[Part]) -> Iterator[str]:
    for pin in board.pins.values():
        if pin.gpio not in board.chip.gpios:
            yield f"{pin.name}: GPIO {pin.gpio} does not exist on the {board.chip.id}"
        if pin.direction not in _DIRECTIONS:
            yield f"{pin.name}: expected direction {'/'.join(_DIRECTIONS)}, got {pin.direction!r}"


def _pins_are_free(board: Board, _: list[Part]) -> Iterator[str]:
    uses = Counter(pin.gpio for pin in board.pins.values())
    for pin in board.pins.values():
        if uses[pin.gpio] > 1:
            yield f"{pin.name}: GPIO {pin.gpio} is used {uses[pin.gpio]} times; give it another"
        for use, kept in board.chip.reserved.items():
            if pin.gpio in kept and not (use == "psram" and not board.psram_mib):
                yield f"{pin.name}: GPIO {pin.gpio} is kept for the module's {use}"


def _strapping(board: Board, _: list[Part]) -> Iterator[str]:
    for pin in board.pins.values():
        if pin.gpio in board.chip.strapping:
            yield (
                f"{pin.name}: GPIO {pin.gpio} is a strapping pin: what hangs on it decides how the "
                "chip starts; take another"
            )


def _input_only(board: Board, _: list[Part]) -> Iterator[str]:
    for pin in board.pins.values():
        if pin.gpio in board.chip.input_only and pin.direction in ("out", "both"):
            yield f"{pin.name}: GPIO {pin.gpio} can only be an input, it is to be {pin.direction}"


def _adc(board: Board, _: list[Part]) -> Iterator[str]:
    for pin in board.pins.values():
        if pin.direction != "analog" or pin.gpio in board.chip.adc1:
            continue
        if pin.gpio in board.chip.adc2:
            if board.wifi:
                yield f"{pin.name}: GPIO {pin.gpio} is on ADC2, which fails while Wi-Fi runs"
        else:
            yield f"{pin.name}: GPIO {pin.gpio} has no ADC"


def _wired(board: Board, parts: list[Part]) -> Iterator[str]:
    for part in parts:
        for name in part.pins:
            if name not in board.pins:
                yield f"{part.id}: expected a pin {name}, the board has none"
    used = {name for part in parts for name in part.pins}
    for name in board.pins:
        if name not in used:
            yield f"{name}: no part of the board uses it"


def _one_of_a_field(board: Board, parts: list[Part]) -> Iterator[str]:
    fitted = [part for part in parts if part.id in board.fitted and part.field]
    for field, many in Counter(part.field for part in fitted).items():
        if many > 1:
            names = ", ".join(part.id for part in fitted if part.field == field)
            yield f"{field}: only one part can be fitted, got {names}"


def combinations(board: Board, parts: list[Part]) -> Iterator[tuple[Part, ...]]:
    """Every set of parts that the configuration can choose: one of a field, or none."""
    fields: dict[str, list[Part | None]] = {}
    always: list[Part] = []
    for part in parts:
        if part.field:
            fields.setdefault(part.field, [None]).append(part)
        else:
            always.append(part)
    for choice in product(*fields.values()):
        yield (*always, *(part for part in choice if part is not None))


def _i2c(board: Board, parts: list[Part]) -> Iterator[str]:
    fitted = [part for part in parts if part.id in board.fitted and part.link == "i2c"]
    for address, many in Counter(part.address for part in fitted).items():
        if many > 1:
            names = ", ".join(part.id for part in fitted if part.address == address)
            yield f"I2C address {address:#04x}: {names} cannot be on one bus"
    on_bus = [part for part in parts if part.link == "i2c"]
    for part in on_bus:
        if not 0x08 <= part.address <= 0x77:
            yield f"{part.id}: expected an I2C address from 0x08 to 0x77, got {part.address:#04x}"
    fields = {(part.address, part.field) for part in on_bus}
    for address, many in Counter(address for address, _ in fields).items():
        if many > 1:
            names = ", ".join(part.id for part in on_bus if part.address == address)
            yield f"I2C address {address:#04x}: {names} could be chosen together"


def _uarts(board: Board, parts: list[Part]) -> Iterator[str]:
    for role, number in board.uart.items():
        if not 0 <= number < board.chip.uarts:
            yield f"UART {role}: number {number}, the {board.chip.id} has {board.chip.uarts}"
        if number in board.chip.console_uarts:
            yield f"UART {role}: number {number} is the console's"
    roles = {part.id: role_of(part) for part in parts if part.link == "uart"}
    for name, role in roles.items():
        if role not in board.uart:
            yield f"{name}: expected a UART for {role}, the board has none left"
    fitted = {roles[name] for name in board.fitted if name in roles}
    for number, many in Counter(board.uart[role] for role in fitted if role in board.uart).items():
        if many > 1:
            names = ", ".join(sorted(role for role in fitted if board.uart.get(role) == number))
            yield f"UART {number}: {names} are fitted at once"


def role_of(part: Part) -> str:
    """The role of a part's UART: PMS for pins PMS_TX and PMS_RX."""
    return part.pins[0].rpartition("_")[0]


def _safe_states(board: Board, _: list[Part]) -> Iterator[str]:
    for name in ("LAMP_DIMMING", "LAMP_RELAY"):
        pin = board.pins.get(name)
        if pin is None:
            yield f"{name}: expected a pin, the lamp cannot be driven"
        elif not re.search(r"\bon\b", pin.safe_state):
            yield f"{name}: expected a safe state that leaves the lamp on, got {pin.safe_state!r}"


# Inputs that firmware/node/board.py has the chip pull up or down.
_PULLED = ("PIR_A", "PIR_B", "SERVICE_SWITCH", "DALI_RX")


def _pulls(board: Board, _: list[Part]) -> Iterator[str]:
    for name in _PULLED:
        pin = board.pins.get(name)
        if pin and pin.gpio in board.chip.input_only and "kOhm" not in pin.safe_state:
            yield (
                f"{name}: GPIO {pin.gpio} has no pull resistor inside; "
                "give it one, and name its kOhm in safe_state"
            )


def _levels(board: Board, parts: list[Part]) -> Iterator[str]:
    for part in parts:
        rail = board.rails.get(part.rail)
        if rail is None:
            if part.rail != "mains side":
                yield f"{part.id}: expected a rail {part.rail}, the board has none"
            continue
        low, high = part.supply_v
        if not low <= rail.volts <= high:
            yield f"{part.id}: runs on {low} to {high} V, rail {rail.name} has {rail.volts} V"
    for part in parts:
        if part.signal_v > 3.6 and not part.isolated:
            yield f"{part.id}: signals of {part.signal_v} V would destroy a 3.3 V input"


def _currents(board: Board, parts: list[Part]) -> Iterator[str]:
    for rail in board.rails.values():
        worst, chosen = max(
            ((peak_ma(board, rail.name, some), some) for some in combinations(board, parts)),
            key=lambda pair: pair[0],
        )
        if worst > rail.limit_ma:
            names = ", ".join(part.id for part in chosen)
            yield (
                f"rail {rail.name}: {worst:.0f} mA at the most with {names}, "
                f"it gives {rail.limit_ma:.0f}"
            )


def peak_ma(board: Board, rail: str, parts: tuple[Part, ...]) -> float:
    """The most that a rail is asked for, in mA: every part's peak at once, and what it feeds."""
    return _load(board, rail, {part.id: part.peak_ma for part in parts}, parts, MODULE_PEAK_MA)


def mean_ma(
    board: Board, rail: str, parts: tuple[Part, ...], currents: dict[str, float], module: float
) -> float:
    """What a rail is asked for, in mA, with the parts at ``currents`` and the module at its own."""
    return _load(board, rail, currents, parts, module)


def _load(
    board: Board, rail: str, currents: dict[str, float], parts: tuple[Part, ...], module: float
) -> float:
    total = sum(currents[part.id] for part in parts if part.rail == rail)
    if rail == "3V3":
        total += module
    for other in board.rails.values():
        if other.source == rail:
            below = _load(board, other.name, currents, parts, module)
            total += below * other.volts / (board.rails[rail].volts * other.efficiency)
    return total


def _partition_tables(board: Board, _: list[Part]) -> Iterator[str]:
    yield from partitions.problems(board)


CHECKS: tuple[Check, ...] = (
    _pins_exist,
    _pins_are_free,
    _strapping,
    _input_only,
    _adc,
    _wired,
    _one_of_a_field,
    _i2c,
    _uarts,
    _safe_states,
    _pulls,
    _levels,
    _currents,
    _partition_tables,
)
