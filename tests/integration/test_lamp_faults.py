"""A street whose lamps break: what the lampposts write down of it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from protocol import messages, records
from simulators.parts.luminaire import FULL_DUTY
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
    assert dark[-1][0] <= 3, "what burns without being asked to is no burning of ours"


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
