"""Broadcasts on a bus of 128 lampposts, in line time: presence waves, and a group that dims.

The gateway's own classes on `simulators.bus`, without the machine's clock: what is printed is what
the line, the windows and the lampposts take, whatever this machine does meanwhile. A lamppost takes
as long as an ESP32 is thought to (`tests.unit.gateway.linetime.esp32`); nobody has measured that.
"""

from __future__ import annotations

import asyncio
import json
import random
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from gateway.groups.dimming import GroupDimming
from gateway.groups.waves import Habits
from gateway.lampposts.turns import Traffic
from gateway.logs import get
from protocol import busframe
from tests.bench.rows import Row
from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import eventually, street
from tests.unit.gateway import linetime
from tests.unit.gateway.linetime import FULL_BYTES, IDLE_BYTES, Street

_EVENTS = 200
_COMMANDS = 100
_PUBLISHED = 20
_NOW = 1_800_000_000
_COMMIT_S = 0.005  # the command is noted on disk before it is said


def run() -> list[Row]:
    """Measure idle lampposts, and lampposts that all have a backlog of records."""
    found: list[Row] = []
    for reply_bytes, what in ((IDLE_BYTES, "idle"), (FULL_BYTES, "with a backlog")):
        took, share = linetime.run(_waves(reply_bytes))
        note = f"{_EVENTS} events, one at a time; sensor edge to both neighbours having the command"
        found += [
            Row("waves", f"presence wave, 128 {what}, p50", _ms(took, 0.5), "ms", note),
            Row("waves", f"presence wave, 128 {what}, p95", _ms(took, 0.95), "ms"),
            Row("waves", f"presence wave, 128 {what}, most", _ms(took, 1), "ms", "bound: 300"),
            Row("waves", f"line held by calls and waves, 128 {what}", 100 * share, "%"),
        ]  # fmt: skip
    for reply_bytes, what in ((IDLE_BYTES, "idle"), (FULL_BYTES, "with a backlog")):
        took = linetime.run(_dimming(reply_bytes))
        note = f"{_COMMANDS} commands; taken from the broker to the last of 128 having it"
        found += [
            Row("waves", f"group dimming, 128 {what}, p50", _ms(took, 0.5), "ms", note),
            Row("waves", f"group dimming, 128 {what}, p95", _ms(took, 0.95), "ms"),
            Row("waves", f"group dimming, 128 {what}, most", _ms(took, 1), "ms", "bound: 100"),
        ]
    took = asyncio.run(_software())
    note = (
        f"{_PUBLISHED} commands; mosquitto, a gateway process, 128 scripted lampposts; this machine"
    )
    found += [
        Row(
            "waves",
            "group dimming, from publish to its first byte, p50",
            _ms(took, 0.5),
            "ms",
            note,
        ),
        Row("waves", "group dimming, from publish to its first byte, p95", _ms(took, 0.95), "ms"),
    ]
    return found


def _ms(took: list[float], share: float) -> float:
    ordered = sorted(took)
    return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def _waves(reply_bytes: int) -> tuple[list[float], float]:
    # Short holds, so that each event has lamps to light.
    road, chance = Street(habits=Habits(hold_most_s=10)), random.Random(3)
    road.buses["bus0"].reply_bytes = reply_bytes
    turns = road.broadcasters["bus0"].turns
    took: list[float] = []
    async with road.alive():
        await asyncio.sleep(1)
        held, began = turns.held_s[Traffic.PRESENCE], time.monotonic()
        for number in range(_EVENTS):
            place = 1 + (37 * number) % 126
            near = [road.posts[road.nodes[place + way]] for way in (-1, 1)]
            for post in near:
                post.told.clear()
            await asyncio.sleep(chance.uniform(0.5, 0.7))
            edge = time.monotonic()
            await asyncio.sleep(chance.uniform(0, 0.05))  # the sampler looks so often
            road.posts[road.nodes[place]].sees()
            await asyncio.sleep(1.5)
            took.append(max(post.told[0][0] for post in near) - edge)
        share = (turns.held_s[Traffic.PRESENCE] - held) / (time.monotonic() - began)
    return took, share


class _Heard:
    """A command's broadcast as the state of the gateway sees it: each is new."""

    async def first_time(self, digest: bytes, expires: int, now: int) -> bool:
        await asyncio.sleep(_COMMIT_S)
        return True


async def _dimming(reply_bytes: int) -> list[float]:
    road, chance = Street(), random.Random(5)
    road.buses["bus0"].reply_bytes = reply_bytes
    took: list[float] = []
    async with road.alive():
        for broadcaster in road.broadcasters.values():
            broadcaster.keys.has = lambda lamppost: True  # type: ignore[method-assign]
        for number in range(_COMMANDS):
            dimming = _dimmer(road)
            for post in road.posts.values():
                post.commanded.clear()
            await asyncio.sleep(chance.uniform(0.5, 0.7))
            began = time.monotonic()
            document = {"command": "lamp", "level": number, "seconds": 60, "expires": _NOW + 60}
            await dimming.received(0, json.dumps(document).encode())
            await asyncio.sleep(0.6)
            took.append(max(post.commanded[0] for post in road.posts.values()) - began)
            await dimming.close()
    return took


async def _software() -> list[float]:
    """What the machine adds: broker, gateway, disk and seal; its pty takes no line time."""
    bus = FakeBus([FakeNode(address) for address in range(1, 129)])
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        async with street(Path(folder), bus) as town:
            await town.gateway.start()
            await eventually(lambda: len(bus.requests) > 400, "polls")
            await eventually(lambda: town.city.status.get("state") == "online", "connected")
            for number in range(_PUBLISHED):
                before, began = _broadcasts(bus), time.monotonic()
                document = {"command": "lamp", "level": number, "seconds": 60}
                document["expires"] = int(time.time()) + 60
                text = json.dumps(document)
                await town.city.publish("cabinet-1/group/all/command", text, retain=False)
                while _broadcasts(bus) == before:  # noqa: ASYNC110 - a pty has no event for it
                    await asyncio.sleep(0.0005)
                took.append(time.monotonic() - began)
                await asyncio.sleep(0.7)
    return took


def _broadcasts(bus: FakeBus) -> int:
    return sum(control == busframe.BROADCAST for _, control in bus.frames)


def _dimmer(road: Street) -> GroupDimming:
    clock = cast("Any", SimpleNamespace(now=lambda: _NOW))
    for lamppost in road.lampposts.values():
        # Who heard it is asked one by one afterwards, which is not what is measured here.
        lamppost.session = cast("Any", SimpleNamespace(route=_ROUTE, ask=_nothing))
    return GroupDimming(road.lampposts, road.broadcasters, cast("Any", _Heard()), clock, get())


_ROUTE = SimpleNamespace(best=SimpleNamespace(kind="bus"))


async def _nothing(*_: object, **__: object) -> None:
    await asyncio.sleep(3600)
