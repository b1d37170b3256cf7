"""The two links on real asyncio streams: garbage, floods, other nodes' frames, a console unread."""

import asyncio
import io
import time

import node.links.bus
import node.links.console
from node.links.bus import BusLink
from node.links.console import ConsoleLink
from protocol import busframe, console, smp

# No test waits longer than it must.
node.links.bus._QUIET_MS = node.links.console._QUIET_MS = 40

ADDRESS = 9
REQUEST = smp.pack(smp.OP_WRITE, 0, 1, smp.OS_ECHO, {"d": "hi"})
_POLL = 3
_EINVAL = -22


class Line(io.IOBase):
    """A port: bytes to read, bytes written, and whether there is room to write."""

    def __init__(self):
        self.incoming = bytearray()
        self.written = bytearray()
        self.room = True
        self.failing = False

    def read(self, size=-1):
        data = bytes(self.incoming[:size])
        self.incoming = self.incoming[len(data) :]
        return data

    def readinto(self, buffer):
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def any(self):
        return len(self.incoming)

    def write(self, data):
        if self.failing:
            raise OSError(5)
        self.written.extend(data)
        return len(data)

    def ioctl(self, request, argument):
        if request != _POLL:
            return _EINVAL  # it has no file descriptor
        ready = (1 if self.incoming else 0) | (4 if self.room else 0)
        return ready & argument


class Lamp:
    sightings = 0


class Server:
    def __init__(self):
        self.asked = []
        self.told = []

    async def broadcast(self, message, link):
        self.told.append((message, link))

    async def handle(self, message, link):
        self.asked.append((message, link))
        return b"reply to " + message if message.startswith(b"\x0a") else None


async def serve(link, line, check_ins, until, most_ms=4000):
    task = asyncio.create_task(link.run(lambda: check_ins.append(1)))
    for _ in range(most_ms // 5):
        await asyncio.sleep_ms(5)
        if until():
            break
    else:
        raise AssertionError("nothing happened")
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        pass


def test_the_bus_answers_its_own_address_only():
    line, server, checks = Line(), Server(), []
    link = BusLink(line, server, ADDRESS, Lamp())
    for address, control in (
        (ADDRESS + 1, busframe.REQUEST),
        (ADDRESS, busframe.RESPONSE),
        (ADDRESS + 1, busframe.RESPONSE),
        (busframe.BROADCAST_ADDRESS, busframe.BROADCAST),
        (busframe.BROADCAST_ADDRESS, busframe.REQUEST),
        (ADDRESS, busframe.BROADCAST),
    ):
        line.incoming.extend(busframe.encode(address, control, 4, REQUEST))
    line.incoming.extend(busframe.encode(ADDRESS, busframe.REQUEST, 77, REQUEST))
    asyncio.run(serve(link, line, checks, lambda: link.answered))
    assert server.asked == [(REQUEST, "bus")]
    frames = busframe.Deframer().feed(line.written)
    assert frames == [(ADDRESS, busframe.RESPONSE, 77, b"reply to " + REQUEST)]
    assert link.broadcasts == 1, "those to all, and to nobody else"
    assert server.told == [(REQUEST, "bus")]
    assert checks


def test_garbage_and_floods_on_the_bus_are_counted_and_passed():
    line, server, checks = Line(), Server(), []
    link = BusLink(line, server, ADDRESS, Lamp())
    good = busframe.encode(ADDRESS, busframe.REQUEST, 1, REQUEST)
    line.incoming.extend(b"\xff" * 3 + b"\x55" * 20000 + good)
    for index in range(1, len(good) - 1):
        bad = bytearray(good)
        bad[index] ^= 0x20
        line.incoming.extend(bad)
    line.incoming.extend(good[:9] + good)
    asyncio.run(serve(link, line, checks, lambda: link.answered == 2))
    assert link.rejected > 10
    assert len(server.asked) == 2
    assert len(checks) > 50, "a flood leaves time to check in"


def call(sequence, mask=0, value=0, heard=b""):
    payload = busframe.call_payload(mask, value, heard)
    return busframe.encode(busframe.BROADCAST_ADDRESS, busframe.CALL, sequence, payload)


def test_a_call_is_answered_until_the_master_has_heard():
    line, checks = Line(), []
    link = BusLink(line, Server(), ADDRESS, Lamp())
    mine, said = bytes((ADDRESS,)), []

    def hear(*frames, behind=b""):
        """What is answered to frames that come one after the other."""
        for frame in frames:
            line.incoming.extend(frame + behind)
            before, line.written = link.answered, bytearray()
            asyncio.run(serve(link, line, checks, lambda: not line.incoming))
            said.append(
                [(frame[2], frame[3][0]) for frame in busframe.Deframer().feed(line.written)]
            )
            assert link.answered - before == len(said[-1])
        out = said[:]
        said.clear()
        return out

    assert hear(call(1)) == [[]], "nobody was seen"
    link._lamp.sightings = 258
    assert hear(call(2), call(3)) == [[(2, 2)], [(3, 2)]], "it was not heard yet"
    assert hear(call(4, 3, ADDRESS & 3), call(5, 1, 0)) == [[(4, 2)], []], "a part, and another"
    assert hear(call(6, heard=b"\x01\x02"), call(7, heard=mine)) == [[(6, 2)], []]
    link._lamp.sightings = 259
    assert hear(call(8)) == [[(8, 3)]]
    link._lamp.sightings = 260
    assert hear(call(9, heard=mine)) == [[(9, 4)]], "what was heard is the one before"
    link._lamp.sightings = 270
    begins = bytes((busframe.BROADCAST_ADDRESS,))
    assert hear(call(10, heard=begins), call(11)) == [[], []], "what was before is not asked for"
    link._lamp.sightings = 271
    for behind in (b"\0\x21", REQUEST, call(12, 1, 0)):
        assert hear(call(12), behind=behind) == [[]], "the master has gone on"
        line.incoming.extend(b"\0")
    assert hear(call(13)) == [[(13, 15)]]
    answer = busframe.encode(ADDRESS, busframe.CALL_REPLY, 13, b"\x0f")
    own = busframe.encode(ADDRESS, busframe.CALL, 13, b"\0\0")
    short = busframe.encode(busframe.BROADCAST_ADDRESS, busframe.CALL, 13, b"\0")
    assert hear(answer, own, short) == [[], [], []], "echoes, and what is no call"


def test_a_bus_that_takes_no_reply_is_counted():
    line, server, checks = Line(), Server(), []
    link = BusLink(line, server, ADDRESS, Lamp())
    line.failing = True
    line.incoming.extend(busframe.encode(ADDRESS, busframe.REQUEST, 1, REQUEST))
    asyncio.run(serve(link, line, checks, lambda: link.failed))
    line.failing = False
    line.incoming.extend(busframe.encode(ADDRESS, busframe.REQUEST, 2, REQUEST))
    asyncio.run(serve(link, line, checks, lambda: link.answered))


class SlowServer(Server):
    """Takes `took` ms of fake machine time for a request, while others come in."""

    def __init__(self, line, took):
        super().__init__()
        self.line = line
        self.took = took

    async def handle(self, message, link):
        reply = await super().handle(message, link)
        if len(self.asked) == 1:
            FakeTime.now += self.took
            for sequence in (1, 1, 2):
                self.line.incoming.extend(
                    busframe.encode(ADDRESS, busframe.REQUEST, sequence, REQUEST)
                )
            self.line.incoming.extend(b"\0\x55\x55")
        return reply


class FakeTime:
    now = 5

    @classmethod
    def ticks_ms(cls):
        return cls.now

    @staticmethod
    def ticks_diff(later, earlier):
        return later - earlier


def slow(took):
    """The sequences answered: one request that took so long, three meanwhile, one afterwards."""
    line, checks = Line(), []
    server = SlowServer(line, took)
    link = BusLink(line, server, ADDRESS, Lamp())
    node.links.bus.time = FakeTime
    # One behind the long one in the same piece is as stale.
    for sequence in (1, 1):
        line.incoming.extend(busframe.encode(ADDRESS, busframe.REQUEST, sequence, REQUEST))
    # The beginning of a third, whose rest is thrown away.
    line.incoming.extend(b"\0\x21\x22")

    async def main():
        task = asyncio.create_task(link.run(lambda: checks.append(1)))
        for _ in range(100):
            await asyncio.sleep_ms(1)
            if server.asked and not line.incoming:
                break
        line.incoming.extend(busframe.encode(ADDRESS, busframe.REQUEST, 9, REQUEST))
        for _ in range(100):
            await asyncio.sleep_ms(1)
            if not line.incoming:
                break
        await asyncio.sleep_ms(5)
        task.cancel()

    asyncio.run(main())
    node.links.bus.time = time
    return [frame[2] for frame in busframe.Deframer().feed(line.written)], link


def test_requests_that_piled_up_are_not_answered_when_the_bus_moved_on():
    answered, link = slow(1900)
    assert answered == [1, 9], answered
    assert (link.late, link.rejected) == (0, 0)
    answered, link = slow(2100)
    assert answered == [9], "nobody waits for the first any more"
    assert (link.late, link.answered) == (1, 1)


def test_requests_behind_a_quick_one_are_answered():
    answered, _ = slow(100)
    assert answered == [1, 1, 1, 1, 2, 9], answered


def test_a_quiet_link_checks_in():
    for make in (
        lambda line: BusLink(line, Server(), ADDRESS, Lamp()),
        lambda line: ConsoleLink(line, line, Server()),
    ):
        line, checks = Line(), []
        asyncio.run(serve(make(line), line, checks, lambda made=checks: len(made) > 1))


def test_the_console_answers_between_text():
    line, server, checks = Line(), Server(), []
    link = ConsoleLink(line, line, server)
    line.incoming.extend(b"hello?\r\n" + console.encode(REQUEST) + b"\x03more text\n")
    asyncio.run(serve(link, line, checks, lambda: link.answered))
    assert server.asked == [(REQUEST, "console")]
    assert console.Deframer().feed(b"log line\n" + line.written) == [b"reply to " + REQUEST]


def test_garbage_on_the_console_is_counted_and_passed():
    line, server, checks = Line(), Server(), []
    link = ConsoleLink(line, line, server)
    good = console.encode(REQUEST)
    line.incoming.extend(b"\x06\x09!!!!\n" + good[:20] + b"\n" + b"\x04\x14AAAA\n")
    line.incoming.extend(b"\xfe" * 600 + b"\n" + good)
    asyncio.run(serve(link, line, checks, lambda: link.answered))
    assert link.rejected >= 2
    assert len(server.asked) == 1
    assert len(checks) > 2, "a flood leaves time to check in"


def test_a_console_nobody_reads_holds_up_nothing():
    line, server, checks = Line(), Server(), []
    link = ConsoleLink(line, line, server)
    line.room = False
    line.incoming.extend(console.encode(REQUEST))
    asyncio.run(serve(link, line, checks, lambda: link.dropped))
    assert not line.written
    line.room = True
    line.incoming.extend(console.encode(REQUEST))
    asyncio.run(serve(link, line, checks, lambda: link.answered))


def test_a_closed_console_does_not_spin():
    class Closed(Line):
        def ioctl(self, request, argument):
            return 1 & argument if request == _POLL else _EINVAL

    line, checks = Closed(), []
    link = ConsoleLink(line, Line(), Server())

    async def short():
        task = asyncio.create_task(link.run(lambda: checks.append(1)))
        await asyncio.sleep_ms(200)
        task.cancel()

    asyncio.run(short())
    assert len(checks) == 1, len(checks)


count = 0
for name, value in sorted(globals().items(), key=lambda item: item[0]):
    if name.startswith("test_"):
        print(name)
        value()
        count += 1
print("passed", count)
