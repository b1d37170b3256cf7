"""What the city wants of lampposts: configurations, commands; and lampposts that do not answer."""

from __future__ import annotations

import json
import time
from itertools import groupby
from pathlib import Path

from gateway.lampposts.visits import WINDOW
from protocol import busframe, configuration, messages, smp
from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import eventually, street


def desired(version: int, **values: int) -> dict[str, object]:
    given = {name.replace("__", "/"): value for name, value in values.items()}
    return {
        "version": version,
        "digest": configuration.digest(given).hex(),
        "values": given,
    }


async def test_lampposts_with_a_backlog_take_turns(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(address) for address in (1, 2, 3)])
    for node in bus.nodes.values():
        node.append(1500)
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await eventually(lambda: town.city.has_all_of(bus), "all records in the city")
        # While all have a backlog none is asked a second window before the others had one.
        busy = bus.requests[20:77]
        assert max(len(list(run)) for _, run in groupby(busy)) <= 2 * WINDOW
        for address in (1, 2, 3):
            assert busy.count(address) >= len(busy) // 3 - WINDOW


async def test_a_silent_lamppost_delays_nobody_and_is_found_when_it_returns(tmp_path: Path) -> None:
    silent, lively = FakeNode(1, silent=True), FakeNode(2)
    bus = FakeBus([silent, lively])
    lively.append(200)
    silent.append(20)
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await eventually(lambda: len(bus.requests) > 150, "polls")
        assert bus.requests.count(1) < bus.requests.count(2) / 4
        await eventually(lambda: silent.hex in town.city.reported, "reported")
        assert town.city.reported[silent.hex]["link"]["state"] == "silent"
        silent.silent = False
        await eventually(lambda: town.city.has_all_of(bus), "its records")
        await eventually(
            lambda: town.city.reported[silent.hex]["link"]["state"] == "up", "reported up"
        )


async def test_the_street_time_goes_out_with_polls(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    async with street(tmp_path, bus) as town:
        town.gateway.write_config()
        with town.gateway.config.open("a") as file:
            file.write(
                f'[clock]\nsource = "simulated"\nreal_origin = {time.time_ns()}\n'
                "street_origin = 1900000000\nspeed = 340\n"
            )
        await town.gateway.start()
        await eventually(lambda: len(bus.nodes[1].times) > 3, "times")
        assert all(1_900_000_000 <= when < 1_900_100_000 for when in bus.nodes[1].times)


async def test_a_desired_configuration_is_applied_and_reported(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await town.city.want(node.hex, "desired/configuration", desired(3, lamp__default_level=70))
        await eventually(lambda: node.version == 3, "applied")
        assert node.values == {"lamp/default_level": 70}
        await eventually(
            lambda: (
                town.city.reported.get(node.hex, {}).get("configuration")
                == {
                    "version": 3,
                    "digest": configuration.digest(node.values).hex(),
                    "state": "applied",
                    "reason": "",
                }
            ),
            "reported",
        )
        assert node.applied == 1


async def test_a_desired_configuration_survives_kill_and_silence(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1, silent=True)])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await town.city.want(node.hex, "desired/configuration", desired(4, lamp__fade_ms=100))
        await eventually(
            lambda: (
                town.city.reported.get(node.hex, {}).get("configuration", {}).get("state")
                == "pending"
            ),
            "pending",
        )
        await town.gateway.kill()
        await town.broker.stop()  # what is on the gateway's own disk must do
        node.silent = False
        await town.gateway.start()
        await eventually(lambda: node.version == 4, "applied")


async def test_a_refused_configuration_is_reported_with_the_lampposts_reason(
    tmp_path: Path,
) -> None:
    bus = FakeBus([FakeNode(1, refuse_configuration="flash is read only", busy_for=2)])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await town.city.want(node.hex, "desired/configuration", desired(3, lamp__default_level=70))

        def told() -> dict[str, object]:
            return town.city.reported.get(node.hex, {}).get("configuration", {})

        await eventually(lambda: told().get("state") == "refused", "refused")
        assert told()["reason"] == "flash is read only"
        node.refuse_configuration = ""
        await town.city.want(node.hex, "desired/configuration", desired(4, lamp__default_level=71))
        await eventually(lambda: told().get("state") == "applied", "the next one is taken")


async def test_a_wrong_desired_document_is_reported_and_harmless(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        wrong = desired(3, lamp__default_level=70)
        # So long that the reason has to be cut for the city to take the document.
        wrong["values"] = {"lamp/default_level": 170, "x" * 400: 1}
        await town.city.want(node.hex, "desired/configuration", wrong)
        await eventually(
            lambda: (
                "expected 0 to 100 %, got 170"
                in town.city.reported.get(node.hex, {}).get("configuration", {}).get("reason", "")
            ),
            "reason",
        )
        await town.city.publish(f"cabinet-1/lamppost/{node.hex}/desired/release", b"\xff{")
        await town.city.publish(f"cabinet-1/lamppost/{node.hex}/command", b"[", retain=False)
        await town.city.publish("cabinet-1/lamppost/ffffffffffff/desired/release", b"{}")
        await eventually(
            lambda: town.city.reported[node.hex]["update"]["state"] == "refused", "release refused"
        )
        node.append(10)
        await eventually(lambda: town.city.has_all_of(bus), "still collecting")
        assert node.applied == 0
        assert len(town.city.reported[node.hex]["configuration"]["reason"]) == 300


async def test_commands_are_carried_out_once_and_not_after_they_expire(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(1)])
    node = bus.nodes[1]
    now = int(time.time())
    for command in (messages.LAMP, messages.IDENTIFY):
        node.lose_answers.append((smp.GROUP_STREET, command))
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await eventually(lambda: node.polls > 0, "polled")
        # Said after subscribing: what is published before is for nobody.
        await eventually(lambda: town.city.status.get("state") == "online", "connected")
        lamp = {"command": "lamp", "level": 30, "seconds": 600, "expires": now + 3600}
        await town.city.want(node.hex, "command", {**lamp, "expires": now - 10, "level": 99})
        await town.city.want(node.hex, "command", lamp)
        await town.city.want(node.hex, "command", lamp)  # as a broker repeats it
        await town.city.want(node.hex, "command", {"command": "identify", "seconds": 20})
        await eventually(lambda: node.identified, "identified")
        assert node.commands == [(30, 600)]
        assert node.identified == [20]
        await town.city.want(node.hex, "command", {**lamp, "level": None, "seconds": 1})
        await eventually(lambda: len(node.commands) == 2, "cancelled")
        assert node.commands[1] == (None, 0)
        assert town.gateway.said("expired at")


async def test_a_group_hears_one_frame_once_and_who_missed_it_is_told_alone(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(address, groups=0b100) for address in (1, 2)] + [FakeNode(3)])
    now = int(time.time())
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        keyed = [node.group_keys for node in bus.nodes.values()]
        await eventually(lambda: all(keyed), "the group key is everywhere")
        assert keyed[0] == keyed[1] == keyed[2]
        await eventually(lambda: town.city.status.get("state") == "online", "connected")
        lamp = {"command": "lamp", "level": 30, "seconds": 600, "expires": now + 3600}
        bus.nodes[2].group_keys.clear()  # flashed anew, of which nobody knows yet
        for document in ({**lamp, "expires": now - 10, "level": 99}, lamp, lamp):
            await town.city.publish("cabinet-1/group/3/command", json.dumps(document), retain=False)
        await eventually(lambda: all(bus.nodes[number].commands for number in (1, 2)), "both")
        await eventually(lambda: town.gateway.said("done=2"), "an outcome for both")
        levels = [[level for level, _ in node.commands] for node in bus.nodes.values()]
        assert levels == [[30], [30], []]
        everyone = {**lamp, "level": None, "expires": now + 3601}
        await town.city.publish("cabinet-1/group/all/command", json.dumps(everyone), retain=False)
        await eventually(
            lambda: all(one.commands[-1:] == [(None, 0)] for one in bus.nodes.values())
        )
        broadcasts = [control for _, control in bus.frames].count(busframe.BROADCAST)
        assert broadcasts == 4, "each said twice, the late and the repeated not at all"


async def test_who_is_seen_by_one_lamppost_lights_those_beside_it(tmp_path: Path) -> None:
    bus = FakeBus([FakeNode(address) for address in range(1, 7)])
    async with street(tmp_path, bus) as town:
        await town.gateway.start()
        await eventually(
            lambda: all(node.group_keys for node in bus.nodes.values()), "the group key"
        )
        assert not any(control == busframe.CALL for _, control in bus.frames), "nobody needs it"
        await town.city.want(
            bus.nodes[1].hex, "desired/configuration", desired(1, presence__level=90)
        )
        await eventually(lambda: (255, busframe.CALL) in bus.frames, "calls")
        bus.nodes[3].sightings += 1
        await eventually(lambda: bus.nodes[2].near, "the next lamppost is told")
        seconds, addresses = bus.nodes[2].near[0]
        assert (sorted(addresses), 10 <= seconds <= 120) == ([1, 2, 4, 5], True)
        await eventually(lambda: bus.answered_calls, "told by a call too, or before the poll")
        calls = [control for _, control in bus.frames].count(busframe.CALL)
        await eventually(
            lambda: [control for _, control in bus.frames].count(busframe.CALL) > calls + 2
        )
        assert len(bus.nodes[2].near) == 1, "the same sighting twice is one"
        log = town.gateway.log.read_text()
        assert "sighting" not in log
        assert "presence" not in log, "who came by when is theirs"


async def test_a_port_that_vanishes_is_opened_again(tmp_path: Path) -> None:
    node = FakeNode(1)
    first, second = FakeBus([node]), FakeBus([node])
    link = tmp_path / "tty"
    link.symlink_to(first.path)
    pty_path, first.path = first.path, str(link)
    node.append(30)
    async with street(tmp_path, first) as town:
        await town.gateway.start()
        await eventually(lambda: town.city.has_all_of(first), "records by the first adapter")
        with second:
            link.unlink()
            link.symlink_to(second.path)
            first.hang_up()
            node.append(30)
            await eventually(lambda: town.city.has_all_of(second), "records by the second")
    assert pty_path
