"""What the node's log is told of updates."""

from typing import Any

import pytest

from firmware.node.events import Events
from protocol import messages, records


class Log:
    def __init__(self) -> None:
        self.events: list[tuple[int, ...]] = []

    def append(self, kind: int, *values: int) -> bool:
        self.events.append((kind, *values))
        return True


class Boot:
    trial = False
    reverted = ""
    slot = 0
    idle_slot = 1

    def slots(self) -> list[dict[str, Any]]:
        return [{"security_counter": 3}, {"security_counter": 4}]


class Manager:
    state = messages.UPDATE_IDLE
    reason = ""
    code = 0
    taken = 0


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def events(log: Log, manager: Manager) -> Events:
    return Events(log, Boot(), manager)


def _refuse(events: Events, manager: Manager, code: int) -> None:
    for manager.code, manager.reason in ((0, ""), (code, f"refused {code}")):
        events.update_changed()


def _refusals(log: Log, code: int) -> int:
    return log.events.count((records.EVENT, records.EVENT_UPDATE_REFUSED, code))


def test_a_flood_of_refused_uploads_does_not_fill_the_log(
    log: Log, manager: Manager, events: Events
) -> None:
    for _ in range(1000):
        _refuse(events, manager, 5)
        _refuse(events, manager, 6)
        events.replay_refused(1)

    # At 1, 2, 4, ... 512.
    assert (_refusals(log, 5), _refusals(log, 6)) == (10, 10)


def test_the_same_good_image_sent_again_and_again_does_not_either(
    log: Log, manager: Manager, events: Events
) -> None:
    for _ in range(100):
        for manager.state in (messages.UPDATE_UPLOADING, messages.UPDATE_READY):
            events.update_changed()

    assert log.events.count((records.EVENT, records.EVENT_UPDATE_VERIFIED, 4)) == 7


def test_after_anything_else_a_refusal_is_told_again(
    log: Log, manager: Manager, events: Events
) -> None:
    others = (
        lambda: events.lamp_changed(0, 1, 100),
        lambda: events.configured(True, 3),
        lambda: events.lamp_event(records.EVENT_OVERRIDE_SET, 5),
        lambda: events.clock_stepped(500, 5, False),
    )
    for count, other in enumerate(others):
        for _ in range(3):
            _refuse(events, manager, 5)
        assert _refusals(log, 5) == 2 * (count + 1)
        other()
