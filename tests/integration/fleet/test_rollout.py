"""Rollouts against a real broker and a scripted gateway: waves, failures, a desk that goes away."""

import json
import signal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from firmware.build import build_unsigned, generate_key, sign
from tests.integration.fleet.conftest import Lamplighter, until
from tests.integration.fleet.gateway import FakeGateway

NODES = [f"a0b1c2d3e4f{number}" for number in range(3)]


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("release")
    key = generate_key(folder / "release.pem")
    image = folder / "lamplighter-1.4.0.bin"
    image.write_bytes(sign(build_unsigned("1.4.0", "esp32s3-ref", 2), key))
    return image


async def begun(lamplighter: Lamplighter) -> bool:
    _, out, _ = await lamplighter("rollout", "list", "--json")
    return bool(json.loads(out))


def states(told: dict[str, Any]) -> dict[str, str]:
    return {target["node"]: target["state"] for target in told["targets"]}


async def test_all_lampposts_confirm_in_waves(
    lamplighter: Lamplighter, gateway: FakeGateway, release: Path
) -> None:
    code, out, error = await lamplighter(
        "rollout", "start", str(release), "--all", "--wave", "1", "-y", "--json"
    )
    assert code == 0, error
    told = json.loads(out)
    assert states(told) == dict.fromkeys(NODES, "succeeded")
    assert (told["state"], told["success_percent"]) == ("finished", 100)
    assert gateway.asked == NODES
    assert sha256(gateway.images[told["image"]]).hexdigest() == told["image"]
    code, out, _ = await lamplighter("rollout", "status", told["id"])
    assert code == 0
    assert "100 % of the 3 finished succeeded" in out


async def test_failure_stops_it_before_the_next_wave(
    lamplighter: Lamplighter, gateway: FakeGateway, release: Path
) -> None:
    gateway.revert[NODES[0]] = "self-test failed: lamp"
    code, out, _ = await lamplighter(
        "rollout", "start", str(release), "--all", "--wave", "1", "-y", "--json"
    )
    told = json.loads(out)
    assert code == 1
    assert told["state"] == "stopped"
    assert list(states(told).values()) == ["failed", "withdrawn", "withdrawn"]
    assert told["targets"][0]["reason"] == "reverted: self-test failed: lamp"
    assert gateway.asked == [NODES[0]]


async def test_failures_within_the_limit_do_not_stop_it(
    lamplighter: Lamplighter, gateway: FakeGateway, release: Path
) -> None:
    gateway.revert[NODES[0]] = "no reason"
    arguments = ("--all", "--wave", "1", "--max-failures", "1", "-y", "--json")
    code, out, _ = await lamplighter("rollout", "start", str(release), *arguments)
    told = json.loads(out)
    assert code == 1
    assert list(states(told).values()) == ["failed", "succeeded", "succeeded"]
    assert round(told["success_percent"]) == 67


async def test_lamppost_that_is_away_is_queued_and_succeeds_later(
    lamplighter: Lamplighter, gateway: FakeGateway, release: Path
) -> None:
    gateway.states[NODES[1]]["link"]["state"] = "silent"
    gateway.mute.add(NODES[1])
    await gateway.report(NODES[1])
    code, out, error = await lamplighter("rollout", "start", str(release), "--all", "-y", "--json")
    told = json.loads(out)
    assert code == 1
    assert "1 lamppost away" in error
    assert states(told)[NODES[1]] == "queued"
    assert told["success_percent"] == 100
    # Back, it does what has been desired of it all the time.
    gateway.mute.clear()
    gateway.states[NODES[1]]["link"]["state"] = "up"
    desired = {key: told[key] for key in ("version", "hash", "image", "size")}
    topic = f"lamplighter/v1/cabinet-7/lamppost/{NODES[1]}/desired/release"
    body = json.dumps({"rollout": told["id"], **desired})
    await gateway.client.publish(topic, body, qos=1, retain=True)
    code, out, _ = await lamplighter("rollout", "resume", told["id"], "--json")
    assert (code, states(json.loads(out))[NODES[1]]) == (0, "succeeded")


async def test_lamppost_that_never_begins_fails_at_its_deadline(
    lamplighter: Lamplighter, gateway: FakeGateway, release: Path
) -> None:
    gateway.mute.add(NODES[0])
    code, out, _ = await lamplighter(
        "rollout", "start", str(release), "-n", NODES[0], "--deadline", "1s", "-y", "--json"
    )
    told = json.loads(out)
    assert (code, told["state"]) == (1, "stopped")
    assert "no progress" in told["targets"][0]["reason"]
    # Nor may it begin when nobody looks any more.
    _, out, _ = await lamplighter("fleet", "show", NODES[0], "--json")
    assert json.loads(out)["desired"]["release"] is None
    code, out, error = await lamplighter("rollout", "stop", told["id"], "--json")
    assert (code, json.loads(out)["reason"]) == (0, told["reason"]), error


async def test_desk_killed_half_way_is_taken_up_by_another(
    lamplighter: Lamplighter, gateway: FakeGateway, release: Path
) -> None:
    gateway.mute.add(NODES[0])
    process = await lamplighter.start(
        "rollout", "start", str(release), "--all", "--wave", "1", "-y"
    )
    await until(lambda: begun(lamplighter))
    process.kill()
    await process.communicate()
    gateway.mute.clear()
    # The gateway comes back as well, and is told again what is desired.
    again = FakeGateway(int(lamplighter_port(lamplighter)), "cabinet-7")
    again.states = gateway.states
    async with again:
        code, out, error = await lamplighter("rollout", "resume", "--json")
    assert code == 0, error
    assert states(json.loads(out)) == dict.fromkeys(NODES, "succeeded")


async def test_gateway_that_restarts_under_it_is_waited_for(
    lamplighter: Lamplighter, gateway: FakeGateway, release: Path
) -> None:
    gateway.mute.add(NODES[0])
    process = await lamplighter.start(
        "rollout", "start", str(release), "-n", NODES[0], "-y", "--json"
    )

    async def is_in(state: str) -> bool:
        _, out, _ = await lamplighter("rollout", "status", "--json")
        return bool(out) and states(json.loads(out)).get(NODES[0]) == state

    await until(lambda: is_in("asked"))
    await gateway.announce("offline")
    await until(lambda: is_in("queued"))
    again = FakeGateway(int(lamplighter_port(lamplighter)), "cabinet-7")
    again.states = gateway.states
    async with again:
        await again.announce("online")
        out, error = await process.communicate()
    assert process.returncode == 0, error
    assert states(json.loads(out)) == {NODES[0]: "succeeded"}


def lamplighter_port(lamplighter: Lamplighter) -> str:
    return lamplighter.environment["LAMPLIGHTER_PORT"]


async def test_stop_from_another_desk_ends_the_one_that_waits(
    lamplighter: Lamplighter, gateway: FakeGateway, release: Path
) -> None:
    gateway.mute.update(NODES)
    process = await lamplighter.start(
        "rollout", "start", str(release), "--all", "--wave", "1", "-y", "--json"
    )
    await until(lambda: begun(lamplighter))
    code, _, error = await lamplighter("rollout", "stop", "--reason", "lamps flicker")
    assert code == 0, error
    out, _ = await process.communicate()
    assert process.returncode == 1
    assert json.loads(out)["reason"] == "lamps flicker"
    _, out, _ = await lamplighter("fleet", "show", NODES[0], "--json")
    assert json.loads(out)["desired"]["release"] is None


async def test_other_board_and_lower_security_counter_are_left_out(
    lamplighter: Lamplighter, gateway: FakeGateway, release: Path
) -> None:
    gateway.states[NODES[0]]["board"] = "esp32c6-other"
    gateway.states[NODES[1]]["firmware"]["security_counter"] = 3
    await gateway.announce()
    code, out, error = await lamplighter("rollout", "start", str(release), "--all", "-y", "--json")
    assert code == 0
    assert states(json.loads(out)) == {NODES[2]: "succeeded"}
    assert "its board is esp32c6-other" in error
    assert "its security counter is 3" in error


async def test_unsigned_image_is_refused_before_anything_is_sent(
    lamplighter: Lamplighter, tmp_path: Path
) -> None:
    image = tmp_path / "unsigned.bin"
    image.write_bytes(build_unsigned("1.4.0", "esp32s3-ref", 2))
    code, _, error = await lamplighter("rollout", "start", str(image), "--all", "-y")
    assert code == 2
    assert "not signed" in error


async def test_interrupted_desk_says_how_to_take_it_up_or_end_it(
    lamplighter: Lamplighter, gateway: FakeGateway, release: Path
) -> None:
    gateway.mute.update(NODES)
    process = await lamplighter.start("rollout", "start", str(release), "--all", "-y")
    await until(lambda: begun(lamplighter), every_s=0.5)
    process.send_signal(signal.SIGINT)
    _, error = await process.communicate()
    assert process.returncode == 130
    assert b"lamplighter rollout resume " in error
    assert b"lamplighter rollout stop " in error
