"""The uplink's parts: who is there to take readings, and how often a connection is tried."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, ClassVar, cast

import aiomqtt
import pytest

from gateway.buffer.records import Row
from gateway.clock import SystemClock
from gateway.config import MqttSection
from gateway.uplink import client as mqtt
from gateway.uplink import drain, link
from gateway.uplink.presence import Presence


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self.said = asyncio.Event()

    def bind(self, **_: object) -> Log:
        return self

    def __getattr__(self, level: str) -> Any:
        def say(event: str, **_: object) -> None:
            self.lines.append((level, event))
            self.said.set()

        return say


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def announcement(name: str) -> bytes:
    return json.dumps({"ingest": name, "since": 1_800_000_000}).encode()


def presence(time: Time | None = None) -> Presence:
    return Presence(cast("Any", Log()), time or Time())


def test_an_ingest_is_there_until_its_announcement_expires() -> None:
    time = Time()
    ingests = presence(time)
    assert not ingests.known
    ingests.received("desk", announcement("desk"), 100)
    time.now += 60
    ingests.received("desk", announcement("desk"), 100)
    time.now += 99
    assert ingests.known
    time.now += 1
    assert not ingests.known


def test_an_announcement_without_expiry_is_for_ever() -> None:
    time = Time()
    ingests = presence(time)
    ingests.received("desk", announcement("desk"), None)
    time.now += 1e9
    assert ingests.known


def test_a_removal_concerns_one_ingest_at_once() -> None:
    ingests = presence()
    ingests.received("one", announcement("one"), 100)
    ingests.received("two", announcement("two"), 100)
    ingests.received("one", b"", None)
    assert ingests.known
    ingests.received("two", b"", None)
    assert not ingests.known


def test_a_new_connection_has_to_say_again_who_is_there() -> None:
    ingests = presence()
    ingests.received("desk", announcement("desk"), None)
    ingests.forget()
    assert not ingests.known


@pytest.mark.parametrize(
    "payload",
    [
        b"{",
        b"[]",
        b"\xff",
        b"[" * 4000,
        b"null",
        announcement("other"),
        b'{"ingest": "desk"}',
        b'{"ingest": "desk", "since": true}',
        announcement("desk") + b" " * 5000,
    ],
)
def test_what_is_no_announcement_announces_nobody(payload: bytes) -> None:
    ingests = presence()
    ingests.received("desk", payload, 100)
    assert not ingests.known


def test_announcements_without_end_are_bounded() -> None:
    log = Log()
    ingests = Presence(cast("Any", log), Time())
    for number in range(1100):
        ingests.received(f"i{number}", announcement(f"i{number}"), 100)
    assert sum(event == "ingest present" for _, event in log.lines) == 1000


class FakeRecords:
    last_id = 1

    def __init__(self) -> None:
        self.added = asyncio.Event()
        self.accepted = asyncio.Event()

    async def begin(self, after: int, until: int | None, limit: int) -> list[Row]:
        rows = [Row(1, bytes(6), 1, 0, b"\x80")]
        return [row for row in rows if after < row.id and (until is None or row.id <= until)]

    async def accept(self, rows: list[Row]) -> None:
        self.accepted.set()


async def test_a_record_sent_while_the_last_ingest_went_is_kept() -> None:
    ingests = presence()
    ingests.received("desk", announcement("desk"), None)
    records, log, sent = FakeRecords(), Log(), asyncio.Event()

    class Client:
        largest_packet = ended = None

        async def send(self, *_: object) -> int:
            if not sent.is_set():
                ingests.received("desk", b"", None)
                sent.set()
            return mqtt.SUCCESS

    sender = drain.Drain(cast("Any", records), "t", 5, ingests, cast("Any", log))
    running = asyncio.create_task(sender.run(cast("Any", Client())))
    try:
        await sent.wait()
        await asyncio.wait_for(log.said.wait(), 60)
        assert log.lines[0][0] == "warning"
        assert not records.accepted.is_set()
        ingests.received("desk", announcement("desk"), None)
        await asyncio.wait_for(records.accepted.wait(), 60)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


class Enough(Exception):
    pass


class Backoff:
    """Counts how often the shortest delay was asked for again."""

    made: ClassVar[list[Backoff]] = []

    def __init__(self, *_: object) -> None:
        self.resets = 0
        self.was_reset = asyncio.Event()
        self.delays = 0
        Backoff.made.append(self)

    def reset(self) -> None:
        self.resets += 1
        self.was_reset.set()

    def next_delay(self) -> float:
        self.delays += 1
        if self.delays == 5:
            raise Enough
        return 0


class Connection:
    """Connects, and is cut off at once, or once the backoff has been reset."""

    ended = None

    def __init__(self, until_reset: bool) -> None:
        self._until_reset = until_reset

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(self, *_: object) -> None:
        return

    async def subscribe(self, *_: object, **__: object) -> None:
        return

    async def publish(self, *_: object, **__: object) -> None:
        return

    def takes(self, *_: object) -> bool:
        return True

    @property
    async def messages(self) -> AsyncIterator[Any]:
        if self._until_reset:
            Backoff.made[-1].was_reset.clear()
            await Backoff.made[-1].was_reset.wait()
        raise aiomqtt.MqttError("session taken over")
        yield


class NoDrain:
    async def run(self, client: object) -> None:
        await asyncio.Event().wait()


async def connect_until_enough(monkeypatch: pytest.MonkeyPatch, until_reset: bool) -> Log:
    monkeypatch.setattr(link, "FullJitter", Backoff)
    log = Log()
    made = link.Link(
        "cabinet-1",
        "0",
        MqttSection.model_validate({"host": "broker"}),
        SystemClock(),
        cast("Any", NoDrain()),
        cast("Any", log),
    )
    monkeypatch.setattr(made, "_make", lambda _: Connection(until_reset))
    with pytest.raises(Enough):
        await made.run()
    return log


async def test_a_connection_cut_off_at_once_backs_off_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = await connect_until_enough(monkeypatch, until_reset=False)
    assert Backoff.made[-1].delays == 5
    assert Backoff.made[-1].resets == 0
    # And is one trouble, not a new one at each connect.
    assert [level for level, event in log.lines if "unavailable" in event] == [
        "warning", *["debug"] * 4
    ]  # fmt: skip


async def test_a_connection_that_lasted_starts_again_from_the_shortest_delay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link, "_STABLE_S", 0)
    await connect_until_enough(monkeypatch, until_reset=True)
    assert Backoff.made[-1].resets == 5


async def test_settings_that_come_while_a_connection_is_made_are_gone_by(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hosts: list[str] = []
    made = link.Link(
        "cabinet-1",
        "0",
        MqttSection.model_validate({"host": "old"}),
        SystemClock(),
        cast("Any", NoDrain()),
        cast("Any", Log()),
    )

    class Slow(Connection):
        async def subscribe(self, *_: object, **__: object) -> None:
            if len(hosts) == 1:
                made.follow(MqttSection.model_validate({"host": "new"}))

        @property
        async def messages(self) -> AsyncIterator[Any]:
            if len(hosts) == 2:
                raise Enough
            await asyncio.Event().wait()
            yield

    def make(_: object) -> Slow:
        hosts.append(made._settings.host)  # pyright: ignore[reportPrivateUsage]
        return Slow(until_reset=False)

    monkeypatch.setattr(link, "FullJitter", Backoff)
    monkeypatch.setattr(made, "_make", make)
    with pytest.raises(ExceptionGroup):
        await asyncio.wait_for(made.run(), 60)
    assert hosts == ["old", "new"]
