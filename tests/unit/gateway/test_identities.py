"""Strangers are found, and two at one address told apart, over a bus that keeps line time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Callable

import pytest

from gateway.bus.bus import Bus as GatewayBus
from gateway.bus.identities import Identities
from gateway.config import BusSection
from gateway.errors import NoReply
from gateway.lampposts.turns import Traffic
from gateway.logs import get
from protocol import busframe, messages, smp
from simulators.bus import Bus
from tests.unit.gateway.test_port import happens


@pytest.fixture(autouse=True)
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.bus.identities._LOOK_EVERY_S", 0.05)


BAUD = 921_600  # the same as at 115200, sooner


class Node:
    """Answers requests to its address, after a time drawn from `delay_s`."""

    def __init__(
        self, bus: Bus, address: int, node: bytes, delay_s: tuple[float, float] = (0.001, 0.004)
    ) -> None:
        self.port = bus.join(self._hear)
        self.address = address
        self.node = node
        self.asked = 0
        self._delay = delay_s
        self._chance = random.Random(node)
        self._deframer = busframe.Deframer()

    def _hear(self, data: bytes) -> None:
        for address, control, sequence, payload in self._deframer.feed(data):
            if control == busframe.REQUEST and address == self.address:
                self.asked += 1
                op, group, number, command, _ = smp.unpack(payload)
                body = messages.identify_reply(self.node, "esp32s3-ref", "1.2.3", self.address)
                reply = smp.pack(op + 1, group, number, command, body)
                data = busframe.encode(self.address, busframe.RESPONSE, sequence, reply)
                loop = asyncio.get_running_loop()
                loop.call_later(self._chance.uniform(*self._delay), self.port.transmit, data)


class Board:
    """Alarms and strangers, as they were told."""

    def __init__(self) -> None:
        self.raised: dict[tuple[str, str], str] = {}
        self.strangers: set[tuple[bytes, str, int]] = set()

    def set(self, name: str, text: str, *, subject: str = "") -> None:
        self.raised[name, subject] = text

    def over(self, name: str, subject: str = "") -> None:
        self.raised.pop((name, subject), None)

    def seen(self, node: bytes, link: str, address: int) -> None:
        self.strangers.add((node, link, address))


@contextlib.asynccontextmanager
async def bus(**settings: object) -> AsyncGenerator[tuple[Bus, GatewayBus, Board]]:
    line = Bus(BAUD)
    board = Board()
    section = BusSection.model_validate(
        {
            "port": line.open_gateway_port(),
            "baud": BAUD,
            "reply_timeout_ms": 200,
            "discover": False,
            "attempts": 1,
            **settings,
        }
    )
    gateway = GatewayBus("north", section, board, board, get())
    task = asyncio.create_task(gateway.run())
    try:
        await happens(gateway.port.opened.is_set)
        yield line, gateway, board
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        line.close()


ONE, TWO, THREE = (bytes((0xA0, 0xB1, 0xC2, 0xD3, 0xE4, n)) for n in (1, 2, 3))


async def poll(gateway: GatewayBus, address: int, count: int) -> None:
    channel = gateway.channel(address)
    message = smp.pack(smp.OP_READ, smp.GROUP_STREET, 0, messages.IDENTIFY, {})
    for _ in range(count):
        async with channel.turn(Traffic.POLL):
            with contextlib.suppress(NoReply):
                await channel.exchange(message)


async def looked_into(gateway: GatewayBus, found: Callable[[], object]) -> None:
    """Look into address 5 until `found()`: on a busy machine answers come all at once, or late."""
    async with asyncio.timeout(60):
        await gateway.identities.look_into(5)
        while not found():
            await gateway.identities.look_into(5)


async def test_two_whose_answers_garble_each_other_are_suspected_and_told_apart() -> None:
    async with bus() as (line, gateway, board):
        gateway.expect({5: ONE, 6: THREE})
        for address, node in ((5, ONE), (5, TWO), (6, THREE)):
            Node(line, address, node)
        async with asyncio.timeout(60):
            # As it is polled in the street: on, whether they happened to garble each other or not.
            while not board.raised:
                await poll(gateway, 5, 2)
                await poll(gateway, 6, 2)
        await looked_into(
            gateway,
            lambda: (
                f"two lampposts have bus address 5: {ONE.hex()} and {TWO.hex()}"
                in board.raised.get(("bus_duplicate_address", "north/5"), "")
            ),
        )
        assert board.strangers == {(TWO, "bus:north", 5)}
        assert gateway.identities.duplicates == {5: frozenset((ONE, TWO))}


async def test_two_who_always_talk_at_once_are_two_all_the_same() -> None:
    async with bus() as (line, gateway, board):
        gateway.expect({5: ONE})
        for node in (ONE, TWO):
            Node(line, 5, node, (0.002, 0.002))
        found = await gateway.identities.look_into(5)
        assert found.nodes == set()
        assert found.several
        assert "their answers garble each other" in board.raised["bus_duplicate_address", "north/5"]


async def test_a_line_that_garbles_everybody_makes_nobody_two() -> None:
    async with bus() as (line, gateway, board):
        gateway.expect({5: ONE, 6: TWO})
        for address, node in ((5, ONE), (6, TWO)):
            Node(line, address, node)
        line.noise.set_rate(0.0015)
        found = await gateway.identities.look_into(5)
        assert found.several
        assert board.raised == {}


async def test_the_alarm_ends_when_one_of_them_has_gone() -> None:
    async with bus() as (line, gateway, board):
        gateway.expect({5: ONE})
        Node(line, 5, ONE)
        second = Node(line, 5, TWO)
        await looked_into(gateway, lambda: board.raised)
        assert list(board.raised) == [("bus_duplicate_address", "north/5")]
        second.port.leave()
        await gateway.identities.look_into(5)
        assert board.raised == {}
        assert gateway.identities.duplicates == {}


async def test_another_lamppost_than_expected_is_told_and_shown() -> None:
    async with bus() as (line, gateway, board):
        gateway.expect({5: ONE})
        Node(line, 5, TWO)
        gateway.line.suspicions.tell(5)  # its seal did not open
        await happens(lambda: board.raised)
        text = board.raised["bus_stranger", "north/5"]
        assert f"expected lamppost {ONE.hex()} at bus address 5, {TWO.hex()} answers" in text
        assert board.strangers == {(TWO, "bus:north", 5)}


async def test_one_alone_on_a_noisy_line_is_no_two() -> None:
    async with bus() as (line, gateway, board):
        line.noise.set_rate(1e-4)
        gateway.expect({5: ONE})
        Node(line, 5, ONE)
        found = await gateway.identities.look_into(5)
        assert found.clean
        assert found.nodes == {ONE}
        assert board.raised == {}


async def test_free_addresses_are_searched_one_by_one_and_taken_ones_left_alone() -> None:
    async with bus(discover=True, discover_every_s=0.1) as (line, gateway, board):
        gateway.expect({1: ONE})
        known = Node(line, 1, ONE)
        Node(line, 2, TWO)
        Node(line, 4, THREE)
        await happens(lambda: len(board.strangers) == 2)
        assert board.strangers == {(TWO, "bus:north", 2), (THREE, "bus:north", 4)}
        assert known.asked == 0
        assert gateway.line.timeouts == 0  # a free address is no lamppost that does not answer


async def test_the_search_goes_around_and_takes_its_share_and_no_more() -> None:
    async with bus(discover=True, discover_every_s=0.1) as (_, gateway, board):
        gateway.expect({address: ONE for address in range(1, 248) if address not in (3, 247)})
        asked: list[int] = []
        began = asyncio.get_running_loop().time()

        async def gather(address: int, payload: bytes) -> tuple[list[bytes], bool]:
            asked.append(address)
            return [], False

        gateway.line.gather = gather  # type: ignore[method-assign]
        await happens(lambda: len(asked) == 5)
        assert asked == [3, 247, 3, 247, 3]
        assert asyncio.get_running_loop().time() - began > 0.4
        assert board.strangers == set()


async def test_a_full_bus_has_no_free_address_to_search() -> None:
    async with bus() as (_, gateway, _):
        gateway.expect(dict.fromkeys(range(1, 248), ONE))
        assert await searched(gateway.identities) == 0.0
        assert gateway.line.requests == 0


async def searched(identities: Identities) -> float:
    return await identities._search()  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("payload", [b"", b"\xff" * 30, smp.pack(1, 64, 0, 3, {"id": 5})])
async def test_an_answer_that_says_nothing_is_nobody(payload: bytes) -> None:
    async with bus() as (_, gateway, board):

        async def gather(address: int, request: bytes) -> tuple[list[bytes], bool]:
            return [payload], False

        gateway.line.gather = gather  # type: ignore[method-assign]
        found = await gateway.identities.ask(9)
        assert (found.nodes, found.garbled) == (set(), 1)
        assert board.strangers == set()


async def test_a_babbler_is_told_with_its_address_and_the_alarm_ends() -> None:
    async with bus() as (_, gateway, board):
        stray = busframe.encode(77, busframe.RESPONSE, 1, b"x" * 1000)

        def second(number: int, frames: int) -> None:
            for _ in range(frames):
                gateway.port.data_received(stray)
            gateway.look(1000.0 + number)

        for number in range(5):
            second(number, 60)
        text = board.raised["bus_babbling", "north"]
        assert "somebody fills bus north: address 77 talks without being asked" in text
        for number in range(5, 9):
            second(number, 0)
        assert board.raised == {}
        assert gateway.port.babble.seconds > 0


async def test_a_port_away_for_long_is_an_alarm_with_its_reason() -> None:
    async with bus() as (_, gateway, board):
        gateway.port.opened.clear()
        gateway.port.trouble = "no adapter serial:X is plugged in"
        gateway.look(1000.0)
        gateway.look(1029.0)
        assert board.raised == {}
        gateway.look(1030.0)
        assert "no adapter serial:X" in board.raised["bus_port", "north"]
        gateway.port.opened.set()
        gateway.look(1031.0)
        assert board.raised == {}
