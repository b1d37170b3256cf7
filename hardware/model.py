"""Boards, chips and parts, read from their TOML files."""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


class HardwareError(Exception):
    """A file of this folder does not say what it should; one line, with what was expected."""


@dataclass(frozen=True)
class Chip:
    """What a chip's pins can do.

    Attributes:
        id: its name in boards' files.
        gpios: the numbers that exist.
        strapping: read at reset to choose how it starts.
        input_only: cannot drive.
        adc1: can measure a voltage, always.
        adc2: can too, but not while Wi-Fi runs.
        uarts: how many, numbered from 0.
        i2c_buses: how many.
        console_uarts: UARTs the console takes.
        bootloader: byte of the flash at which the chip looks for it, and a firmware file begins.
        reserved: GPIOs by what keeps them.
    """

    id: str
    gpios: frozenset[int]
    strapping: frozenset[int]
    input_only: frozenset[int]
    adc1: frozenset[int]
    adc2: frozenset[int]
    uarts: int
    i2c_buses: int
    console_uarts: frozenset[int]
    bootloader: int
    reserved: dict[str, frozenset[int]]


@dataclass(frozen=True)
class Part:
    """Something that may be fitted; currents in mA at its rail.

    Attributes:
        field: the configuration's field that chooses it, "" for none.
        code: its code there.
        link: uart, i2c, adc, pulse or gpio.
        address: 7-bit, on I2C.
        max_hz: of the I2C bus, 0 where it does not matter.
        isolated: an isolator stands between it and the chip.
        price_eur, price_date: as in `bom.Item`.
    """

    id: str
    name: str
    does: str
    link: str
    pins: tuple[str, ...]
    rail: str
    supply_v: tuple[float, float]
    signal_v: float
    idle_ma: float
    active_ma: float
    peak_ma: float
    field: str = ""
    code: int = 0
    address: int = 0
    max_hz: int = 0
    baud: int = 0
    isolated: bool = False
    note: str = ""
    price_eur: float | None = None
    price_date: str = ""


@dataclass(frozen=True)
class Pin:
    """One wire between the chip and a part.

    Attributes:
        direction: in, out, both or analog, as the chip sees it.
        safe_state: what it is while nothing drives it, where that matters.
    """

    name: str
    gpio: int
    direction: str
    use: str
    safe_state: str = ""


@dataclass(frozen=True)
class Rail:
    """A supply voltage.

    Attributes:
        source: the rail it is made from, or words.
        efficiency: of that conversion.
    """

    name: str
    volts: float
    limit_ma: float
    source: str
    efficiency: float = 1.0


@dataclass(frozen=True)
class Board:
    """One board, with its chip.

    Attributes:
        fitted: ids of the parts it leaves the workshop with.
        options: ids of those it has pins for.
        stock: the build of stock MicroPython that fits it, by its name on the download page.
        uart: UART number by role (METER, BUS, PMS, RADAR).
    """

    id: str
    title: str
    chip: Chip
    module: str
    stock: str
    flash_mib: int
    psram_mib: int
    wifi: bool
    fitted: tuple[str, ...]
    options: tuple[str, ...]
    uart: dict[str, int]
    rails: dict[str, Rail]
    pins: dict[str, Pin]


@functools.cache
def parts() -> dict[str, Part]:
    """Every part by its id. Raises HardwareError."""
    path = FOLDER / "parts.toml"
    found: dict[str, Part] = {}
    for entry in _read(path)["part"]:
        for name in ("pins", "supply_v"):
            entry[name] = tuple(entry[name])
        try:
            part = Part(**entry)
        except TypeError as error:
            raise HardwareError(f"{path.name}: part {entry.get('id')!r}: {error}") from error
        if part.id in found:
            raise HardwareError(f"{path.name}: part {part.id!r} stands there twice")
        found[part.id] = part
    return found


def chip(name: str) -> Chip:
    """The chip ``name``. Raises HardwareError."""
    path = FOLDER / "chips" / f"{name}.toml"
    body = _read(path)
    reserved = {use: frozenset(pins) for use, pins in body.pop("reserved").items()}
    lists = [key for key, value in body.items() if isinstance(value, list)]
    body |= {key: frozenset(body[key]) for key in lists} | {"reserved": reserved}
    try:
        return Chip(**body)
    except TypeError as error:
        raise HardwareError(f"{path.name}: {error}") from error


def board_ids() -> list[str]:
    """The ids of all boards, sorted."""
    return sorted(path.stem for path in (FOLDER / "boards").glob("*.toml"))


def board(name: str) -> Board:
    """The board ``name``. Raises HardwareError."""
    return read_board(FOLDER / "boards" / f"{name}.toml")


def read_board(path: Path) -> Board:
    """The board of a file. Raises HardwareError."""
    body = _read(path)
    try:
        rails = {
            name: Rail(name, source=entry.pop("from"), **entry)
            for name, entry in body.pop("rail").items()
        }
        pins = {name: Pin(name, **entry) for name, entry in body.pop("pins").items()}
        body |= {"chip": chip(body["chip"]), "rails": rails, "pins": pins}
        body |= {name: tuple(body[name]) for name in ("fitted", "options")}
        return Board(**body)
    except KeyError as error:
        raise HardwareError(f"{path.name}: expected {error.args[0]!r}, it is missing") from error
    except (AttributeError, TypeError) as error:
        raise HardwareError(f"{path.name}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HardwareError(f"expected {path}, there is no such file") from error
    except OSError as error:
        raise HardwareError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise HardwareError(f"{path.name}: expected TOML, it is no text in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise HardwareError(f"{path.name}: expected TOML, {error}") from error
