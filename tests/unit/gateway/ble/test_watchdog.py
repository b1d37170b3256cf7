"""Silence: the scan, then the adapter, then a person."""

from __future__ import annotations

from gateway.ble.watchdog import Step, Watchdog


def _steps(dog: Watchdog, until: float) -> list[tuple[float, Step]]:
    taken: list[tuple[float, Step]] = []
    now = 0.0
    while now < until:
        step, wait = dog.due(now)
        if step is not Step.NOTHING:
            taken.append((now, step))
        now += wait
    return taken


def test_silence_restarts_the_scan_then_the_adapter_then_raises_an_alarm() -> None:
    dog = Watchdog(90, 0)
    assert _steps(dog, 300) == [
        (90, Step.RESTART_SCAN),
        (180, Step.POWER_CYCLE),
        (270, Step.ALARM),
    ]
    assert dog.silent


def test_an_advert_sets_it_back_and_ends_the_alarm() -> None:
    dog = Watchdog(90, 0)
    _steps(dog, 300)
    dog.heard(400)
    assert not dog.silent
    assert dog.due(489) == (Step.NOTHING, 1)
    assert dog.due(490)[0] is Step.RESTART_SCAN


def test_a_dead_adapter_is_switched_again_only_now_and_then() -> None:
    taken = _steps(Watchdog(90, 0), 90 * 100 + 1)
    cycles = [step for _, step in taken if step is Step.POWER_CYCLE]
    assert len(cycles) == 11
    assert [step for _, step in taken].count(Step.ALARM) == 1
