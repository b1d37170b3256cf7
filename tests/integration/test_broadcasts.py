"""One frame for many lamps: groups that dim together, and those ahead of somebody who walks."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from protocol import envelope, keyring, messages
from simulators.lamppost import Lamppost
from simulators.street import Street, StreetPlan
from tests.integration.street_client import StreetClient

NIGHT = 1_797_206_400  # 2026-12-14T00:00:00Z
GROUP_KEY = bytes(range(16))
CONFIGURATION = {
    "lamp/groups": 0b0110,  # the second and the third
    "lamp/burn": 0,
    "lamp/fade_ms": 0,
    "presence/level": 90,
    "presence/idle_level": 40,
    "presence/hold": 3600,
    "presence/fade_ms": 0,
}


async def test_groups_and_the_lamps_ahead_obey_a_broadcast(tmp_path: Path) -> None:
    plan = StreetPlan(lampposts=2, origin=NIGHT, configuration=CONFIGURATION)
    async with Street(tmp_path / "street", plan) as street:
        near, far = street.lampposts
        await street.power_on()
        with StreetClient(street.bus.open_gateway_port()) as client:
            counter = 0

            async def tell(command: int, body: dict[str, object]) -> None:
                nonlocal counter
                counter += 1
                key_id = envelope.FIRST_GROUP_KEY
                await client.broadcast(key_id, GROUP_KEY, command, body, counter)

            for post in (near, far):
                install = keyring.install_request(envelope.FIRST_GROUP_KEY, GROUP_KEY)
                await client.sealed(post.provision, messages.KEYS, install, 1)
                clock = messages.readings_request(0, 0, 10, time=NIGHT)
                await client.sealed(post.provision, messages.READINGS, clock, 2, writes=False)
            await _until(lambda: _levels(near, far) == (40, 40))  # nobody is near

            ahead = bytes([far.provision.address])
            await tell(messages.PRESENCE, messages.presence_request(600, ahead))
            await _until(lambda: _levels(near, far) == (40, 90))

            await tell(messages.LAMP, messages.lamp_request(70, 600, groups=0b0100))
            await _until(lambda: _levels(near, far) == (70, 70))
            await tell(messages.LAMP, messages.lamp_request(20, 600, groups=0b1001))
            for post in (near, far):  # what answers now has heard it
                assert (await client.status(post.provision.address))["l"] == 70
            await tell(messages.LAMP, messages.lamp_request(None, groups=messages.ALL_GROUPS))
            await _until(lambda: _levels(near, far) == (40, 90))


def _levels(*posts: Lamppost) -> tuple[int, ...]:
    return tuple(round(post.view().dimming_level) for post in posts)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - a lamp tells nobody of its light
            await asyncio.sleep(0.1)
