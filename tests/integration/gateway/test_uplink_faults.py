"""The uplink against a broker that does wrong: nothing lost, nothing altered, no loop."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.backoff import FullJitter
from gateway.uplink import drain, link
from tests.integration.gateway.fault_broker import Die, Drop, FaultBroker, Message
from tests.integration.gateway.harness import Broker, eventually
from tests.integration.gateway.uplink_rig import CLIENT, Rig, ledger, rig

QUOTA_EXCEEDED, NOT_AUTHORISED, PAYLOAD_FORMAT_INVALID, PACKET_TOO_LARGE = 0x97, 0x87, 0x99, 0x95


class Drawn(FullJitter):
    """Writes down the bounds that delays are drawn from, and waits for none of them."""

    bounds: list[tuple[float, float]]

    def next_delay(self) -> float:
        most = min(self._most, self._first * 2 ** min(self._failures, 30))
        self.bounds.append((super().next_delay(), most))
        return 0.0


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """(drawn, bound) in seconds of each delay before a reconnect."""
    Drawn.bounds = []
    monkeypatch.setattr(link, "FullJitter", Drawn)
    return Drawn.bounds


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "_RECONNECT_FIRST_S", 0.01)
    monkeypatch.setattr(drain, "_REFUSED_FIRST_S", 0.01)
    monkeypatch.setattr(drain, "_REFUSED_MOST_S", 0.05)


async def all_of_it_arrives(town: Rig, broker: FaultBroker) -> None:
    await eventually(lambda: town.records.rows == 0, "buffer drained")
    assert ledger(broker.records()) == town.written


# Unspecified, identifier not valid, bad password, not authorised, unavailable, busy, banned.
@pytest.mark.parametrize("reason", [0x80, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8A])
async def test_a_connection_that_is_refused_is_said_with_its_reason_and_tried_again(
    tmp_path: Path, delays: list[tuple[float, float]], reason: int
) -> None:
    with capture_logs() as lines:
        async with FaultBroker(refuse=reason) as broker, rig(tmp_path, broker.port) as town:
            await town.add(10)
            await eventually(lambda: len(broker.connects) >= 4, "tried again")
            broker.refuse = 0
            await all_of_it_arrives(town, broker)
    said = [line for line in lines if line["event"] == "broker unavailable"]
    assert [line["log_level"] for line in said[:3]] == ["warning", "debug", "debug"]
    assert f"[code:{reason}]" in said[0]["why"]
    assert [bound for _, bound in delays[:4]] == [0.01, 0.02, 0.04, 0.08]
    assert all(0 <= drawn <= bound for drawn, bound in delays)


# Server busy, shutting down, session taken over, quota exceeded, administrative action; and none.
@pytest.mark.parametrize("reason", [0x89, 0x8B, 0x8E, 0x97, 0x98, 0x00])
async def test_who_is_kicked_right_after_the_connect_waits_ever_longer(
    tmp_path: Path, delays: list[tuple[float, float]], reason: int
) -> None:
    with capture_logs() as lines:
        async with FaultBroker(kick=reason) as broker, rig(tmp_path, broker.port) as town:
            await town.add(10)
            await eventually(lambda: len(delays) >= 6, "tried again")
            broker.kick = None
            await all_of_it_arrives(town, broker)
    assert [bound for _, bound in delays[:6]] == pytest.approx([0.01, 0.02, 0.04, 0.08, 0.16, 0.32])
    said = [line["why"] for line in lines if line["event"] == "broker unavailable"]
    assert reason == 0 or all(f"[code:{reason}]" in why for why in said[:6]), said


async def test_a_session_that_another_takes_over_is_named_and_taken_back(
    tmp_path: Path, delays: list[tuple[float, float]]
) -> None:
    with capture_logs() as lines:
        async with FaultBroker() as broker, rig(tmp_path, broker.port) as town:
            for times in range(1, 4):
                await town.add(10)
                await all_of_it_arrives(town, broker)
                await broker.take_over(CLIENT)
                await eventually(lambda times=times: len(broker.connects) > times, "back")
            await town.add(10)
            await all_of_it_arrives(town, broker)
    assert [bound for _, bound in delays[:3]] == [0.01, 0.02, 0.04]
    assert all("Session taken over" in str(line["why"]) for line in lines if "why" in line)


@pytest.mark.parametrize("reason", [0x80, 0x83, NOT_AUTHORISED, QUOTA_EXCEEDED])
async def test_records_that_are_refused_for_now_are_kept_and_sent_again(
    tmp_path: Path, reason: int
) -> None:
    refusing = True

    def verdict(message: Message) -> int:
        return reason if refusing and message.topic.endswith("/records") else 0

    with capture_logs() as lines:
        async with FaultBroker(verdict=verdict) as broker, rig(tmp_path, broker.port) as town:
            await town.add(1000)
            await eventually(lambda: len(broker.records()) > 30, "tried again")
            assert town.records.rows == 1000
            refusing = False
            await all_of_it_arrives(town, broker)
            assert len(broker.connects) == 1
    said = [line for line in lines if "does not take records" in line["event"]]
    assert said[0]["log_level"] == "warning"
    assert said[0]["why"] == f"reason code {reason}"
    assert all(line["log_level"] == "debug" for line in said[1:-1])
    assert said[-1]["event"].endswith(": over")


async def test_what_a_broker_will_never_take_is_moved_aside_and_holds_nothing_up(
    tmp_path: Path,
) -> None:
    def verdict(message: Message) -> int:
        return PAYLOAD_FORMAT_INVALID if b"\xd3\x00\x01" in message.payload else 0

    async with FaultBroker(verdict=verdict) as broker, rig(tmp_path, broker.port) as town:
        for who in range(3):
            await town.add(20, who)
        await all_of_it_arrives(town, broker)
        assert (await town.records.counters())["rejected"] == 20


async def test_batches_that_are_too_large_are_made_smaller_until_they_are_taken(
    tmp_path: Path,
) -> None:
    def verdict(message: Message) -> int:
        return PACKET_TOO_LARGE if len(message.payload) > 2000 else 0

    async with FaultBroker(verdict=verdict) as broker, rig(tmp_path, broker.port) as town:
        await town.add(3000)
        await all_of_it_arrives(town, broker)
        assert (await town.records.counters())["rejected"] == 0


@pytest.mark.parametrize("most", [400, 2000, 9000])
async def test_the_brokers_largest_packet_is_kept_to(tmp_path: Path, most: int) -> None:
    async with (
        FaultBroker(limits={"MaximumPacketSize": most}) as broker,
        rig(tmp_path, broker.port) as town,
    ):
        await town.add(3000)
        await all_of_it_arrives(town, broker)
        assert broker.violations == []
        assert most // 2 < broker.largest <= most
        assert (await town.records.counters())["rejected"] == 0


@pytest.mark.parametrize("limit", ["message_size_limit 3000", "max_packet_size 3000"])
async def test_mosquittos_limits_are_met_with_smaller_batches(tmp_path: Path, limit: str) -> None:
    broker = Broker(tmp_path, f"allow_anonymous true\n{limit}\n")
    await broker.start()
    try:
        async with rig(tmp_path, broker.port) as town:
            await town.add(3000)
            await eventually(lambda: town.records.rows == 0, "buffer drained")
            assert (await town.records.counters())["rejected"] == 0
    finally:
        await broker.stop()


async def test_packets_too_small_for_a_record_keep_it_and_say_so(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with (
            FaultBroker(limits={"MaximumPacketSize": 300}) as broker,
            rig(tmp_path, broker.port) as town,
        ):
            await town.add(1, size=200)
            await eventually(
                lambda: any("at most 300 bytes" in str(line.get("why")) for line in lines), "said"
            )
            assert town.records.rows == 1
            assert len(broker.connects) == 1
            assert broker.violations == []


async def test_a_broker_that_ends_a_connection_for_its_size_gets_smaller_batches(
    tmp_path: Path, delays: list[tuple[float, float]]
) -> None:
    async with FaultBroker() as broker:
        broker.limits = {"MaximumPacketSize": 3000}
        # It has the limit, and does not say so.
        broker._properties = lambda: b"\0"  # pyright: ignore[reportPrivateUsage]
        async with rig(tmp_path, broker.port) as town:
            await town.add(3000)
            await all_of_it_arrives(town, broker)
            assert 1 <= len(broker.violations) < 10


@pytest.mark.parametrize("most", [1, 3, 17])
async def test_no_more_messages_are_on_their_way_than_the_broker_receives(
    tmp_path: Path, most: int
) -> None:
    async with (
        FaultBroker(limits={"ReceiveMaximum": most}, hold_acks=most) as broker,
        rig(tmp_path, broker.port, in_flight=50) as town,
    ):
        # A whole number of full pipelines: its PUBACKs come once it is full.
        for who in range(most * 4):
            await town.add(5, who)
        await all_of_it_arrives(town, broker)
        assert broker.violations == []
        assert broker.most_waiting == most


async def test_the_brokers_keepalive_is_kept_to(tmp_path: Path) -> None:
    async with (
        FaultBroker(limits={"ServerKeepAlive": 1}) as broker,
        rig(tmp_path, broker.port, keepalive=3600),
    ):
        await eventually(lambda: broker.pings >= 2, "pings every second")


async def test_pubacks_that_never_come_give_up_nothing(tmp_path: Path) -> None:
    dropped = 0

    def verdict(message: Message) -> int:
        nonlocal dropped
        if message.topic.endswith("/records") and dropped < 5:
            dropped += 1
            raise Drop
        return 0

    def after_ack(message: Message) -> None:
        # The connection breaks at some time: until then nothing may be taken as done.
        if dropped == 5 and len(broker.connects) == 1:
            raise Die

    async with (
        FaultBroker(verdict=verdict, after_ack=after_ack) as broker,
        rig(tmp_path, broker.port) as town,
    ):
        for who in range(20):
            await town.add(30, who)
        await eventually(lambda: len(broker.connects) == 2, "connected anew")
        await all_of_it_arrives(town, broker)
        assert len(broker.records()) >= 25


async def test_a_broker_that_acknowledges_and_dies_has_it_once_by_key(tmp_path: Path) -> None:
    def after_ack(message: Message) -> None:
        if message.topic.endswith("/records") and len(broker.records()) % 3 == 0:
            raise Die

    async with (
        FaultBroker(after_ack=after_ack) as broker,
        rig(tmp_path, broker.port) as town,
    ):
        for who in range(20):
            await town.add(30, who)
        await all_of_it_arrives(town, broker)
        assert len(broker.connects) >= 3


async def test_a_broker_that_speaks_byte_by_byte_is_waited_for(tmp_path: Path) -> None:
    async with (
        FaultBroker(trickle_s=0.01) as broker,
        rig(tmp_path, broker.port) as town,
    ):
        for who in range(20):
            await town.add(30, who)
        await all_of_it_arrives(town, broker)
        assert len(broker.connects) == 1


async def test_a_connection_that_is_half_open_is_noticed_by_its_silence(tmp_path: Path) -> None:
    async with FaultBroker() as broker, rig(tmp_path, broker.port, keepalive=1) as town:
        await town.add(10)
        await all_of_it_arrives(town, broker)
        broker.go_deaf()
        await town.add(10)
        await all_of_it_arrives(town, broker)
        assert len(broker.connects) == 2


async def test_a_broker_that_is_away_is_asked_again_from_a_fresh_client(
    tmp_path: Path, delays: list[tuple[float, float]]
) -> None:
    async with FaultBroker() as broker:
        port = broker.port
    async with rig(tmp_path, port) as town:
        await town.add(10)
        await eventually(lambda: len(delays) > 5, "tried again")
        assert town.records.rows == 10
        assert not town.link.connected
