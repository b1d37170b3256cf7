"""The bill of materials: a board's parts and what every box has besides."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from hardware.model import FOLDER, HardwareError, Part


@dataclass(frozen=True)
class Item:
    """One line of the bill.

    Attributes:
        price_eur: of one, None where nobody has been asked.
        price_date: of that price, ISO 8601.
    """

    id: str
    name: str
    maker: str
    quantity: int
    price_eur: float | None = None
    price_date: str = ""


def items(parts: Iterable[Part]) -> list[Item]:
    """The bill of a box with ``parts``. Raises HardwareError for a price without its date."""
    path = FOLDER / "bom.toml"
    body = tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        common = [Item(**entry) for entry in body["item"]]
    except (KeyError, TypeError) as error:
        raise HardwareError(f"{path.name}: {error}") from error
    fitted = [
        Item(part.id, part.name, "as named", 1, part.price_eur, part.price_date) for part in parts
    ]
    for item in (*common, *fitted):
        _check(item)
    return [*common, *fitted]


def _check(item: Item) -> None:
    if (item.price_eur is None) != (not item.price_date):
        raise HardwareError(f"{item.id}: expected a price and its date, got one of them")
    if item.price_eur is not None:
        if item.price_eur <= 0:
            raise HardwareError(f"{item.id}: expected a price above 0, got {item.price_eur}")
        try:
            date.fromisoformat(item.price_date)
        except ValueError as error:
            raise HardwareError(f"{item.id}: expected a date, {error}") from error
    if item.quantity < 1:
        raise HardwareError(f"{item.id}: expected a quantity of 1 or more, got {item.quantity}")


def total(bill: Iterable[Item]) -> tuple[float, int]:
    """(EUR of all lines that have a price, how many lines have none)."""
    lines = list(bill)
    known = sum(item.quantity * item.price_eur for item in lines if item.price_eur is not None)
    return known, sum(item.price_eur is None for item in lines)
