"""Groups and waves with real nodes on a bus, and by a real gateway from a real broker."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from firmware.node import parts
from gateway.buffer.database import open_checked
from gateway.buffer.groupkeys import GroupKeyStore
from gateway.buffer.state import State
from gateway.buffer.writer import Writer
from gateway.bus.channel import BusChannel
from gateway.bus.port import Port
from gateway.bus.transaction import Line
from gateway.config.presence import PresenceSection
from gateway.groups.broadcast import Broadcaster
from gateway.groups.dimming import GroupDimming
from gateway.groups.escort import Escort
from gateway.groups.keys import GroupKeys
from gateway.groups.watch import Watch
from gateway.groups.waves import Habits, Pole, Waves
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.route import Route
from gateway.lampposts.session import Session
from gateway.lampposts.turns import Traffic, Turns
from gateway.logs import get
from protocol import messages, smp
from simulators.lamppost import Lamppost as SimulatedLamppost
from simulators.parts.pir import PirPair
from simulators.street import Street, StreetPlan

NIGHT = 1_797_206_400  # 2026-12-14T00:00:00Z
CONFIGURATION = {
    "lamp/groups": 0b0110,
    "lamp/burn": 0,
    "lamp/fade_ms": 0,
    "presence/level": 90,
    "presence/idle_level": 40,
    "presence/hold": 3600,
    "presence/fade_ms": 0,
}
# Nodes share two cores with everything else that is tested at the time.
PATIENT = PresenceSection.model_validate({"window_ms": 250, "call_ms": 300, "line_share": 0.9})


class Cabinet:
    """The gateway's side of a simulated street's bus, without polling."""

    def __init__(self, street: Street, writer: Writer) -> None:
        self.port = Port(street.bus.open_gateway_port(), 115_200, False, get())
        self.line, self.turns = Line(self.port, 2.0), Turns()
        state = State(writer)
        self.lampposts: dict[bytes, Lamppost] = {}
        for post in street.lampposts:
            who = post.provision
            node = bytes.fromhex(who.node)
            route = Route([BusChannel(who.address, self.line, self.turns, 5)])
            session = Session(node, who.key, who.key_id, route, state, get())
            self.lampposts[node] = Lamppost(node, who.name, session, get(), "bus", who.address)
        keys = GroupKeys("bus", list(self.lampposts.values()), GroupKeyStore(writer), get())
        self.broadcaster = Broadcaster(self.line, self.turns, keys)
        broadcasters = {"bus": self.broadcaster}
        clock = cast("Any", SimpleNamespace(now=lambda: NIGHT))
        self.dimming = GroupDimming(self.lampposts, broadcasters, state, clock, get())
        poles = [Pole(post.node, 30.0 * (post.address or 0)) for post in self.lampposts.values()]
        waves = Waves({"street": poles}, Habits(around=1, hold_most_s=3600))
        self.escort = Escort(waves, self.lampposts, broadcasters, get())
        self.watch = Watch(
            "bus", list(self.lampposts.values()), self.broadcaster, self.escort, PATIENT,
            lambda: True,
        )  # fmt: skip

    async def meet(self, lamppost: Lamppost) -> None:
        """As at first contact: what it is, the time, the key."""
        lamppost.heard(NIGHT)
        lamppost.take_facts(await management.status(lamppost), time.monotonic())
        clock = management.readings(0, 0, 10, None, NIGHT)
        await lamppost.session.ask(clock, Traffic.POLL)
        await self.broadcaster.keys.install(lamppost)


@asynccontextmanager
async def cabinet(street: Street, folder: Path) -> AsyncGenerator[Cabinet]:
    writer = Writer(open_checked(folder / "gateway.db", get()), lambda why: None)
    writer.start()
    made = Cabinet(street, writer)
    await made.broadcaster.keys.load()
    tasks = [asyncio.create_task(made.port.run())]
    await made.port.opened.wait()
    try:
        for lamppost in made.lampposts.values():
            await made.meet(lamppost)
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await made.dimming.close()
        writer.close()


def levels(street: Street) -> list[int]:
    return [round(post.view().dimming_level) for post in street.lampposts]


def pir(post: SimulatedLamppost) -> PirPair:
    part = post.lamp_parts.presence
    assert isinstance(part, PirPair)
    return part


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - a lamp tells nobody of its light
            await asyncio.sleep(0.05)


def plan(lampposts: int) -> StreetPlan:
    return StreetPlan(
        lampposts=lampposts,
        origin=NIGHT,
        configuration=CONFIGURATION,
        parts={"presence": parts.PIR_PAIR},
        crowd=1e-9,
    )


async def command(made: Cabinet, group: int, level: int | None) -> None:
    document = {
        "command": "lamp",
        "level": level,
        "seconds": 600,
        "expires": NIGHT + 60 + (level or 0),
    }
    await made.dimming.received(group, json.dumps(document).encode())
    await until(lambda: not made.dimming._orders)  # pyright: ignore[reportPrivateUsage]


async def test_real_nodes_obey_a_group_and_light_the_way_of_who_a_neighbour_saw(
    tmp_path: Path,
) -> None:
    async with Street(tmp_path / "street", plan(2)) as street:
        await street.power_on()
        async with cabinet(street, tmp_path) as made:
            await until(lambda: levels(street) == [40, 40])
            keys = made.broadcaster.keys
            assert all(keys.has(lamppost) for lamppost in made.lampposts.values())
            await command(made, 2, 70)
            # Who has taken a command says so before the lamp's next step.
            await until(lambda: levels(street) == [70, 70])
            await command(made, 0, None)
            await until(lambda: levels(street) == [40, 40])
            assert (made.dimming.done, made.dimming.missed, made.broadcaster.said) == (4, 0, 2)

            # Heard by a call, and sealed on to the second, which has seen nobody.
            assert await made.line.call(0, 0, b"\xff", 0.25) == ([], False)
            pir(street.lampposts[0]).stuck = True
            watch = asyncio.create_task(made.watch.run())
            made.watch._caller._heard = b""  # pyright: ignore[reportPrivateUsage]
            await until(lambda: levels(street) == [90, 90])
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            assert made.escort.sent >= 1


@pytest.mark.soak
async def test_real_nodes_are_told_apart_and_followed_when_they_start_anew(tmp_path: Path) -> None:
    async with Street(tmp_path / "street", plan(3)) as street:
        await street.power_on()
        async with cabinet(street, tmp_path) as made:
            await until(lambda: levels(street) == [40, 40, 40])
            await command(made, 2, 70)
            await until(lambda: levels(street) == [70, 70, 70])
            await command(made, 1, 20)
            assert levels(street) == [70, 70, 70], "that was for another group"
            await command(made, 0, None)
            await until(lambda: levels(street) == [40, 40, 40])

            # Two that saw somebody, told apart on the line; told again until they are heard.
            assert await made.line.call(0, 0, b"\xff", 0.25) == ([], False)
            for post in street.lampposts[:2]:
                pir(post).stuck = True
            await until(lambda: levels(street) == [90, 90, 40])
            odd: set[int] = set()
            even: set[int] = set()
            for _ in range(20):
                odd |= {who for who, _ in (await made.line.call(1, 1, b"", 0.25)).answers}
                even |= {who for who, _ in (await made.line.call(1, 0, b"", 0.25)).answers}
                if odd and even:
                    break
            assert (odd, even) == ({1}, {2})
            assert levels(street) == [90, 90, 40], "nothing is lit by a call"

            # One that starts anew is followed: its counter is beyond ours, and the key still there.
            post = made.lampposts[next(iter(made.lampposts))]
            reset = smp.pack(smp.OP_WRITE, smp.GROUP_OS, 0, smp.OS_RESET, {})
            await post.session.ask(reset, Traffic.COMMAND, idempotent=False)
            before = post.facts
            while post.facts is None or before is None or post.facts["epoch"] == before["epoch"]:
                post.take_facts(await management.status(post), time.monotonic())
            keys = made.broadcaster.keys
            assert not keys.has(post)
            await keys.install(post)
            await made.broadcaster.say(management.lamp(15, 600, 9, messages.ALL_GROUPS))
            await until(lambda: levels(street) == [15, 15, 15])
