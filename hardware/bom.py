"""The bill of materials: a board's parts and what every box has besides."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

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
    for item in common:
        if (item.price_eur is None) != (not item.price_date):
            raise HardwareError(f"{path.name}: {item.id}: expected a price and its date, got one")
        if item.quantity < 1:
            raise HardwareError(f"{path.name}: {item.id}: expected a quantity of 1 or more")
    return [*common, *(Item(part.id, part.name, "as named", 1) for part in parts)]
