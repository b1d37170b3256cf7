"""The MQTT session without a broker: packet ids, window, deadlines, and bytes of every kind."""

import time

from node.links import mqtt
from node.links.mqtt import Lost, Session

CONNACK = b"\x20\x02\x00\x00"
TOPIC = b"a/topic"


class Peer:
    """A session, and what came out of it."""

    def __init__(self, connack=CONNACK, granted=True):
        self.got = []
        self.now = 1000
        self.session = Session(b"me", (b"state", b"gone"), b"", b"", self.heard)
        self.session._granted = granted  # by a connection before
        self.session.begin(self.now)
        if connack:
            self.hello = self.sent()
            self.give(connack)

    def heard(self, topic, message):
        self.got.append((topic, message))

    def give(self, data):
        while data:
            room = self.session.room()
            count = min(len(room), len(data))
            room[:count] = data[:count]
            self.session.came(count, self.now)
            data = data[count:]

    def sent(self):
        data = bytes(self.session.outgoing())
        self.session.sent(len(data), self.now)
        return data

    def lost(self, call, *arguments):
        try:
            call(*arguments)
        except Lost as error:
            return str(error)
        raise AssertionError("not lost")

    def later(self, ms):
        self.now = time.ticks_add(self.now, ms)
        self.session.tick(self.now)


def publish(topic, payload, flags=0, number=None):
    body = len(topic).to_bytes(2, "big") + topic
    if number is not None:
        body += number.to_bytes(2, "big")
    return header(0x30 | flags, body + payload)


def header(first, body):
    out = bytearray([first])
    size = len(body)
    while True:
        size, digit = size >> 7, size & 0x7F
        out.append(digit | (0x80 if size else 0))
        if not size:
            return bytes(out) + body


def test_connect_has_will_keepalive_and_a_session_that_is_kept():
    peer = Peer()
    # Flags: will retained, QoS 1, no clean session; keepalive 30 s.
    assert peer.hello == header(
        0x10, b"\x00\x04MQTT\x04\x2c\x00\x1e\x00\x02me\x00\x05state\x00\x04gone"
    ), peer.hello
    assert peer.session.connected
    assert not peer.session.ready


def test_session_present_needs_no_subscription_and_absent_does():
    assert Peer(b"\x20\x02\x01\x00").session.ready
    peer = Peer()
    peer.session.subscribe(TOPIC, peer.now)
    assert peer.sent() == b"\x82\x0c\x00\x01\x00\x07a/topic\x00"
    peer.give(b"\x90\x03\x00\x09\x00")
    assert not peer.session.ready
    peer.give(b"\x90\x03\x00\x01\x00")
    assert peer.session.ready


def test_a_session_that_never_had_its_subscription_is_not_believed():
    peer = Peer(b"\x20\x02\x01\x00", False)
    assert peer.session.present
    assert not peer.session.ready
    peer.session.subscribe(TOPIC, peer.now)
    peer.give(b"\x90\x03\x00\x01\x00")
    peer.session.begin(peer.now)
    peer.give(b"\x20\x02\x01\x00")
    assert peer.session.ready
    # The broker has lost it: once more.
    for _ in range(2):
        peer.session.begin(peer.now)
        peer.give(CONNACK)
        assert not peer.session.ready


def test_refusals_are_said():
    for code, word in ((1, "connection"), (4, "password"), (5, "password")):
        peer = Peer(b"")
        assert word in peer.lost(peer.give, b"\x20\x02\x00" + bytes([code]))
    peer = Peer()
    peer.session.subscribe(TOPIC, peer.now)
    assert "subscription" in peer.lost(peer.give, b"\x90\x03\x00\x01\x80")


def test_packet_ids_wrap_and_skip_those_in_use():
    peer = Peer()
    session = peer.session
    session._last_id = 65533
    old = session.publish(TOPIC, b"stays", peer.now)
    assert old == 65534
    seen = []
    for _ in range(4):
        number = session.publish(TOPIC, b"x", peer.now)
        seen.append(number)
        sent = peer.sent()
        assert sent.endswith(number.to_bytes(2, "big") + b"x"), sent
        peer.give(b"\x40\x02" + number.to_bytes(2, "big"))
    assert seen == [65535, 1, 2, 3], seen
    session._last_id = 65533
    assert session.publish(TOPIC, b"x", peer.now) == 65535
    assert (session.under_way, session.acknowledged) == (2, 4)


def test_window_is_bounded_and_freed_by_its_acknowledgements_alone():
    peer = Peer()
    numbers = [peer.session.publish(TOPIC, b"x", peer.now) for _ in range(mqtt.WINDOW)]
    assert 0 not in numbers
    assert peer.session.publish(TOPIC, b"x", peer.now) == 0
    peer.give(b"\x40\x02\x77\x77\x40\x02\x00\x00")
    assert peer.session.publish(TOPIC, b"x", peer.now) == 0
    peer.give(b"\x40\x02" + numbers[2].to_bytes(2, "big"))
    assert peer.session.publish(TOPIC, b"x", peer.now) > 0


def test_a_publish_without_room_leaves_no_half_of_it():
    peer = Peer()
    assert peer.session.publish(TOPIC, bytes(1200), peer.now)
    assert peer.session.publish(TOPIC, bytes(1200), peer.now) == 0
    sent = peer.sent()
    assert sent == publish(TOPIC, bytes(1200), 2, 1), len(sent)


def test_everything_overdue_ends_the_connection():
    peer = Peer(b"")
    assert "CONNACK" in peer.lost(peer.later, 15_001)
    peer = Peer()
    peer.sent()
    peer.session.subscribe(TOPIC, peer.now)
    peer.sent()
    assert "SUBACK" in peer.lost(peer.later, 15_001)
    peer = Peer(b"\x20\x02\x01\x00")
    peer.session.publish(TOPIC, b"x", peer.now)
    peer.sent()
    for _ in range(3):
        peer.later(6000)
        peer.give(b"\xd0\x00")
        peer.sent()
    assert "PUBACK" in peer.lost(peer.later, 6000)
    peer = Peer(b"\x20\x02\x01\x00")
    peer.later(15_000)
    assert peer.sent() == b"\xc0\x00"
    peer.later(14_000)
    assert "ping" in peer.lost(peer.later, 1001)
    peer = Peer(b"\x20\x02\x01\x00")
    peer.session._write(b"something")
    for _ in range(3):
        peer.later(10_000)
        peer.give(b"\xd0\x00")
    assert "took nothing" in peer.lost(peer.later, 1)
    peer = Peer(b"\x20\x02\x01\x00")
    peer.give(b"\x30\x7f\x00")
    for _ in range(4):
        peer.later(15_000)
        peer.session._pong_due = None
        peer.sent()
    assert "more than 60" in peer.lost(peer.later, 1)


def test_pings_are_answered_for_ever():
    peer = Peer(b"\x20\x02\x01\x00")
    pings = 0
    for _ in range(200):
        peer.later(5000)
        if peer.sent() == b"\xc0\x00":
            pings += 1
            peer.give(b"\xd0\x00")
    assert 60 <= pings <= 67, pings


def test_messages_come_in_any_pieces():
    wire = CONNACK[:0]
    for number in range(20):
        wire += publish(
            TOPIC, bytes([number]) * (number * 60), 2 if number % 2 else 0, number or None
        )
    for piece in (1, 3, 50, 1000, len(wire)):
        peer = Peer(b"\x20\x02\x01\x00")
        for start in range(0, len(wire), piece):
            peer.give(wire[start : start + piece])
        numbered = [publish_number(m) for m in peer.got]
        assert numbered[1:] == list(range(1, 20)), numbered
        assert peer.sent() == b"".join([b"\x40\x02\x00" + bytes([n]) for n in range(20) if n % 2])


def publish_number(message):
    topic, payload = message
    assert topic == TOPIC
    # Those of an even number are QoS 0, and have the id that they were given as payload.
    payload = payload[2:] if len(payload) % 60 == 2 else payload
    return payload[0] if payload else 0


def test_retained_and_too_large_messages_are_acknowledged_and_passed_over():
    peer = Peer(b"\x20\x02\x01\x00")
    peer.give(publish(TOPIC, b"old", 3, 5))
    peer.give(publish(TOPIC, bytes(5000), 2, 6))
    peer.give(publish(TOPIC, bytes(1400)))
    peer.give(publish(TOPIC, b"after"))
    assert peer.got == [(TOPIC, b"after")]
    assert peer.sent() == b"\x40\x02\x00\x05\x40\x02\x00\x06"
    assert peer.session.refused == 3


def test_garbage_is_named_and_raises_nothing_else():
    for data in (
        b"\x30\xff\xff\xff\xff\x01",  # a length without end
        b"\x30\x05\x00\xff\x00\x00\x00",  # a topic longer than its packet
        b"\x32\x04\x00\x02ab",  # QoS 1 without id
        b"\x34\x06\x00\x01a\x00\x01x",  # QoS 2
        b"\x36\x06\x00\x01a\x00\x01x",  # no QoS at all
        b"\x40\x00",
        b"\x90\x01\x00",
        b"\xd0\x01\x00",
        b"\x00\x00",
        b"\xf0\x00",
        b"\xe0\x00",
        CONNACK,
    ):
        peer = Peer(b"\x20\x02\x01\x00")
        assert peer.lost(peer.give, data), data


def test_any_bytes_end_in_lost_or_nothing():
    rounds = 3000
    state = 11
    lost = 0
    for turn in range(rounds):
        peer = Peer(b"\x20\x02\x01\x00")
        peer.session.publish(TOPIC, b"x", peer.now)
        valid = publish(TOPIC, b"message", 2, 9) + b"\x40\x02\x00\x01\xd0\x00"
        data = bytearray(valid * 3)
        for _ in range(1 + turn % 7):
            state = state * 48271 % 0x7FFFFFFF
            data[state % len(data)] = state >> 8 & 0xFF
        try:
            for start in range(0, len(data), 5):
                peer.give(bytes(data[start : start + 5]))
        except Lost:
            lost += 1
        if len(peer.session.outgoing()) > 1536:
            raise AssertionError("more than the queue holds")
    assert rounds // 4 < lost < rounds, lost


def main():
    names = sorted(name for name in globals() if name.startswith("test_"))
    for name in names:
        globals()[name]()
    print("passed", len(names))


main()
