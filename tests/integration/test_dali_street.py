"""A lamppost whose driver is DALI-2 gear: its light and its failure, through frames on the bus."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from firmware.node.lamp import dali
from protocol import messages, records
from simulators.street import Street, StreetPlan
from tests.integration.street_client import StreetClient

CONFIGURATION = {
    "lamp/rated_power": 600,
    "lamp/standby_power": 5,
    "lamp/fault_delay": 5,
    "lamp/fade_ms": 0,
    "lamp/burn": 0,
}


async def test_a_dali_lamp_is_dimmed_put_out_and_its_own_word_of_a_failure_is_told(
    tmp_path: Path,
) -> None:
    plan = StreetPlan(lampposts=1, speed=30, parts={"output": 2}, configuration=CONFIGURATION)
    async with Street(tmp_path / "street", plan) as street:
        post = street.lampposts[0]
        gear = post.lamp_parts.gear
        assert gear is not None
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:

            async def command(level: int, counter: int) -> None:
                request = messages.lamp_request(level, 86400)
                await client.sealed(post.provision, messages.LAMP, request, counter)

            await command(40, 1)
            await _until(lambda: gear.level == dali.arc_level(40))
            assert abs(post.view().dimming_level - 40) < 1
            await command(0, 2)
            await _until(lambda: not post.luminaire.fed)
            assert post.view().dimming_level == 0
            await command(100, 3)
            await _until(lambda: gear.level == dali.FULL)
            gear.lamp_failed = True  # a part of its LEDs: it draws what it drew
            await _until(lambda: _faults(street) != [])
    # When a frame comes is here a matter of how busy this machine is: that is a unit test's.
    assert {*gear.faults} <= {"a frame came too early"}
    (raised,) = _faults(street)
    assert raised[:3] == (records.FAULT_LAMP, 1, 100)
    assert 550 <= raised[3] <= 650


def _faults(street: Street) -> list[tuple[int, ...]]:
    found = [records.decode(body) for _, body in sorted(street.ledger.records.items())]
    return [values for of, _, values in found if of == records.FAULT]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - the model of the gear tells nobody
            await asyncio.sleep(0.1)
