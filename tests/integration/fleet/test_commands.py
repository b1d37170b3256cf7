"""fleet, config, lamp and identify against a real broker and a scripted gateway."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

from aiomqtt import Client

from tests.integration.fleet.conftest import Broker, Lamplighter
from tests.integration.fleet.gateway import FakeGateway

NODES = [f"a0b1c2d3e4f{number}" for number in range(3)]


def configuration(folder: Path, text: str = '[lamp]\nfade = "5s"\n') -> str:
    file = folder / "street.toml"
    file.write_text(text)
    return str(file)


async def desired(lamplighter: Lamplighter, node: str) -> dict[str, Any]:
    _, out, _ = await lamplighter("fleet", "show", node, "--json")
    return json.loads(out)["desired"]


async def test_list_tells_who_is_dark(lamplighter: Lamplighter, gateway: FakeGateway) -> None:
    gateway.states[NODES[1]]["link"]["state"] = "silent"
    await gateway.report(NODES[1])
    code, out, error = await lamplighter("fleet", "list")
    assert (code, error) == (0, "")
    assert "3 lampposts, 2 up, 1 silent" in out
    assert all(len(line) <= 80 for line in out.splitlines())
    _, out, _ = await lamplighter("fleet", "list", "--silent", "--json")
    assert [post["node"] for post in json.loads(out)] == [NODES[1]]


async def test_lampposts_of_a_lost_gateway_are_unknown_not_up(
    lamplighter: Lamplighter, gateway: FakeGateway
) -> None:
    await gateway.announce("offline")
    _, out, _ = await lamplighter("fleet", "list", "--silent", "--json")
    assert [post["link"] for post in json.loads(out)] == ["unknown"] * 3


async def test_garbage_on_a_topic_is_told_and_hides_nobody_else(
    lamplighter: Lamplighter, gateway: FakeGateway
) -> None:
    topic = f"lamplighter/v1/cabinet-7/lamppost/{NODES[0]}/reported"
    await gateway.client.publish(topic, b"\x00not json", qos=1, retain=True)
    code, out, error = await lamplighter("fleet", "list", "--json")
    assert code == 0
    assert [post["node"] for post in json.loads(out)] == NODES[1:]
    assert error.startswith(f"lamplighter: cannot read {topic}")


async def test_no_broker_is_one_line_and_exit_code_3(
    lamplighter: Lamplighter, broker: Broker
) -> None:
    await broker.stop()
    code, out, error = await lamplighter("fleet", "list")
    assert (code, out, error.count("\n")) == (3, "", 1)


async def test_push_tells_what_changes_and_sends_nothing_on_no(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    file = configuration(tmp_path)
    code, out, error = await lamplighter("config", "push", file, "--all", answer="n\n")
    assert (code, out) == (1, "")
    assert "lamp.fade: 3s -> 5s" in error
    assert all(name in error for name in ("high-street-0", "high-street-1", "high-street-2"))
    assert (await desired(lamplighter, NODES[0]))["configuration"] is None


async def test_push_reports_each_lamppost_and_its_refusal(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.refuse[NODES[2]] = "no room on flash"
    gateway.states[NODES[0]]["configuration"]["version"] = 41
    await gateway.report(NODES[0])
    file = configuration(tmp_path)
    code, out, _ = await lamplighter("config", "push", file, "--all", "--yes", "--json")
    told = json.loads(out)
    assert code == 1
    assert told["version"] == 42
    assert [(post["state"], post["reason"]) for post in told["lampposts"]] == [
        ("applied", ""),
        ("applied", ""),
        ("refused", "no room on flash"),
    ]
    code, out, _ = await lamplighter("config", "status", "--json")
    assert code == 1
    assert [post["current"] for post in json.loads(out)] == [True, True, False]


async def test_same_refusal_twice_is_not_mistaken_for_the_old_one(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.refuse[NODES[2]] = "no room on flash"
    file = configuration(tmp_path)
    for _ in range(2):
        code, out, _ = await lamplighter("config", "push", file, "-n", NODES[2], "-y", "--json")
        assert code == 1
        assert json.loads(out)["lampposts"][0]["reason"] == "no room on flash"


async def test_push_of_what_is_there_already_sends_nothing(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    file = configuration(tmp_path)
    assert (await lamplighter("config", "push", file, "--all", "-y"))[0] == 0
    code, out, _ = await lamplighter("config", "push", file, "--all", "-y", "--json")
    assert code == 0
    assert json.loads(out)["unchanged"] == NODES


async def test_push_that_is_not_answered_times_out_and_stays_desired(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.mute.add(NODES[1])
    file = configuration(tmp_path)
    arguments = ("config", "push", file, "--all", "-y", "--timeout", "2s", "--json")
    code, out, error = await lamplighter(*arguments)
    assert code == 4
    assert "1 lamppost had not answered" in error
    assert [post["state"] for post in json.loads(out)["lampposts"]].count("pending") == 1
    assert (await desired(lamplighter, NODES[1]))["configuration"]["version"] == 1


async def test_interrupted_push_says_that_it_is_desired_all_the_same(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    gateway.mute.update(NODES)
    file = configuration(tmp_path)
    process = await lamplighter.start("config", "push", file, "--all", "-y", "--timeout", "1h")
    topic = "lamplighter/v1/cabinet-7/lamppost/+/desired/configuration"
    async with Client("127.0.0.1", lamplighter.port) as client, asyncio.timeout(60):
        await client.subscribe(topic, qos=1)
        for _ in NODES:
            await anext(client.messages)
        # The last one has come to us before its sender hears that the broker has it.
        await lamplighter("config", "status")
    process.send_signal(signal.SIGINT)
    _, error = await process.communicate()
    assert process.returncode == 130
    told = error.decode()
    assert "version 1 is already desired of 3 of 3 lampposts and will be applied" in told
    assert "lamplighter config status" in told
    assert "Traceback" not in told
    code, out, _ = await lamplighter("config", "status")
    assert code == 1
    assert out.count("pending") == 3


async def test_diff_is_against_what_is_desired_per_lamppost(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    await lamplighter("config", "push", configuration(tmp_path), "-n", "high-street-0", "-y")
    code, out, _ = await lamplighter(
        "config", "diff", configuration(tmp_path, '[lamp]\nfade = "7s"\n'), "--json"
    )
    assert code == 0
    assert [(item["basis"], item["changes"][0]["before"]) for item in json.loads(out)] == [
        ("desired", "5s"),
        ("defaults", "3s"),
        ("defaults", "3s"),
    ]


async def test_push_needs_to_be_told_which_lampposts(
    lamplighter: Lamplighter, tmp_path: Path
) -> None:
    code, _, error = await lamplighter("config", "push", configuration(tmp_path), "-y")
    assert (code, error.count("\n")) == (2, 1)


async def test_lamp_is_set_and_cleared_with_an_expiry(
    lamplighter: Lamplighter, gateway: FakeGateway
) -> None:
    code, out, error = await lamplighter(
        "lamp", "set", "high-street-1", "--level", "80", "--for", "30min", "--json"
    )
    assert code == 0, error
    assert json.loads(out)[0]["state"] == "done"
    node, command = gateway.commands[0]
    assert (node, command["level"], command["seconds"]) == (NODES[1], 80, 1800)
    assert command["expires"] > 1_780_000_000
    code, out, _ = await lamplighter("lamp", "clear", "--all", "--json")
    assert code == 0
    assert [post["state"] for post in json.loads(out)] == ["done"] * 3
    assert gateway.states[NODES[1]]["lamp"]["reason"] == "program"


async def test_lamppost_that_is_away_is_not_commanded(
    lamplighter: Lamplighter, gateway: FakeGateway
) -> None:
    gateway.states[NODES[0]]["link"]["state"] = "silent"
    await gateway.report(NODES[0])
    code, out, _ = await lamplighter("lamp", "set", "--all", "--level", "50%", "--json")
    assert code == 1
    assert [post["state"] for post in json.loads(out)] == ["silent", "done", "done"]
    assert NODES[0] not in [node for node, _ in gateway.commands]


async def test_a_group_is_told_in_one_message_and_answers_for_each(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    file = configuration(tmp_path, "[lamp]\ngroups = [1, 3]\n")
    arguments = ("-n", NODES[0], "-n", NODES[2], "-y")
    assert (await lamplighter("config", "push", file, *arguments))[0] == 0
    gateway.groups = {NODES[0]: 5, NODES[2]: 5}
    gateway.mute = {NODES[2]}
    on = ("lamp", "set", "--gateway", "cabinet-7", "--level", "60", "--json")
    code, out, error = await lamplighter(*on, "--group", "3", "--timeout", "1s")
    assert code == 4, error
    assert [post["state"] for post in json.loads(out)] == ["done", "sent"]
    assert [who for who, _ in gateway.commands] == ["group 3"]
    assert gateway.commands[0][1]["expires"] > 1_780_000_000
    code, out, error = await lamplighter("lamp", "clear", "--all", "--group", "2", "--json")
    assert (code, json.loads(out), gateway.commands[-1][1]["level"]) == (0, [], None)
    assert "no desired configuration has a lamppost in group 2" in error


async def test_identify_reaches_one_lamppost(
    lamplighter: Lamplighter, gateway: FakeGateway
) -> None:
    code, out, _ = await lamplighter("identify", NODES[2], "--for", "2min")
    assert code == 0
    assert "no answer" not in out
    assert "the lamp blinks between 100 % and 10 %, once a second, for 120 s" in out
    # The answer to nothing is awaited here: a second command's effect comes after the first's.
    await lamplighter("lamp", "set", NODES[2], "--level", "10")
    assert gateway.commands[0] == (NODES[2], {"command": "identify", "seconds": 120})
