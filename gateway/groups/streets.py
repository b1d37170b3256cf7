"""The streets of a configuration, for the waves that run along them."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.config.lamppost import LamppostSection
from gateway.config.presence import PresenceSection
from gateway.groups.waves import Habits, Pole


def streets(lampposts: Iterable[LamppostSection], spacing_m: float) -> dict[str, list[Pole]]:
    """Poles by street.

    One without a street is on that of its bus, one without a position where its address has it,
    `spacing_m` metres for each; one with neither street nor bus is on none.
    """
    found: dict[str, list[Pole]] = {}
    for section in lampposts:
        street = section.street or section.bus
        position = section.position_m
        if position is None and section.address is not None:
            position = section.address * spacing_m
        if street is not None and position is not None:
            found.setdefault(street, []).append(Pole(section.node, position))
    return found


def habits(section: PresenceSection) -> Habits:
    """How waves run, by `[presence]`."""
    return Habits(
        section.around, section.ahead, section.behind, section.lookahead_s, section.hold_most_s
    )
