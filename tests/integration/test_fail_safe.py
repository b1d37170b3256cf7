"""The fail-safe ladder on a street: what is missing, and what the lamp does without it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from protocol import messages, records
from simulators.street import Street, StreetPlan
from tests.integration.street_client import StreetClient

MIDNIGHT = 1_797_206_400  # 2026-12-14T00:00:00Z
NOON = MIDNIGHT + 12 * 3600


async def test_a_lamppost_that_knows_nothing_is_lit_and_one_with_dead_parts_is_as_any(
    tmp_path: Path,
) -> None:
    plan = StreetPlan(lampposts=1, speed=60)
    async with Street(tmp_path / "street", plan) as street:
        post = street.lampposts[0]
        meter = post.lamp_parts.meter
        assert meter is not None
        meter.absent = True
        post.people_sensor.absent = True
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            await client.status(1)
            await _until(lambda: _told(street, records.EVENT_SENSOR_LOST) != [])
            assert post.view().dimming_level == 100
            assert _told(street, records.EVENT_BURN) == [60]
            assert _told(street, records.EVENT_FAIL_SAFE) == [3], "no clock, no photocell"
            for counter, now, light in ((1, NOON, 0.0), (2, NOON + 12 * 3600, 100.0)):
                request = messages.readings_request(0, 0, 10, time=now)
                await client.sealed(
                    post.provision, messages.READINGS, request, counter, writes=False
                )
                await _until(lambda light=light: post.view().dimming_level == light)
        assert _told(street, records.EVENT_FAIL_SAFE) == [3, 4], "no configuration"
        lamps = _values(street, records.LAMP)
    assert {values[1] for values in lamps} == {records.REASON_FAILSAFE}
    assert [values[2] for values in lamps] == [100, 0, 100]
    assert records.ENERGY not in {
        records.decode(body)[0] for body in street.ledger.records.values()
    }


def _values(street: Street, kind: int) -> list[tuple[int, ...]]:
    found = [records.decode(body) for _, body in sorted(street.ledger.records.items())]
    return [values for of, _, values in found if of == kind]


def _told(street: Street, code: int) -> list[int]:
    return [values[1] for values in _values(street, records.EVENT) if values[0] == code]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the ledger tells nobody
            await asyncio.sleep(0.1)
