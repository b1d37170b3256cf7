"""The simulated RS-485 bus keeps line time and is as unkind as a real one."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import serial

from protocol import busframe
from simulators.bus import BITS_PER_BYTE, Bus, BusPort

PATIENCE = 30.0


class Listener:
    """A port that keeps what it hears, and when."""

    def __init__(self, bus: Bus, baud: int | None = None) -> None:
        self.port: BusPort = bus.join(self._hear, baud)
        self.heard = b""
        self.at = 0.0
        self._news = asyncio.Event()

    def _hear(self, data: bytes) -> None:
        self.heard += data
        self.at = asyncio.get_running_loop().time()
        self._news.set()

    async def until(self, count: int) -> bytes:
        async with asyncio.timeout(PATIENCE):
            while len(self.heard) < count:
                self._news.clear()
                await self._news.wait()
        return self.heard


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    made = Bus()
    yield made
    made.close()


async def test_everybody_but_the_talker_hears_and_no_sooner_than_the_line_can(bus: Bus) -> None:
    one, two, three = Listener(bus), Listener(bus), Listener(bus)
    began = asyncio.get_running_loop().time()
    one.port.transmit(b"x" * 1000)
    await two.until(1000)
    assert two.at - began >= 1000 * BITS_PER_BYTE / 115_200
    assert await three.until(1000) == two.heard == b"x" * 1000
    assert one.heard == b""


async def test_one_talker_s_chunks_queue_in_order_without_collision(bus: Bus) -> None:
    talker, listener = Listener(bus), Listener(bus)
    for number in range(10):
        talker.port.transmit(bytes([number]) * 20)
    assert await listener.until(200) == b"".join(bytes([n]) * 20 for n in range(10))
    assert bus.utilisation().collisions == 0


async def test_two_talkers_garble_each_other_and_hear_nothing_of_it(bus: Bus) -> None:
    one, two, third = Listener(bus), Listener(bus), Listener(bus)
    one.port.transmit(bytes(100))
    two.port.transmit(bytes(300))
    await third.until(400)
    # The first 100 bytes of both overlap; the last 200 of the second are on the line alone.
    assert third.heard.count(0) < 250
    assert third.heard.endswith(bytes(200))
    # It listens again once it has finished talking; the two do not start at quite one moment.
    assert 200 <= len(one.heard) <= 250
    assert not any(one.heard)
    assert two.heard == b""
    assert bus.utilisation().collisions == 1


async def test_a_collision_never_passes_for_a_frame(bus: Bus) -> None:
    one, two, third = Listener(bus), Listener(bus), Listener(bus)
    frames = [busframe.encode(n, busframe.RESPONSE, 0, bytes(200)) for n in (1, 2)]
    one.port.transmit(frames[0])
    two.port.transmit(frames[1])
    await third.until(sum(map(len, frames)))
    assert busframe.Deframer().feed(third.heard) == []


async def test_a_listener_at_another_rate_hears_rubbish(bus: Bus) -> None:
    talker, slow, fast = Listener(bus), Listener(bus, 9600), Listener(bus, 230_400)
    right = Listener(bus)
    talker.port.transmit(b"\x55" * 120)
    await right.until(120)
    assert right.heard == b"\x55" * 120
    assert len(slow.heard) == 10
    assert len(fast.heard) == 240
    assert b"\x55" * 10 not in fast.heard


async def test_noise_flips_bits_at_its_rate_and_the_same_for_the_same_seed() -> None:
    async def hear(seed: int) -> bytes:
        bus = Bus(baud=921_600, bit_error_rate=1e-3, seed=seed)
        talker, listener = Listener(bus), Listener(bus)
        for _ in range(20):
            talker.port.transmit(bytes(1000))
        heard = await listener.until(20_000)
        bus.close()
        return heard

    first, again, other = await hear(1), await hear(1), await hear(2)
    assert first == again
    assert first != other
    flipped = sum(byte.bit_count() for byte in first)
    assert 80 <= flipped <= 250, "160 of 160,000 bits on average"


async def test_no_noisy_frame_passes_the_deframer_changed() -> None:
    bus = Bus(baud=921_600, bit_error_rate=2e-4, seed=3)
    talker, listener = Listener(bus), Listener(bus)
    payload = bytes(range(256))
    frames = [busframe.encode(7, busframe.REQUEST, n, payload) for n in range(60)]
    for frame in frames:
        talker.port.transmit(frame)
    deframer = busframe.Deframer()
    found = deframer.feed(await listener.until(sum(map(len, frames))))
    bus.close()
    assert 0 < len(found) < 60
    assert deframer.rejected > 0
    assert {(address, got) for address, _, _, got in found} == {(7, payload)}


async def test_cut_wires_carry_nothing_either_way(bus: Bus) -> None:
    one, two, three = Listener(bus), Listener(bus), Listener(bus)
    two.port.connected = False
    two.port.transmit(b"lost")
    one.port.transmit(b"for three")
    assert await three.until(9) == b"for three"
    assert two.heard == b""


async def test_utilisation_counts_bytes_and_line_time(bus: Bus) -> None:
    talker, listener = Listener(bus), Listener(bus)
    talker.port.transmit(bytes(1152))
    await listener.until(1152)
    seen = bus.utilisation()
    assert seen.bytes == 1152
    assert seen.busy_s == pytest.approx(0.1)
    assert 0 < seen.share <= 1


async def test_pyserial_talks_and_listens_at_the_gateway_s_port(bus: Bus) -> None:
    node = Listener(bus)
    path = bus.open_gateway_port()
    assert bus.open_gateway_port() == path
    with serial.Serial(path, 115_200, timeout=PATIENCE) as port:
        port.write(b"\x00question\x11\x13\x03\xff")  # nothing is special to the line
        assert await node.until(13) == b"\x00question\x11\x13\x03\xff"
        node.port.transmit(b"\x00answer\r\n\x04")
        assert await asyncio.to_thread(port.read, 10) == b"\x00answer\r\n\x04"


async def test_a_gateway_at_another_rate_is_not_understood(bus: Bus) -> None:
    node = Listener(bus)
    with serial.Serial(bus.open_gateway_port(), 9600, timeout=PATIENCE) as port:
        port.write(b"U" * 20)
        heard = await node.until(80)
        assert b"U" * 20 not in heard
        node.port.transmit(b"V" * 60)
        assert await asyncio.to_thread(port.read, 5) != b"VVVVV"


async def test_a_gateway_that_reads_nothing_loses_bytes_and_holds_nobody_up() -> None:
    bus = Bus(baud=921_600)
    talker, listener = Listener(bus), Listener(bus)
    bus.open_gateway_port()
    for _ in range(100):  # more than the kernel keeps for a reader
        talker.port.transmit(bytes(1000))
    await listener.until(100_000)
    assert bus.utilisation().overruns > 0
    bus.close()


async def test_a_gateway_may_come_again(bus: Bus) -> None:
    node = Listener(bus)
    for number in range(2):
        with serial.Serial(bus.open_gateway_port(), 115_200, timeout=PATIENCE) as port:
            port.write(b"hello")
            await node.until(5 * (number + 1))
            node.port.transmit(b"you")
            assert await asyncio.to_thread(port.read, 3) == b"you"


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
async def test_an_impossible_error_rate_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="bit error rate: expected 0 or more"):
        Bus(bit_error_rate=rate)
