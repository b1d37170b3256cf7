"""The Bluetooth link under a radio that does all a real one may: `Inbox`, then the whole link."""

import asyncio
import sys
import time


class Clock:
    """Stands in for the link's `time`, and may be put ahead."""

    ahead = 0
    ticks_add = time.ticks_add
    ticks_diff = time.ticks_diff

    @staticmethod
    def ticks_ms():
        return time.ticks_add(time.ticks_ms(), Clock.ahead)


class Uuid:
    def __init__(self, text):
        self.text = text

    def __iter__(self):
        return iter(bytes(16))


class Module:
    """Stands in for `bluetooth`."""

    FLAG_WRITE_NO_RESPONSE = 4
    FLAG_NOTIFY = 16
    UUID = Uuid


sys.modules["bluetooth"] = Module

import node.links.ble  # noqa: E402
from node.links.ble import BleLink, Inbox  # noqa: E402
from protocol import smp  # noqa: E402
from protocol.busframe import MAX_PAYLOAD  # noqa: E402
from tests.both.check import Random  # noqa: E402

node.links.ble.time = Clock
VALUE = 12
ENOMEM = 12
ENOTCONN = 107
EALREADY = 114
CONNECT, DISCONNECT, WRITE, MTU = 1, 2, 3, 21


def message(size, mark=0):
    """A request of `size` bytes."""
    body = bytes([(mark + i) & 0xFF for i in range(size - 8)])
    return smp.pack_header(smp.OP_WRITE, 0, mark & 0xFF, 0, len(body)) + body


class Radio:
    """`bluetooth.BLE()`: what it was told, and what it does when it has no room."""

    def __init__(self):
        self.handler = None
        self.on = False
        self.adverts = []
        self.sent = []
        self.ended = []
        self.gone = []
        self.failing = 0
        self.refusals = []
        self.pending = b""
        self.size = 20
        self.appends = False

    def active(self, on):
        if on and self.failing:
            raise OSError(19)
        self.on = on

    def config(self, *name, **values):
        if name:
            return (0, bytes(range(6)))
        self.configured = values

    def irq(self, handler):
        self.handler = handler

    def gatts_register_services(self, services):
        return ((VALUE,),)

    def gatts_set_buffer(self, handle, size, append):
        self.size = size
        self.appends = append

    def gatts_read(self, handle):
        value = self.pending
        self.pending = b""
        return value

    def gatts_notify(self, connection, handle, data):
        assert connection is not None
        if connection in self.gone:
            raise OSError(ENOTCONN)
        if self.refusals:
            raise OSError(self.refusals.pop(0))
        self.sent.append((connection, bytes(data)))

    def gap_advertise(self, interval_us, advert, *, resp_data, connectable):
        if self.failing:
            raise OSError(5)
        assert len(advert) <= 31
        assert len(resp_data) <= 31
        self.adverts.append((interval_us, bytes(advert), connectable))

    def gap_disconnect(self, connection):
        assert connection is not None
        if connection in self.ended:
            raise OSError(EALREADY)
        self.ended.append(connection)

    # what happens to it
    def connects(self, connection, mtu=None):
        self.handler(CONNECT, (connection, 0, bytes(6)))
        if mtu:
            self.handler(MTU, (connection, mtu))

    def disconnects(self, connection):
        self.handler(DISCONNECT, (connection, 0, bytes(6)))

    def writes(self, connection, data, piece=None):
        for at in range(0, len(data), piece or len(data) or 1):
            self.pending = (self.pending + data[at : at + (piece or len(data))])[: self.size]
            self.handler(WRITE, (connection, VALUE))


class Server:
    """Answers each request with its own bytes; `gate` holds it up."""

    def __init__(self):
        self.asked = []
        self.gate = None

    async def handle(self, request, link):
        assert link == "ble"
        self.asked.append(bytes(request))
        if self.gate is not None:
            await self.gate.wait()
        return self.asked[-1]


class Settings:
    def __init__(self):
        self.values = {"ble/interval": 100}


class Adverts:
    def __init__(self):
        self.count = 0
        self.failing = False

    def next(self, address):
        assert address == bytes(range(6))
        if self.failing:
            raise OSError(28)
        self.count += 1
        return b"\xd2\xfc" + bytes([self.count & 0xFF]) * 24


class Rig:
    def __init__(self):
        self.radio = Radio()
        self.server = Server()
        self.adverts = Adverts()
        self.link = BleLink(self.radio, self.server, Settings(), self.adverts, "lamp-d3e4f5")
        self.checks = 0

    async def __aenter__(self):
        self.task = asyncio.create_task(self.link.run(self.check_in))
        await until(lambda: self.radio.adverts)
        return self

    async def __aexit__(self, kind, error, trace):
        self.task.cancel()
        try:
            await self.task
        except asyncio.CancelledError:
            pass
        assert not self.radio.on

    def check_in(self):
        self.checks += 1

    def replies(self, connection):
        return b"".join([data for to, data in self.radio.sent if to == connection])


async def until(condition, most_ms=5000):
    for _ in range(most_ms // 2):
        if condition():
            return
        await asyncio.sleep_ms(2)
    raise AssertionError("nothing happened")


async def failure(running):
    """The errno of the OSError that `running` must end with."""
    try:
        await running
    except OSError as error:
        return error.errno
    raise AssertionError("it ended well")


# ------------------------------------------------------------------------------------------ inbox


def fed(inbox, data, now=0):
    inbox.feed(data, now)
    taken = inbox.take()
    if taken is None:
        return None
    found = bytes(taken)
    inbox.release()
    return found


def test_a_request_comes_whole_however_it_is_cut():
    chance = Random(7)
    inbox = Inbox()
    for round in range(300):
        whole = message(8 + chance.below(MAX_PAYLOAD - 7), round)
        at = 0
        found = None
        while at < len(whole):
            piece = whole[at : at + 1 + chance.below(509)]
            assert found is None
            found = fed(inbox, piece)
            at += len(piece)
        assert found == whole
    assert inbox.rejected == 0


def test_one_too_long_is_passed_over_to_its_end():
    inbox = Inbox()
    for size in (MAX_PAYLOAD + 1, 5000, 8 + 0xFFFF):
        before = inbox.rejected
        long = message(size)
        for at in range(0, size, 512):
            assert fed(inbox, long[at : at + 512]) is None
        assert inbox.rejected == before + 1
        assert fed(inbox, message(40)) == message(40)


def test_one_that_ends_early_is_forgotten_after_a_gap():
    inbox = Inbox()
    for cut in (1, 7, 8, 9, 100):
        before = inbox.rejected
        assert fed(inbox, message(200)[:cut], 1000) is None
        assert fed(inbox, message(30), 2000) == message(30)
        assert inbox.rejected == before + 1
    # Ticks come round; a pause shorter than the gap is none.
    big = time.ticks_add(0, -10)
    assert fed(inbox, message(200)[:50], big) is None
    assert fed(inbox, message(200)[50:], time.ticks_add(big, 900)) == message(200)


def test_one_that_comes_too_soon_does_not_spoil_the_one_being_dealt_with():
    inbox = Inbox()
    inbox.feed(message(100, 1), 0)
    held = inbox.take()
    inbox.feed(message(300, 2)[:200], 0)
    assert bytes(held) == message(100, 1)
    assert inbox.take() is None
    inbox.release()
    assert fed(inbox, message(300, 2)[200:]) is None, "its beginning was not kept"
    assert inbox.rejected == 1
    assert fed(inbox, message(50, 3)) == message(50, 3)
    # Two at once: the first is taken.
    assert fed(inbox, message(50, 4) + message(60, 5)) == message(50, 4)
    assert inbox.rejected == 2
    # What a peer that is gone began is not mixed with what the next one says.
    inbox.feed(message(100, 6)[:60], 0)
    inbox.clear()
    assert fed(inbox, message(20, 7)) == message(20, 7)


def test_any_bytes_leave_it_ready_for_a_request():
    chance = Random(11)
    inbox = Inbox()
    buffer = inbox._buffer
    now = 0
    for round in range(1500):
        for _ in range(chance.below(4)):
            now += chance.below(1200)
            junk = chance.bytes(chance.below(60))
            if chance.below(2):
                junk = message(8 + chance.below(900), round)[: chance.below(700)]
            fed(inbox, junk, now)
        now += 1000
        whole = message(8 + chance.below(400), round)
        assert fed(inbox, whole, now) == whole
    assert inbox._buffer is buffer
    assert len(buffer) == MAX_PAYLOAD
    assert inbox.rejected > 500


# ------------------------------------------------------------------------------------------- link


async def test_requests_are_answered_in_pieces_that_fit():
    async with Rig() as rig:
        rig.radio.connects(1, 247)
        rig.radio.connects(0)
        rig.radio.writes(1, message(MAX_PAYLOAD, 1), 244)
        rig.radio.writes(0, message(100, 2), 20)
        await until(lambda: rig.link.answered == 2)
        assert rig.replies(1) == message(MAX_PAYLOAD, 1)
        assert rig.replies(0) == message(100, 2)
        sizes = [len(data) for to, data in rig.radio.sent if to == 1]
        assert max(sizes) == 244, sizes
        assert max([len(data) for to, data in rig.radio.sent if to == 0]) == 20
        assert rig.radio.appends
        assert rig.radio.configured["mtu"] == 515
        assert rig.link.rejected == 0


async def test_a_radio_without_room_is_waited_for_and_not_for_ever():
    async with Rig() as rig:
        rig.radio.connects(1, 100)
        rig.radio.refusals = [ENOMEM] * 25
        rig.radio.writes(1, message(300))
        await until(lambda: rig.link.answered == 1)
        assert rig.replies(1) == message(300)
        # Any other error is the end of this reply, not of the link.
        rig.radio.sent = []
        rig.radio.refusals = [ENOTCONN]
        rig.radio.writes(1, message(300))
        await until(lambda: rig.link.failed == 1)
        assert rig.radio.sent == []
        rig.radio.writes(1, message(60))
        await until(lambda: rig.link.answered == 2)
        # A peer that takes nothing for 10 s gets nothing more of this reply.
        rig.radio.refusals = [ENOMEM] * 1000
        rig.radio.writes(1, message(80))
        await until(lambda: len(rig.radio.refusals) < 990)
        assert rig.link.failed == 1
        Clock.ahead = 10_000
        await until(lambda: rig.link.failed == 2)
        rig.radio.refusals = []
        rig.radio.writes(1, message(90))
        await until(lambda: rig.link.answered == 3)


async def test_a_reply_is_not_for_whoever_comes_after():
    async with Rig() as rig:
        rig.server.gate = asyncio.Event()
        rig.radio.connects(1)
        rig.radio.writes(1, message(60, 1))
        await until(lambda: rig.server.asked)
        rig.radio.disconnects(1)
        rig.radio.connects(1)
        rig.radio.writes(1, message(60, 2))  # while the first is still dealt with
        rig.server.gate.set()
        await until(lambda: rig.link.failed == 1)
        assert rig.radio.sent == []
        assert rig.server.asked == [message(60, 1)]
        rig.radio.writes(1, message(60, 3))
        await until(lambda: rig.link.answered == 1)
        assert rig.replies(1) == message(60, 3)


async def test_a_third_is_turned_away_and_the_radio_says_so():
    async with Rig() as rig:
        await until(lambda: rig.radio.adverts[-1][2])
        rig.radio.connects(1)
        await until(lambda: len(rig.radio.adverts) >= 2 and rig.radio.adverts[-1][2])
        rig.radio.connects(2)
        await until(lambda: not rig.radio.adverts[-1][2])
        rig.radio.connects(3)
        assert rig.radio.ended == [3]
        assert rig.link.rejected == 1
        rig.radio.writes(3, message(40))
        rig.radio.writes(2, message(50))
        await until(lambda: rig.link.answered == 1)
        assert rig.server.asked == [message(50)]
        rig.radio.disconnects(1)
        await until(lambda: rig.radio.adverts[-1][2])


async def test_a_flood_neither_grows_nor_stops_the_link():
    import gc

    async with Rig() as rig:
        chance = Random(3)
        rig.radio.connects(1, 515)
        rig.radio.connects(2, 515)
        gc.collect()
        before = gc.mem_alloc()
        for _ in range(300):
            rig.radio.writes(1, chance.bytes(300), 100)
            if chance.below(10) == 0:
                await asyncio.sleep_ms(0)
        await asyncio.sleep_ms(20)
        rig.radio.sent = []
        rig.server.asked = []
        chance = None
        gc.collect()
        assert gc.mem_alloc() - before < 3000, gc.mem_alloc() - before
        rig.radio.writes(2, message(70, 9))
        await until(lambda: rig.replies(2) == message(70, 9))
        assert not rig.task.done()


async def test_whoever_asks_nothing_makes_room():
    async with Rig() as rig:
        rig.radio.connects(1)
        Clock.ahead += 119_000
        rig.radio.connects(2)
        await asyncio.sleep_ms(20)
        assert rig.radio.ended == []
        Clock.ahead += 2000
        await until(lambda: rig.radio.ended)
        assert rig.radio.ended == [1]
        # One out of reach is hung up on for as long as it takes, and the others are served.
        Clock.ahead += 119_000
        rig.radio.writes(2, message(40))
        await until(lambda: rig.link.answered == 1)
        Clock.ahead += 2000
        await asyncio.sleep_ms(20)
        rig.radio.writes(2, message(50))
        await until(lambda: rig.link.answered == 2)
        assert rig.radio.ended == [1]


async def test_a_peer_may_go_between_any_two_steps():
    class Vanishing(node.links.ble._Connection):
        """Goes when a piece of a reply is about to be made for it."""

        def _get(self):
            if self.life:
                rig.radio.gone.append(1)
                rig.radio.disconnects(1)
            return 23

        def _set(self, value):
            pass

        mtu = property(_get, _set)

    async with Rig() as rig:
        rig.link._connections[0] = Vanishing()
        rig.radio.connects(1)
        rig.radio.writes(1, message(40))
        await until(lambda: rig.link.failed == 1)
        rig.radio.connects(2)
        rig.link._connections[0] = node.links.ble._Connection()
        rig.radio.connects(3)
        rig.radio.writes(3, message(40))
        await until(lambda: rig.link.answered == 1)


async def test_adverts_take_turns_and_fall_silent_without_a_counter():
    async with Rig() as rig:
        await until(lambda: rig.adverts.count >= 3)
        shown = [advert for _, advert, _ in rig.radio.adverts]
        assert len(set(shown)) >= 3
        assert rig.radio.adverts[0][0] == 100_000
        rig.adverts.failing = True
        await until(lambda: rig.radio.adverts[-1][1] == b"\x02\x01\x06")
        assert rig.link.unsealed == 1
        # They are connectable still.
        assert rig.radio.adverts[-1][2]


async def test_a_radio_that_fails_ends_the_task_and_can_be_begun_again():
    rig = Rig()
    rig.radio.failing = 1
    assert await failure(rig.link.run(rig.check_in)) == 19
    rig.radio.failing = 0
    async with rig:
        rig.radio.connects(1)
        rig.radio.failing = 1
        assert await failure(rig.task) == 5
        assert not rig.radio.on
        rig.radio.failing = 0
        rig.task = asyncio.create_task(rig.link.run(rig.check_in))
        rig.radio.adverts = []
        await until(lambda: rig.radio.adverts and rig.radio.adverts[-1][2])
        rig.radio.connects(1)
        rig.radio.writes(1, message(40))
        await until(lambda: rig.link.answered == 1)


count = 0
for name in sorted(globals()):
    if name.startswith("test_"):
        print(name)
        made = globals()[name]()
        if made is not None:
            asyncio.run(made)
        count += 1
print("passed", count)
