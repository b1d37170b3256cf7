"""Kill -9 in each state of an update, before and after it is on the disk: installed once.

The truth is the lampposts': how often each began a file, took each chunk, started and confirmed the
image.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from gateway.updates.steps import Step
from protocol import messages, multicast, smp
from tests.integration.gateway import mortal
from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import Street, eventually, street
from tests.integration.gateway.test_updates import IMAGE, UPLOAD, offer, release, state

MULTICAST = (smp.GROUP_STREET, messages.MULTICAST)
RESET = (smp.GROUP_OS, smp.OS_RESET)
MARK = (smp.GROUP_IMAGE, smp.IMAGE_STATE)
# So that a chunk takes long enough to be in the midst of them, and all no more than a second.
BAUD = "baud = 230400"
CHUNK = 1024
CHUNKS = multicast.chunk_count(len(IMAGE), CHUNK)


async def begin(town: Street, bus: FakeBus) -> None:
    await offer(town)
    for node in bus.nodes.values():
        await town.city.want(node.hex, "desired/release", release())


async def killed_at(town: Street, step: str, moment: str) -> None:
    """Run the gateway until it dies of itself."""
    town.gateway.program = ["tests.integration.gateway.mortal", step, moment]
    await town.gateway.start()
    assert await town.gateway.wait() == -9


async def killed_when(town: Street, node: FakeNode, request: tuple[int, int], count: int) -> None:
    """Run the gateway until `node` has heard `request` so often: the answer finds nobody."""
    heard = 0
    reached = asyncio.Event()

    def watch(group: int, command: int) -> None:
        nonlocal heard
        heard += (group, command) == request
        if heard == count and not reached.is_set():
            reached.set()
            town.gateway.kill_now()

    node.on_request = watch
    town.gateway.program = ["gateway.main"]
    await town.gateway.start()
    await asyncio.wait_for(reached.wait(), 60)
    await town.gateway.kill()
    node.on_request = lambda group, command: None


async def ends_well(town: Street, bus: FakeBus) -> None:
    """The gateway is started for the last time; what each lamppost remembers is as it should be."""
    town.gateway.program = ["gateway.main"]
    await town.gateway.start()
    nodes = list(bus.nodes.values())
    await eventually(lambda: all(state(town, node) == "confirmed" for node in nodes), "confirmed")
    for node in nodes:
        assert node.started == [IMAGE[-32:]], "it was started once"
        assert node.running.hash == IMAGE[-32:]
        assert node.running.confirmed
        assert (node.resets, node.uploads_finished) == (1, 1)


def fleet(count: int) -> FakeBus:
    return FakeBus([FakeNode(address) for address in range(1, count + 1)])


def each_chunk_once(bus: FakeBus) -> None:
    for node in bus.nodes.values():
        assert (node.reception.starts, node.reception.taken, node.chunks) == (1, CHUNKS, 0)


async def test_a_multicast_killed_in_one_state_after_another_is_installed_once(
    tmp_path: Path,
) -> None:
    bus = fleet(3)
    async with street(tmp_path, bus) as town:
        town.gateway.write_config(bus=BAUD)
        await begin(town, bus)
        await killed_at(town, Step.MULTICAST, "after")
        # In the midst of it.
        await killed_when(town, bus.nodes[2], MULTICAST, CHUNKS // 2)
        taken = [node.reception.taken for node in bus.nodes.values()]
        assert min(taken) > CHUNKS // 3
        await killed_at(town, Step.TEST, "before")
        await killed_at(town, Step.TRIAL, "after")
        await ends_well(town, bus)
        each_chunk_once(bus)


async def test_an_upload_killed_half_way_and_while_it_restarts_the_lamppost_goes_on(
    tmp_path: Path,
) -> None:
    bus = fleet(1)
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        await begin(town, bus)
        await killed_when(town, node, UPLOAD, 9)
        await killed_when(town, node, RESET, 1)
        await ends_well(town, bus)
        # Each byte once, but for the chunk whose answer was lost.
        assert node.chunks <= len(IMAGE) // 1100 + 3


STEPS = [step for step in Step if step not in (Step.REFUSED, Step.FAILED, Step.REVERTED)]


@pytest.mark.soak
@pytest.mark.parametrize("moment", mortal.MOMENTS)
@pytest.mark.parametrize("step", [step for step in STEPS if step is not Step.UPLOAD])
async def test_a_multicast_killed_at_any_step_is_installed_once(
    tmp_path: Path, step: Step, moment: str
) -> None:
    bus = fleet(3)
    async with street(tmp_path, bus) as town:
        town.gateway.write_config(bus=BAUD)
        await begin(town, bus)
        await killed_at(town, step, moment)
        await ends_well(town, bus)
        each_chunk_once(bus)


@pytest.mark.soak
@pytest.mark.parametrize("moment", mortal.MOMENTS)
@pytest.mark.parametrize("step", [step for step in STEPS if step is not Step.MULTICAST])
async def test_an_upload_killed_at_any_step_is_installed_once(
    tmp_path: Path, step: Step, moment: str
) -> None:
    bus = fleet(1)
    async with street(tmp_path, bus) as town:
        await begin(town, bus)
        await killed_at(town, step, moment)
        await ends_well(town, bus)
        assert bus.nodes[1].chunks <= len(IMAGE) // 1100 + 2


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(8))
async def test_an_update_killed_again_and_again_at_random_is_installed_once(
    tmp_path: Path, seed: int
) -> None:
    """In any state, between any two requests."""
    chance = random.Random(seed)
    bus = fleet(chance.choice([1, 3]))
    async with street(tmp_path, bus) as town:
        town.gateway.write_config(bus=BAUD)
        await begin(town, bus)
        kills = 0
        for _ in range(6):
            # An upload to one takes two dozen requests.
            kills += await killed_after(town, bus, chance.randrange(1, 20))
        assert kills
        await ends_well(town, bus)
        for node in bus.nodes.values():
            assert node.reception.starts <= 1
            # Each byte once, by either way, but for chunks whose answer was lost.
            assert node.reception.taken <= CHUNKS
            assert node.chunks <= len(IMAGE) // 1000 + kills


async def killed_after(town: Street, bus: FakeBus, count: int) -> bool:
    """Kill the gateway after `count` requests about the update; False when it was over before."""
    heard = 0
    reached = asyncio.Event()

    def watch(group: int, command: int) -> None:
        nonlocal heard
        heard += (group, command) in (MULTICAST, UPLOAD, MARK, RESET)
        if heard == count:
            town.gateway.kill_now()
        installed = all(node.running.hash == IMAGE[-32:] for node in bus.nodes.values())
        if heard >= count or installed:
            reached.set()

    for node in bus.nodes.values():
        node.on_request = watch
    town.gateway.program = ["gateway.main"]
    await town.gateway.start()
    await asyncio.wait_for(reached.wait(), 120)
    await town.gateway.kill()
    for node in bus.nodes.values():
        node.on_request = lambda group, command: None
    return heard >= count
