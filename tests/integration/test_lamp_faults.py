"""A street whose lamps break: what the lampposts write down of it."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from protocol import messages, records
from simulators.parts.luminaire import FULL_DUTY, Luminaire
from simulators.street import Street, StreetPlan
from tests.integration.street_client import StreetClient

CONFIGURATION = {
    "lamp/rated_power": 600,
    "lamp/standby_power": 5,
    "lamp/fault_delay": 5,
    "lamp/fade_ms": 0,
    "lamp/burn": 0,
    "counters/period": 60,
}


async def test_a_dead_lamp_and_a_day_burner_are_raised_and_cleared_with_evidence(
    tmp_path: Path,
) -> None:
    complaints: list[str] = []
    plan = StreetPlan(lampposts=2, speed=30, configuration=CONFIGURATION)
    async with Street(tmp_path / "street", plan, complaints.append) as street:
        dead, burner = street.lampposts
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            request = messages.lamp_request(0, 86400, why=3)
            reply = await client.sealed(burner.provision, messages.LAMP, request, counter=1)
            assert reply == {"l": 100}, "it is only about to"
            dead.luminaire.failed = True
            burner.luminaire.stuck_on = True
            burner.luminaire.stuck_duty = FULL_DUTY
            await _until(lambda: len(_faults(street, dead.node)) == 1)
            await _until(lambda: len(_faults(street, burner.node)) == 1)
            assert dead.view().dimming_level == 0
            assert burner.view().dimming_level == 100
            dead.luminaire.failed = False
            burner.luminaire.stuck_on = False
            burner.luminaire.stuck_duty = None
            await _until(lambda: len(_faults(street, dead.node)) == 2)
            await _until(lambda: len(_faults(street, burner.node)) == 2)
            kept = await client.records(dead.node, dead.provision.address)
        assert {row[3] for row in kept} >= set(_bodies(street, dead.node))
    assert complaints == []

    raised, cleared = _faults(street, dead.node)
    fault, up, level, power, expected, voltage = raised
    assert (fault, up, level, expected) == (records.FAULT_LAMP, 1, 100, 600)
    assert 20 <= power <= 30
    assert 2200 <= voltage <= 2400
    assert cleared[:3] == (records.FAULT_LAMP, 0, 100)
    assert 570 <= cleared[3] <= 630

    raised, cleared = _faults(street, burner.node)
    fault, up, level, power, expected, _ = raised
    assert (fault, up, level, expected) == (records.FAULT_DAY_BURNER, 1, 0, 5)
    assert 570 <= power <= 630
    assert cleared[:3] == (records.FAULT_DAY_BURNER, 0, 0)

    lamps = _values(street, dead.node, records.LAMP)
    assert lamps == [(100, records.REASON_FAILSAFE, 100)], "lit, since nobody told it the time"
    counted = _values(street, dead.node, records.COUNTERS)
    assert counted[0] in ((1, 1), (2, 1))
    assert counted[-1][0] > counted[0][0]
    dark = _values(street, burner.node, records.COUNTERS)
    assert dark[-1] == dark[-2], "what burns without being asked to is no burning of ours"


def _break(lamp: Luminaire, fault: int) -> None:
    """Break a lamp so that it has `fault`, at 40 %, or at 0 for a relay that does not open."""
    if fault == records.FAULT_CYCLING:
        began = time.monotonic()
        lamp.out = lambda: int(time.monotonic() - began) // 6 % 2 == 1
    elif fault == records.FAULT_DIMMING:
        lamp.stuck_duty = FULL_DUTY
    elif fault == records.FAULT_POWER_HIGH:
        lamp.power_scale = 1.5
    elif fault == records.FAULT_POWER_LOW:
        lamp.power_scale = 0.5
    else:
        lamp.stuck_open = True


@pytest.mark.soak
async def test_every_other_fault_is_told_of_the_lamp_that_has_it_and_of_no_other(
    tmp_path: Path,
) -> None:
    wrong = (
        records.FAULT_CYCLING,
        records.FAULT_DIMMING,
        records.FAULT_POWER_HIGH,
        records.FAULT_POWER_LOW,
        records.FAULT_RELAY,
    )
    # Samples are taken by the clock of the machine: a cycle has to be long enough to be seen.
    configuration = {**CONFIGURATION, "lamp/fault_delay": 60}
    plan = StreetPlan(lampposts=len(wrong) + 1, speed=10, configuration=configuration)
    async with Street(tmp_path / "street", plan) as street:
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            for post in street.lampposts:
                request = messages.lamp_request(40, 86400)
                await client.sealed(post.provision, messages.LAMP, request, counter=1)
            for fault, post in zip(wrong, street.lampposts, strict=False):
                _break(post.luminaire, fault)
            for fault, post in zip(wrong, street.lampposts, strict=False):
                await _until(lambda fault=fault, post=post: fault in _raised(street, post.node))
        dark = _raised(street, street.lampposts[4].node)
        told = [_raised(street, post.node) for post in street.lampposts]
    assert dark == {records.FAULT_LAMP, records.FAULT_RELAY}, "no light either"
    assert told[1:4] == [{fault} for fault in wrong[1:4]]
    assert told[5] == set(), "a lamp that is well"


def _raised(street: Street, node: str) -> set[int]:
    return {fault for fault, up, *_ in _faults(street, node) if up}


def _bodies(street: Street, node: str) -> list[bytes]:
    return [body for key, body in sorted(street.ledger.records.items()) if key[0] == node]


def _values(street: Street, node: str, kind: int) -> list[tuple[int, ...]]:
    found = [records.decode(body) for body in _bodies(street, node)]
    return [values for of, _, values in found if of == kind]


def _faults(street: Street, node: str) -> list[tuple[int, ...]]:
    return _values(street, node, records.FAULT)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(90):
        while not condition():  # noqa: ASYNC110 - the ledger tells nobody
            await asyncio.sleep(0.1)
