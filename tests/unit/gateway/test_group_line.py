"""Broadcasts and calls on a line that stalls, echoes and garbles; topics and streets of groups."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bus.transaction import Line
from gateway.config.lamppost import LamppostSection
from gateway.config.presence import PresenceSection
from gateway.errors import LinkUnavailable
from gateway.groups.streets import habits, streets
from gateway.groups.waves import Habits
from gateway.uplink.topics import Topics
from protocol import busframe
from simulators.bus import Bus
from tests.unit.gateway.linetime import LinePort, run


def test_a_broadcast_is_said_twice_in_the_same_bytes_and_has_been_said_when_it_is_back() -> None:
    async def main() -> None:
        bus = Bus()
        heard: list[tuple[float, bytes]] = []
        loop = asyncio.get_running_loop()
        bus.join(lambda data: heard.append((loop.time(), data)))
        line = Line(cast("Any", LinePort(bus)), 0.25)
        await line.broadcast(bytes(80), 2)
        (at, data), now = heard[0], loop.time()
        assert at <= now + 1e-6
        half = len(data) // 2
        assert data[:half] == data[half:]
        frames = busframe.Deframer().feed(data)
        assert frames == [(255, busframe.BROADCAST, frames[0][2], bytes(80))] * 2

    run(main())


def test_a_broadcast_that_stalls_is_taken_back_lest_it_is_said_later() -> None:
    async def main() -> None:
        bus = Bus()
        port = LinePort(bus)
        taken: list[bool] = []
        stuck = SimpleNamespace(
            baud=port.baud, deframer=port.deframer, send=lambda data: None, unsent=90,
            take_back=lambda: taken.append(True), babble=port.babble, heard=0.0,
        )  # fmt: skip
        with pytest.raises(LinkUnavailable, match="does not get on to the line"):
            await Line(cast("Any", stuck), 0.25).broadcast(bytes(80), 2)
        assert taken

    run(main())


@pytest.mark.parametrize("echo", [False, True])
def test_a_call_hears_answers_garbling_and_silence_apart(echo: bool) -> None:
    async def main() -> None:
        bus = Bus()
        says: list[tuple[float, bytes]] = []
        loop = asyncio.get_running_loop()
        mouths = [bus.join(lambda data: None) for _ in range(3)]

        def hear(data: bytes) -> None:
            if [frame[1] for frame in busframe.Deframer().feed(data)] != [busframe.CALL]:
                return
            for mouth, (after, words) in zip(mouths, says, strict=False):
                loop.call_later(after, mouth.transmit, words)

        ear = bus.join(hear)
        port = LinePort(bus)
        if echo:
            # The transceiver hears itself: what is sent comes back, before any answer.
            send = port.send

            def send_and_hear(data: bytes) -> None:
                send(data)
                loop.call_later(len(data) * 10 / 115_200, port._deliver, data)  # pyright: ignore

            port.send = send_and_hear  # type: ignore[method-assign]
        line = Line(cast("Any", port), 0.25)

        def answer(address: int, count: int, sequence: int) -> bytes:
            return busframe.encode(address, busframe.CALL_REPLY, sequence, bytes((count,)))

        async def call(*words: tuple[float, bytes]) -> tuple[list[tuple[int, int]], bool]:
            says[:] = words
            return tuple(await line.call(0, 0, b"", 0.02))  # type: ignore[return-value]

        def coming() -> int:
            return (line._sequence + 1) & 0xFF  # pyright: ignore[reportPrivateUsage]

        assert await call() == ([], False)
        assert await call((0.004, answer(7, 3, coming()))) == ([(7, 3)], False)
        two = (0.002, answer(7, 3, coming())), (0.010, answer(9, 1, coming()))
        assert await call(*two) == ([(7, 3), (9, 1)], False), "one after the other"
        both = (0.0020, answer(7, 3, coming())), (0.0022, answer(9, 1, coming()))
        assert await call(*both) == ([], True)
        assert await call() == ([], False), "what was garbled before is not this call's"
        assert await call((0.004, answer(7, 3, coming())[:7])) == ([], True), "cut short"
        assert await call() == ([], False), "nor that"
        assert await call((0.004, answer(7, 3, 200))) == ([], False), "to another call"
        assert await call((0.004, answer(250, 3, coming()))) == ([], False), "no such address"
        assert await call((0.019, answer(7, 4, coming()))) == ([(7, 4)], False), "just in time"
        assert ear

    run(main())


def test_group_topics_are_those_of_this_gateway_and_of_groups_that_can_be() -> None:
    topics = Topics("cabinet-7")
    base = "lamplighter/v1/cabinet-7"
    assert topics.parse_group(f"{base}/group/all/command") == 0
    assert [topics.parse_group(f"{base}/group/{n}/command") for n in (1, 9, 10, 16)] == [
        1, 9, 10, 16
    ]  # fmt: skip
    for wrong in ("0", "17", "01", "+", "", "all/x", "1 "):
        assert topics.parse_group(f"{base}/group/{wrong}/command") is None
    assert topics.parse_group("lamplighter/v1/cabinet-70/group/1/command") is None
    assert topics.parse_group(f"{base}/lamppost/a0b1c2d3e4f5/command") is None
    assert f"{base}/group/+/command" in topics.wanted


@given(st.text(max_size=60))
def test_no_topic_breaks_the_gateway(topic: str) -> None:
    assert Topics("a").parse_group(topic) is None or topic.startswith("lamplighter/v1/a/group/")


def lamppost(number: int, **more: Any) -> LamppostSection:
    given = {"id": f"{number:012x}", "name": str(number), "key": "00" * 16, "key_id": 1}
    return LamppostSection.model_validate({**given, **more})


def test_streets_are_those_of_buses_where_nothing_else_is_said() -> None:
    found = streets(
        [
            lamppost(1, bus="north", address=4),
            lamppost(2, bus="north", address=5, street="High Street", position_m=-10),
            lamppost(3, bus="south", address=1, street="High Street"),
            lamppost(4, lan=True),
            lamppost(5, lan=True, street="High Street"),
            lamppost(6, lan=True, street="High Street", position_m=45.5),
        ],
        20.0,
    )
    places = {
        name: [(pole.node[5], pole.position) for pole in poles] for name, poles in found.items()
    }
    assert places == {
        "north": [(1, 80.0)],
        "High Street": [(2, -10.0), (3, 20.0), (6, 45.5)],
    }
    assert habits(PresenceSection.model_validate({"ahead": 5})) == Habits(ahead=5)
