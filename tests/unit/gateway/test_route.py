"""Which link the city is told a lamppost is reached by."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from gateway import logs
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.route import Route


def channel(kind: str) -> Any:
    return SimpleNamespace(kind=kind, available=True)


def test_the_city_is_told_of_the_link_that_answered_and_of_each_change() -> None:
    bus, ble = channel("bus"), channel("ble")
    route = Route([bus, ble], lambda: 0.0)
    session = cast("Any", SimpleNamespace(route=route))
    lamppost = Lamppost(bytes(6), "post", session, logs.get())
    told: list[str | None] = []
    lamppost.changed = lambda: told.append(lamppost.reached_by)

    route.answered(bus)
    lamppost.heard(1)
    told.clear()
    lamppost.heard(2)
    assert told == [], "nothing new"

    # One that does not answer is not told of, though it is tried first.
    for _ in range(3):
        route.failed(bus)
    assert (route.best.kind, lamppost.reached_by) == ("ble", "bus")
    route.answered(ble)
    lamppost.heard(3)
    route.answered(bus)
    lamppost.heard(4)
    assert told == ["ble", "bus"]
