"""The fail-safe ladder on a street: what is missing, and what the lamp does without it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from firmware.node.lamp import failsafe
from protocol import messages, records
from simulators.lamppost import Lamppost
from simulators.parts.photocell import Photocell
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


async def test_without_a_clock_a_photocell_decides_for_as_long_as_it_works(tmp_path: Path) -> None:
    plan = StreetPlan(
        lampposts=2,
        speed=60,
        origin=NOON,
        parts={"photocell": 2},
        configuration={"photocell/delay": 0, "lamp/burn": 0, "lamp/fade_ms": 0},
    )
    async with Street(tmp_path / "street", plan) as street:
        open_sky, covered = street.lampposts
        _cell(covered).covered = True
        await street.power_on()
        await _until(lambda: open_sky.view().dimming_level == 0)
        assert covered.view().dimming_level == 100
        _cell(open_sky).shorted = True
        await _until(lambda: open_sky.view().dimming_level == 100)
        assert covered.view().dimming_level == 100
        rungs = [_told(street, records.EVENT_FAIL_SAFE, post) for post in (open_sky, covered)]
    dark = [failsafe.CLOCK, failsafe.PHOTOCELL]
    assert rungs == [[*dark, failsafe.CLOCK], dark]


def _cell(post: Lamppost) -> Photocell:
    cell = post.lamp_parts.photocell
    assert cell is not None
    return cell


def _values(street: Street, kind: int, post: Lamppost | None = None) -> list[tuple[int, ...]]:
    found = [
        records.decode(body)
        for (node, *_), body in sorted(street.ledger.records.items())
        if post is None or node == post.node
    ]
    return [values for of, _, values in found if of == kind]


def _told(street: Street, code: int, post: Lamppost | None = None) -> list[int]:
    return [values[1] for values in _values(street, records.EVENT, post) if values[0] == code]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - the ledger tells nobody
            await asyncio.sleep(0.1)
