"""A configuration read anew: what has not changed keeps its connection and its place."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from tests.integration.gateway.fake_node import FakeBus, FakeNode
from tests.integration.gateway.harness import Street, eventually, street


def reload(made: Street, text: str) -> None:
    made.gateway.config.write_text(text)
    os.kill(made.gateway.pid, signal.SIGHUP)


def count(made: Street, words: str) -> int:
    return made.gateway.log.read_text().count(words)


async def test_a_lamppost_comes_and_goes_while_the_others_are_served(tmp_path: Path) -> None:
    nodes = [FakeNode(1), FakeNode(2), FakeNode(3)]
    async with street(tmp_path, FakeBus(nodes)) as made:
        made.gateway.write_config()
        whole = made.gateway.config.read_text()
        head, *posts = whole.split("[[lamppost]]")
        two = "[[lamppost]]".join([head, *posts[:2]])
        made.gateway.config.write_text(two)
        for node in nodes:
            node.append(30)
        await made.gateway.start()
        await eventually(lambda: len(made.city.records) == 60, "two lampposts are read")
        opened = count(made, "serial port open")

        reload(made, whole)
        await eventually(lambda: len(made.city.records) == 90, "the third is read")
        nodes[0].append(5)
        await eventually(lambda: len(made.city.records) == 95, "the others are still read")
        assert not nodes[0].log or nodes[0].epoch == 1
        assert not any(
            document["link"]["state"] == "silent" and document["link"]["last_heard"]
            for _, document in made.city.history
        ), "nobody who was heard is taken for silent"

        reload(made, two.replace('name = "bus0 1"', 'name = "corner"'))
        await eventually(
            lambda: made.city.reported[nodes[0].hex]["name"] == "corner", "the new name is reported"
        )
        await eventually(lambda: count(made, "configuration changed") >= 3, "all of it is told")
        await eventually(
            lambda: nodes[2].hex not in made.city.reported, "who was taken out is not told of"
        )
        polls = nodes[2].polls
        nodes[1].append(5)
        await eventually(lambda: len(made.city.records) == 100, "the second is read on")
        assert nodes[2].polls <= polls + 1, "who was taken out is left alone"

        assert count(made, "serial port open") == opened, "the port stays open"
        assert count(made, "connected to the broker") == 1, "the broker's connection stays"
        assert await made.gateway.stop() == 0
    assert not made.city.conflicts
    assert made.city.repeats == 0


async def test_a_bus_and_another_broker_are_taken_over_and_a_broken_file_is_not(
    tmp_path: Path,
) -> None:
    near, far = FakeNode(1), FakeNode(2)
    buses = FakeBus([near]), FakeBus([far])
    near.append(10)
    far.append(10)
    async with street(tmp_path, *buses) as made:
        made.gateway.write_config()
        whole = made.gateway.config.read_text()
        first = whole[: whole.index("[bus.bus1]")]
        made.gateway.config.write_text(first)
        await made.gateway.start()
        await eventually(lambda: len(made.city.records) == 10, "one bus is read")
        reload(made, whole)
        await eventually(lambda: len(made.city.records) == 20, "the other bus is read")
        assert count(made, "connected to the broker") == 1

        reload(made, whole.replace("[buffer]", "[bufer]"))
        await eventually(lambda: count(made, "configuration not taken over") == 1, "it is refused")
        await eventually(
            lambda: any(
                alarm["name"] == "configuration_refused" for alarm in made.city.status["alarms"]
            ),
            "and the city is told",
        )
        reload(made, whole.replace("[mqtt]", "[mqtt]\nkeepalive = 17"))
        await eventually(lambda: count(made, "connected to the broker") == 2, "connected anew")
        near.append(3)
        await eventually(lambda: len(made.city.records) == 23, "and read on")
        reload(made, first)
        await eventually(lambda: count(made, "configuration changed") >= 4, "a bus is taken out")
        near.append(3)
        await eventually(lambda: len(made.city.records) == 26, "the one that is left is read")
        assert await made.gateway.stop() == 0
    assert not made.city.conflicts
