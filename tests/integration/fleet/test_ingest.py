"""Ingest against a real broker: nothing lost, nothing twice, whatever is killed."""

import asyncio
import json
import signal
from functools import partial
from pathlib import Path

from fleet_cli.store import Store, schema
from protocol import cbor, records
from tests.integration.fleet.conftest import Broker, Lamplighter, until
from tests.integration.fleet.gateway import FakeGateway

NODE = "a0b1c2d3e4f0"


def body(seq: int) -> bytes:
    return records.encode(
        records.PEOPLE, 1_780_000_000 + 60 * seq, 60, seq % 100, 3, 1000, seq % 100 + 3, 0
    )


def stored(folder: Path) -> list[tuple[int, bytes]]:
    with Store(f"sqlite:///{folder}/city.db") as store:
        return [(row.seq, row.body) for row in store.records()]


async def subscribed(lamplighter: Lamplighter) -> None:
    """Let the broker know of the session, which then keeps what comes while nobody is there."""
    code, _, error = await lamplighter("ingest", "--once")
    assert code == 0, error


async def test_what_comes_while_ingest_is_away_is_there_when_it_is_back(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    await subscribed(lamplighter)
    await gateway.records(NODE, 1, 0, [body(seq) for seq in range(40)])
    code, out, _ = await lamplighter("ingest", "--once", "--json")
    assert code == 0
    counts = json.loads(out)
    assert (counts["stored"], counts["repeats"], counts["conflicts"]) == (40, 0, 0)
    assert stored(tmp_path) == [(seq, body(seq)) for seq in range(40)]


def reached(folder: Path, goal: int, publishing: asyncio.Task[None]) -> bool:
    return publishing.done() or len(stored(folder)) >= goal


async def test_ingest_killed_mid_stream_loses_nothing_and_repeats_nothing(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    await subscribed(lamplighter)
    per_message, messages = 5, 400

    async def publish() -> None:
        for number in range(messages):
            first = number * per_message
            bodies = [body(seq) for seq in range(first, first + per_message)]
            await gateway.records(NODE, 1, first, bodies)

    publishing = asyncio.create_task(publish())
    kills = 0
    while not publishing.done():
        process = await lamplighter.start("ingest")
        goal = len(stored(tmp_path)) + 30 * per_message
        await until(partial(reached, tmp_path, goal, publishing), every_s=0.02)
        process.kill()
        await process.communicate()
        kills += 1
    await publishing
    code, out, _ = await lamplighter("ingest", "--once", "--json")
    assert code == 0
    assert kills >= 1
    assert stored(tmp_path) == [(seq, body(seq)) for seq in range(per_message * messages)]
    assert json.loads(out)["conflicts"] == 0


async def test_broker_restarted_under_ingest_is_found_again(
    lamplighter: Lamplighter, broker: Broker, tmp_path: Path
) -> None:
    await subscribed(lamplighter)
    process = await lamplighter.start("ingest", "--json")
    await broker.stop()
    await broker.start()
    async with FakeGateway(broker.port, "cabinet-7") as gateway:
        await gateway.records(NODE, 1, 0, [body(0)])
    await until(lambda: bool(stored(tmp_path)))
    process.send_signal(signal.SIGTERM)
    out, error = await process.communicate()
    assert process.returncode == 0, error
    assert json.loads(out)["stored"] == 1


async def test_two_ingests_that_share_the_work_store_everything_once(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    await subscribed(lamplighter)
    running = [
        await lamplighter.start("ingest", "--shared", "--name", name, "--json") for name in "ab"
    ]
    for process in running:
        assert await connected(process)
    for seq in range(60):
        await gateway.records(NODE, 1, seq, [body(seq)])
    await until(lambda: len(stored(tmp_path)) == 60)
    counts: list[int] = []
    for process in running:
        process.send_signal(signal.SIGTERM)
        out, _ = await process.communicate()
        counts.append(json.loads(out)["stored"])
    assert sum(counts) == 60
    assert all(counts)


async def connected(process: asyncio.subprocess.Process) -> bool:
    assert process.stderr is not None
    return b"connected" in await process.stderr.readline()


async def test_sigterm_ends_ingest_with_its_counters(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    await subscribed(lamplighter)
    process = await lamplighter.start("ingest")
    await gateway.records(NODE, 1, 0, [body(0), body(1)])
    await until(lambda: bool(stored(tmp_path)))
    process.send_signal(signal.SIGTERM)
    out, error = await process.communicate()
    assert process.returncode == 0
    assert b'event="ingest ends"' in error
    assert b"stored" in out


async def test_hostile_payloads_are_set_aside_and_the_good_ones_kept(
    lamplighter: Lamplighter, gateway: FakeGateway, tmp_path: Path
) -> None:
    await subscribed(lamplighter)
    topic = "lamplighter/v1/cabinet-7/records"
    node = bytes.fromhex(NODE)
    hostile = [
        b"",
        b"\xff" * 100,
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x81" * 5000,
        cbor.dumps([1, node, -1, 0, [body(0)]]),
        cbor.dumps([1, node, 1, 2**63, [body(0)]]),
        cbor.dumps([2, node, 1, 0, [body(0)]]),
        cbor.dumps([1, node, 1, 100, [body(7), b"junk", body(8)]]),
    ]
    for payload in hostile:
        await gateway.client.publish(topic, payload, qos=1)
    await gateway.client.publish(
        f"lamplighter/v1/cabinet-7/lamppost/{NODE}/reported", b'{"link": 5}', qos=1
    )
    code, out, error = await lamplighter("ingest", "--once", "--json")
    assert code == 0, error
    counts = json.loads(out)
    assert counts["rejected"] == len(hostile) + 1
    assert stored(tmp_path) == [(100, body(7)), (102, body(8))]
    with Store(f"sqlite:///{tmp_path}/city.db") as store:
        assert store.count(schema.rejected) == len(hostile) + 1
        # The three of the fixture, whose states are retained at the broker.
        assert store.count(schema.lamppost) == 3


async def test_unreachable_broker_is_exit_code_3(lamplighter: Lamplighter, broker: Broker) -> None:
    await broker.stop()
    code, out, error = await lamplighter("ingest", "--once")
    assert (code, out) == (3, "")
    assert error.count("lamplighter: broker 127.0.0.1") == 1


async def test_readings_of_the_store_come_out_as_csv(
    lamplighter: Lamplighter, gateway: FakeGateway
) -> None:
    await subscribed(lamplighter)
    await gateway.records(
        NODE,
        1,
        0,
        [
            records.encode(records.AIR, 1_780_000_060, 60, 58, 967, 41, 123, 200, 90, 180, 87, 0),
            records.encode(records.AIR, 42, 60, 38, 633, 0, 124, 200, 90, 180, 124, 1 | 8 | 256),
            body(2),
        ],
    )
    await lamplighter("ingest", "--once")
    code, out, _ = await lamplighter("readings", "export", "--kind", "air")
    assert code == 0
    assert out.splitlines() == [
        "time,node,gateway,epoch,seq,since_start_s,period_s,count,coverage_per_mille,"
        "pm1_ug_m3,pm25_ug_m3,pm10_ug_m3,pm25_min_ug_m3,pm25_max_ug_m3,pm25_corrected_ug_m3,flags",
        f",{NODE},cabinet-7,1,1,42,60,38,633,,12.4,20.0,9.0,18.0,12.4,"
        "low coverage; no humidity; no PM1",
        f"2026-05-28T20:27:40Z,{NODE},cabinet-7,1,0,,60,58,967,4.1,12.3,20.0,9.0,18.0,8.7,",
    ]
    code, out, _ = await lamplighter(
        "readings", "export", "--json", "--until", "2026-05-28T20:27:41Z", "--node", NODE
    )
    assert code == 0
    assert [json.loads(line)["kind"] for line in out.splitlines()] == [
        "air",
    ]
    code, _, error = await lamplighter("readings", "export")
    assert (code, error.count("\n")) == (2, 1)


async def test_tail_shows_readings_as_they_come(
    lamplighter: Lamplighter, gateway: FakeGateway
) -> None:
    process = await lamplighter.start("readings", "tail", "--count", "1", "--json", "-k", "people")
    air = records.encode(records.AIR, 1_780_000_060, 60, 58, 967, 41, 123, 200, 90, 180, 87, 0)

    async def shown() -> bool:
        await gateway.records(NODE, 1, 0, [air, body(1)])
        return process.returncode is not None

    await until(shown)
    assert process.stdout is not None
    reading = json.loads(await process.stdout.read())
    assert (reading["kind"], reading["towards"], reading["coverage_per_mille"]) == (
        "people",
        1,
        1000,
    )
