"""Whoever can raise many alarms of one kind keeps the others out of nobody's sight."""

from __future__ import annotations

from gateway.alarms import Alarms
from tests.fuzz.harness import Silent, clock


def test_many_alarms_of_one_name_leave_room_for_others_and_are_told_once() -> None:
    log = Silent()
    alarms = Alarms(clock(), log)  # type: ignore[arg-type]
    for address in range(247):
        alarms.set("bus_duplicate_address", "two lampposts", subject=f"north/{address}")
    alarms.set("disk_full", "no room", "critical")
    names = [alarm.name for alarm in alarms.raised]
    assert names.count("bus_duplicate_address") == 10
    assert names[0] == "disk_full"
    assert log.loud == 10 + 1 + 1, "each that is raised, and once that there are more"
    alarms.over("bus_duplicate_address", "north/0")
    alarms.set("bus_duplicate_address", "two lampposts", subject="north/200")
    assert len(alarms.raised) == 11
