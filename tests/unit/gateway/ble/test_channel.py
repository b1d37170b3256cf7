"""The way to one lamppost, over connections that fail in every way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from bleak.exc import BleakDBusError, BleakDeviceNotFoundError, BleakError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import logs
from gateway.ble import channel as rules
from gateway.ble.channel import BleChannel
from gateway.ble.link import BleLink
from gateway.config.ble import BleSection
from gateway.errors import LinkUnavailable, NoReply
from gateway.lampposts.turns import Traffic
from protocol import smp
from protocol.busframe import MAX_PAYLOAD
from tests.unit.gateway.ble.fakes import FakeAdapter, Peer, reply_to, request, until

NODE = bytes.fromhex("a0b1c2d3e4f5")
ADDRESS = "A0:B1:C2:D3:E4:F7"
ABORT = BleakDBusError("org.bluez.Error.Failed", ["le-connection-abort-by-local"])
GONE = BleakDeviceNotFoundError(ADDRESS, "It may have been removed from BlueZ")


class Street:
    """A gateway's Bluetooth with fake adapters, and one lamppost they hear."""

    def __init__(self, link: BleLink, adapters: list[FakeAdapter]) -> None:
        self.link = link
        self.adapters = adapters
        self.peer = Peer()
        self.channel = link.add(NODE, bytes(16), None, logs.get())
        for adapter in adapters:
            adapter.peers[ADDRESS] = self.peer

    async def heard(self) -> BleChannel:
        await until(lambda: all(adapter.hear for adapter in self.adapters))
        await until(self.link.ready.is_set)
        for strength, adapter in enumerate(self.adapters):
            adapter.advertise(ADDRESS, rssi=-60 - 10 * strength)
        return self.channel

    async def ask(self, attempts: int | None = None, sequence: int = 1) -> tuple[bytes, bool]:
        async with self.channel.turn(Traffic.POLL):
            return await self.channel.exchange(request(sequence), attempts=attempts)


@asynccontextmanager
async def _street(
    *names: str, machine_time: Callable[[], float] = time.monotonic
) -> AsyncIterator[Street]:
    adapters = {name: FakeAdapter(name) for name in names or ("hci0",)}
    section = BleSection.model_validate({"adapters": list(adapters)})
    link = BleLink(section, adapters.__getitem__, logs.get(), machine_time)
    street = Street(link, list(adapters.values()))
    task = asyncio.create_task(link.run())
    try:
        yield street
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled(), task
        assert not street.peer.clients, "it is disconnected at the end"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "_REPLY_S", 0.1)


async def test_a_request_goes_out_and_its_reply_comes_back_whole() -> None:
    async with _street() as street:
        channel = await street.heard()
        assert (channel.kind, channel.mtu) == ("ble", MAX_PAYLOAD)
        assert await street.ask() == (reply_to(request()), False)
        assert street.peer.longest_write <= 244
        assert (channel.connects, channel.repeats) == (1, 0)


@pytest.mark.parametrize(("room", "longest"), [(20, 20), (512, 512), (5000, 512)])
async def test_writes_are_as_long_as_the_connection_carries(room: int, longest: int) -> None:
    async with _street() as street:
        await street.heard()
        street.peer.room = room
        async with street.channel.turn(Traffic.POLL):
            await street.channel.exchange(request(size=900))
        assert street.peer.longest_write == longest


async def test_it_is_available_only_while_an_adapter_hears_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _street() as street:
        assert not street.channel.available
        with pytest.raises(LinkUnavailable):
            await street.ask()
        await street.heard()
        assert street.channel.available
        monkeypatch.setattr(rules, "_HEARD_S", 0.0)
        assert not street.channel.available


async def test_silence_repeats_the_same_bytes() -> None:
    async with _street() as street:
        await street.heard()
        answer = street.peer.answers
        street.peer.answers = lambda message: [] if len(street.peer.heard) < 3 else answer(message)
        assert await street.ask() == (reply_to(request()), True)
        assert street.peer.heard == [request()] * 3


async def test_half_a_reply_does_not_spoil_the_next() -> None:
    async with _street() as street:
        await street.heard()
        answer = street.peer.answers

        def halved(message: bytes) -> list[bytes]:
            pieces = answer(message) or []
            return pieces[:2] if len(street.peer.heard) == 1 else pieces

        street.peer.answers = halved
        assert await street.ask() == (reply_to(request()), True)
        assert len(street.peer.heard) == 2


async def test_one_that_never_answers_is_given_up_and_the_next_turn_connects_anew() -> None:
    async with _street() as street:
        await street.heard()
        answer, street.peer.answers = street.peer.answers, lambda _: []
        with pytest.raises(NoReply):
            await street.ask(attempts=2)
        assert street.peer.heard == [request()] * 2
        street.peer.answers = answer
        assert (await street.ask())[0] == reply_to(request())
        assert street.channel.connects == 2


async def test_out_of_range_in_mid_transfer_it_connects_again_and_repeats() -> None:
    async with _street() as street:
        await street.heard()
        answer = street.peer.answers
        street.peer.answers = lambda message: (
            None if len(street.peer.heard) % 3 == 2 else answer(message)
        )
        async with street.channel.turn(Traffic.TRANSFER):
            for sequence in range(1, 10):
                message = request(sequence)
                reply, _ = await street.channel.exchange(message)
                assert reply == reply_to(message)
        assert street.channel.drops > 2
        assert street.channel.connects == street.channel.drops + 1


async def test_a_connection_lost_while_nothing_is_asked_is_made_again_by_the_next_turn() -> None:
    async with _street() as street:
        await street.heard()
        await street.ask()
        street.peer.drop()
        assert (await street.ask())[0] == reply_to(request())
        assert street.channel.connects == 2


async def test_interference_is_tried_again_at_once_and_then_left_alone_for_a_while() -> None:
    async with _street() as street:
        await street.heard()
        street.peer.connects = [ABORT, ABORT]
        await street.ask()
        street.peer.drop()
        street.peer.connects = [ABORT] * 3
        with pytest.raises(LinkUnavailable, match="interference"):
            await street.ask()
        assert not street.channel.available, "left alone"
        assert street.link.faults() == {"aborted": 5}


async def test_the_pause_grows_and_ends_with_a_connection() -> None:
    now = 1000.0
    async with _street(machine_time=lambda: now) as street:
        await street.heard()
        pauses: list[int] = []
        for _ in range(8):
            street.peer.connects = [TimeoutError()]
            with pytest.raises(LinkUnavailable):
                await street.ask()
            pauses.append(0)
            while not street.channel.available:
                now += 1
                pauses[-1] += 1
                street.adapters[0].advertise(ADDRESS)
        assert pauses == [2, 4, 8, 16, 32, 60, 60, 60]
        await street.ask()
        street.peer.drop()
        street.peer.connects = [TimeoutError()]
        with pytest.raises(LinkUnavailable):
            await street.ask()
        now += 2
        assert street.channel.available


async def test_what_is_no_lamppost_is_left_at_once() -> None:
    async with _street() as street:
        await street.heard()
        street.peer.service = False
        with pytest.raises(LinkUnavailable, match="no SMP service"):
            await street.ask()
        assert not street.peer.clients
        assert street.link.faults() == {"service_missing": 1}


async def test_the_other_adapter_is_used_when_the_nearer_one_cannot_reach_it() -> None:
    async with _street("hci0", "hci1") as street:
        await street.heard()
        street.peer.connects = [TimeoutError()]
        await street.ask()
        assert street.link.faults() == {"timeout": 1}
        street.peer.drop()
        street.peer.connects = []
        # For a while the other stays the first choice, though it hears it less well.
        street.adapters[0].peers.clear()
        await street.ask()


async def test_one_that_bluez_has_forgotten_makes_the_adapter_look_again() -> None:
    async with _street() as street:
        await street.heard()
        street.peer.connects = [GONE]
        street.adapters[0].there = False  # bluetoothd was restarted
        with pytest.raises(LinkUnavailable, match="forgotten"):
            await street.ask()
        await until(lambda: street.link.faults().get("adapter_gone"))


async def test_an_adapter_that_dies_with_a_request_on_its_way_ends_it() -> None:
    async with _street() as street:
        await street.heard()

        def die(_: bytes) -> None:
            street.adapters[0].there = False
            street.peer.connects = [BleakError("adapter 'hci0' not found")] * 10

        street.peer.answers = die
        with pytest.raises((NoReply, LinkUnavailable)):
            await street.ask()
        await until(lambda: not street.link.ready.is_set())
        assert not street.channel.available


async def test_a_reply_that_is_late_or_of_another_request_is_not_taken() -> None:
    async with _street() as street:
        await street.heard()
        stray = [
            reply_to(request(9)),
            smp.pack(smp.OP_WRITE_RSP, smp.GROUP_STREET, 1, 2, {}),
            smp.pack(smp.OP_READ_RSP, smp.GROUP_OS, 1, 2, {}),
            smp.pack(smp.OP_READ_RSP, smp.GROUP_STREET, 1, 3, {}),
        ]
        street.peer.answers = lambda message: [*stray, reply_to(message)]
        assert (await street.ask())[0] == reply_to(request())


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.binary(max_size=512), max_size=20))
async def test_rubbish_in_notifications_is_passed_over(rubbish: list[bytes]) -> None:
    async with _street() as street:
        await street.heard()
        street.peer.answers = lambda _: rubbish
        async with street.channel.turn(Traffic.POLL):
            with pytest.raises(NoReply):
                await street.channel.exchange(request(), attempts=1, patience_s=-0.095)
        street.peer.answers = lambda message: [reply_to(message)]
        assert (await street.ask())[0] == reply_to(request())


async def test_two_askers_take_turns_on_one_connection() -> None:
    async with _street() as street:
        await street.heard()
        answers = await asyncio.gather(*(street.ask(sequence=number) for number in range(1, 30)))
        assert [reply for reply, _ in answers] == [
            reply_to(request(number)) for number in range(1, 30)
        ]
        assert street.channel.connects == 1


async def test_one_who_is_cancelled_leaves_the_way_to_others() -> None:
    async with _street() as street:
        await street.heard()
        answer, street.peer.answers = street.peer.answers, lambda _: []
        asking = asyncio.create_task(street.ask())
        await until(lambda: street.peer.heard)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        street.peer.answers = answer
        assert (await street.ask())[0] == reply_to(request())


async def test_a_stranger_can_be_asked_who_it_is() -> None:
    async with _street() as street:
        await street.heard()
        address = "66:66:66:66:66:66"
        street.adapters[0].peers[address] = Peer()
        assert street.link.stranger(address, logs.get()) is None
        street.adapters[0].advertise(address, "lamp-666666")
        assert [one.address for one in street.link.strangers()] == [address]
        channel = street.link.stranger(address, logs.get())
        assert channel is not None
        async with channel.turn(Traffic.COMMAND):
            assert (await channel.exchange(request()))[0] == reply_to(request())


async def test_a_lamppost_that_is_set_up_anew_is_connected_anew() -> None:
    async with _street() as street:
        await street.heard()
        await street.ask()
        before = street.channel
        # As a reload does, when its name has changed; its connection is still there.
        street.link.remove(NODE)
        street.channel = street.link.add(NODE, bytes(16), None, logs.get())
        for adapter in street.adapters:
            adapter.advertise(ADDRESS)
        assert await street.ask() == (reply_to(request()), False)
        assert (before.connects, street.channel.connects) == (1, 1)
        assert len(street.peer.clients) == 1
