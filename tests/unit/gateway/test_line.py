"""What a line makes of echoes, second answers, noise and silence."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import random
import resource
import time
import tty
from collections.abc import AsyncGenerator, Callable
from typing import Final

import pytest

from gateway.bus import transaction
from gateway.bus.babble import Babble
from gateway.bus.port import Port
from gateway.bus.silence import Silence
from gateway.bus.suspicion import Suspicions
from gateway.bus.transaction import Line
from gateway.errors import LinkUnavailable, NoReply
from gateway.logs import get
from protocol import busframe
from tests.unit.gateway.test_port import happens, running

PATIENCE_S: Final = 60.0  # far longer than any test: what ends before has not been waited for


class Far:
    """The far side of the line: `answer` is called with each request, and gives what is said."""

    def __init__(self, answer: Callable[[int, int], bytes]) -> None:
        self.descriptor, self._near = pty.openpty()
        tty.setraw(self._near)
        os.set_blocking(self.descriptor, False)
        self.path = os.ttyname(self._near)
        self.answer = answer
        self.requests: list[tuple[int, int]] = []
        self._deframer = busframe.Deframer()

    def _readable(self) -> None:
        for address, _, sequence, _ in self._deframer.feed(os.read(self.descriptor, 65536)):
            self.requests.append((address, sequence))
            self.say(self.answer(address, sequence))

    def say(self, data: bytes) -> None:
        if data:
            os.write(self.descriptor, data)

    def __enter__(self) -> Far:
        asyncio.get_running_loop().add_reader(self.descriptor, self._readable)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self.descriptor)
        os.close(self.descriptor)
        os.close(self._near)


def frame(address: int, sequence: int, payload: bytes = b"me", control: int = 0x80) -> bytes:
    return busframe.encode(address, control, sequence, payload)


@contextlib.asynccontextmanager
async def line_to(
    answer: Callable[[int, int], bytes], timeout_s: float = PATIENCE_S
) -> AsyncGenerator[tuple[Line, Port, Far]]:
    with Far(answer) as far:
        async with running(Port(far.path, 115_200, False, get())) as port:
            line = Line(port, timeout_s)
            await happens(port.opened.is_set)
            yield line, port, far


async def ask(line: Line, address: int = 1) -> bytes:
    return await line.transact(address, line.next_sequence(), b"who")


async def test_our_own_words_heard_back_are_no_answer_and_no_trouble() -> None:
    def echo(address: int, sequence: int) -> bytes:
        return frame(address, sequence, b"who", busframe.REQUEST) + frame(address, sequence)

    async with line_to(echo) as (line, port, _):
        for _ in range(10):
            assert await ask(line) == b"me"
        assert (line.echoes, line.unexpected, line.strays) == (10, 0, {})
        assert line.suspicions.take(0) is None
        port.babble.look(1.0)
        port.babble.look(3.0)
        assert port.babble.stray == 0


async def test_another_master_is_noticed() -> None:
    def both(address: int, sequence: int) -> bytes:
        return frame(77, sequence + 1, b"x", busframe.REQUEST) + frame(address, sequence)

    async with line_to(both) as (line, _, _):
        assert await ask(line) == b"me"
        assert line.strays == {77: 1}
        assert line.echoes == 0


async def test_a_garbled_answer_is_not_waited_out() -> None:
    broken = bytearray(frame(1, 1, b"x" * 200))
    broken[50] ^= 1
    async with line_to(lambda address, sequence: bytes(broken)) as (line, port, _):
        with pytest.raises(NoReply):
            await asyncio.wait_for(ask(line), 20)
        assert (line.timeouts, line.garbled, port.rejected) == (1, 1, 1)


async def test_a_request_that_makes_a_lamppost_work_is_not_hurried_by_noise() -> None:
    async with line_to(lambda address, sequence: b"") as (line, port, far):
        asking = asyncio.create_task(line.transact(1, 1, b"work", PATIENCE_S))
        await happens(lambda: far.requests)
        far.say(b"\0noise\0")
        await happens(lambda: port.rejected)
        await asyncio.sleep(0.1)
        assert not asking.done()
        far.say(frame(1, 1))
        assert await asyncio.wait_for(asking, 20) == b"me"


async def test_noise_before_an_answer_does_not_cost_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # The pieces come as far apart as a busy machine lets them.
    monkeypatch.setattr(transaction, "_GAP_S", 5.0)
    async with line_to(lambda address, sequence: b"") as (line, _, far):
        asking = asyncio.create_task(line.transact(1, 1, b"who"))
        await happens(lambda: far.requests)
        whole = b"\xfe" + frame(1, 1, b"x" * 900)
        for at in range(0, len(whole), 100):
            far.say(whole[at : at + 100])
            await asyncio.sleep(0.012)  # as a USB adapter passes it on
        assert await asyncio.wait_for(asking, 20) == b"x" * 900


async def test_a_second_answer_to_one_request_makes_its_address_suspect() -> None:
    async with line_to(lambda a, s: frame(a, s) + frame(a, s, b"you")) as (line, _, _):
        for _ in range(3):
            assert await ask(line, 9) == b"me"
        assert line.suspicions.take(1000.0) == 9
        assert line.suspicions.take(1000.0) is None


async def test_one_that_comes_while_the_next_is_asked_does_too() -> None:
    owed: list[bytes] = []

    def late(address: int, sequence: int) -> bytes:
        said = b"".join(owed) + frame(address, sequence)
        owed[:] = [frame(address, sequence, b"you")] if address == 9 else []
        return said

    async with line_to(late) as (line, _, _):
        for address in (9, 1, 9, 2):
            assert await ask(line, address) == b"me"
        assert line.suspicions.take(1000.0) == 9
        assert line.unexpected == 2


async def test_a_late_answer_beside_that_to_its_repeat_is_no_second_lamppost() -> None:
    async with line_to(lambda a, s: b"", 0.5) as (line, _, far):
        for _ in range(2):
            sequence = line.next_sequence()
            with pytest.raises(NoReply):
                await line.transact(9, sequence, b"who")
            far.answer = lambda a, s: frame(a, s) + frame(a, s)
            assert await line.transact(9, sequence, b"who") == b"me"
            far.answer = lambda a, s: b""
        assert line.suspicions.take(1000.0) is None


async def test_all_who_answer_are_gathered() -> None:
    async with line_to(
        lambda a, s: frame(a, s) + b"\0??\0" + frame(a, s, b"you") + frame(3, s), 0.5
    ) as (line, _, _):
        assert await line.gather(9, b"who") == ([b"me", b"you"], True)
        assert line.timeouts == 0
        assert line.strays == {3: 1}
        assert await ask(line) == b"me"


async def test_nobody_is_talked_over_and_who_never_stops_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A busy machine makes pauses that nobody on the line made.
    monkeypatch.setattr(transaction, "_QUIET_S", 1.0)
    monkeypatch.setattr(transaction, "_QUIET_MOST_S", 1.5)
    async with line_to(lambda a, s: frame(a, s)) as (line, port, far):
        far.say(b"\1\2\3")
        await happens(lambda: port.deframer.pending)
        babbling = asyncio.create_task(_say_on(far, PATIENCE_S))
        with pytest.raises(LinkUnavailable, match="never quiet"):
            await ask(line)
        assert far.requests == []
        babbling.cancel()
        assert await ask(line) == b"me"  # quiet again, if in the middle of a frame


async def _say_on(far: Far, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        far.say(b"\1")
        await asyncio.sleep(0.002)


async def test_a_port_on_which_nobody_answers_any_more_is_opened_again() -> None:
    clock = 0.0

    class Patient(Silence):
        def unanswered(self, now: float) -> bool:
            nonlocal clock
            clock += 2.0
            return super().unanswered(clock)

    async with line_to(lambda a, s: frame(a, s)) as (line, port, far):
        line.silence = Patient()
        for _ in range(9):
            assert await ask(line) == b"me"
        far.answer = lambda a, s: b""  # it still takes what it is given
        line.reply_timeout_s = 0.005  # pyright: ignore[reportPrivateUsage]
        while not port.silences:
            with contextlib.suppress(NoReply, LinkUnavailable):
                await ask(line)
        await happens(lambda: port.reopened and port.opened.is_set())
        assert line.silence.requests == 5
        far.answer = lambda a, s: frame(a, s)
        line.reply_timeout_s = PATIENCE_S  # pyright: ignore[reportPrivateUsage]
        assert await ask(line) == b"me"


def test_silence_is_no_reason_where_nobody_ever_answered_and_seldom_again() -> None:
    silence = Silence()
    assert not any(silence.unanswered(second) for second in range(100))
    silence.answered()
    asked = [float(second) for second in range(200, 2000) if silence.unanswered(second)]
    assert asked == [205, 235, 295, 415, 655, 1135]
    silence.answered()
    assert [s for s in range(2000, 2040) if silence.unanswered(s)] == [2005, 2035]


async def test_a_line_full_of_noise_costs_little_and_keeps_nothing() -> None:
    """Random bytes at 115200 baud, in pieces as a UART's FIFO gives them."""
    noise = random.Random(1)
    async with line_to(lambda a, s: b"", 0.05) as (line, port, far):
        began, used = time.monotonic(), _cpu()
        sent = 0
        while (elapsed := time.monotonic() - began) < 1.0:
            due = int(elapsed * 11_520) - sent
            if due >= 16:
                far.say(noise.randbytes(16))
                sent += 16
            else:
                await asyncio.sleep(0.0005)
        assert sent > 5_000
        share = (_cpu() - used) / elapsed
        # Both ends are in this process. The bound is loose: it is there to catch a loop that spins.
        assert share < 0.9
        print(f"{sent / elapsed:.0f} bytes/s of noise: {share:.1%} of a core, both ends")
        port.babble.look(began)
        for second in (1, 2, 3):
            port.babble.heard(6000)
            port.babble.look(began + second)
        assert port.babble.babbling
        with pytest.raises((NoReply, LinkUnavailable)):
            await ask(line)
        assert len(line.strays) <= 256


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def test_babble_is_believed_after_three_windows_and_so_is_its_end() -> None:
    babble = Babble(115_200)
    babble.look(100.0)
    verdicts: list[bool] = []
    for second in range(1, 12):
        if second <= 5:
            babble.heard(6000)
        babble.heard(5000)
        babble.meant(5000)
        babble.look(100.0 + second)
        verdicts.append(babble.babbling)
    assert verdicts == [False, False, *[True] * 5, *[False] * 4]
    assert babble.seconds == 5.0
    assert babble.stray == 30_000


def test_a_line_at_its_limit_is_no_babble() -> None:
    babble = Babble(115_200)
    babble.look(100.0)
    for second in range(1, 20):
        babble.heard(11_520)
        babble.meant(11_000)
        assert not babble.look(100.0 + second)


@pytest.mark.parametrize(("noise", "suspect"), [(0.0, 5), (0.05, 5), (0.4, None)])
def test_one_address_garbled_among_clean_ones_is_suspect_but_not_in_noise(
    noise: float, suspect: int | None
) -> None:
    chance = random.Random(3)
    suspicions = Suspicions()
    for _ in range(10):
        for address in range(1, 21):
            bad = chance.random() < (0.9 if address == 5 else noise)
            suspicions.ended(address, "garbled" if bad else "clean")
    assert suspicions.take(1000.0) == suspect


def test_who_was_looked_into_is_left_alone_for_a_while() -> None:
    suspicions = Suspicions()
    suspicions.tell(7)
    assert suspicions.take(1000.0) == 7
    suspicions.tell(7)
    assert suspicions.take(1599.0) is None
    assert suspicions.take(1600.0) == 7
