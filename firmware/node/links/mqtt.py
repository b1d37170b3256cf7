"""MQTT 3.1.1 by umqtt, which puts packets together and takes them apart, and never waits.

umqtt as it comes reads its socket to the end of a packet, waits for a CONNACK, SUBACK or PUBACK,
and counts packet ids past 65535. So it is given no socket but a `_Pipe`: what it writes is
collected there, and what it reads is a packet that has come whole, or the acknowledgement it would
wait for, put there beforehand. The real one is then taken when it comes, here. Only what all
versions of umqtt.simple since 1.3.4 have is used: its constructor without TLS, set_callback,
set_last_will, connect, subscribe, publish, ping, wait_msg, and the names `pid` and `socket`.

Nothing here touches a socket or the clock: bytes in, bytes out, `now` in ticks of `time.ticks_ms`.
"""

import time

from micropython import const
from umqtt import simple

KEEPALIVE_S = const(30)

# Unacknowledged publishes at a time.
WINDOW = const(4)
# The largest packet taken: an SMP message as large as a bus frame carries, its topic and header.
_IN = const(1344)
# The same and an acknowledgement, a ping, a state.
_OUT = const(1536)

_PING_MS = 15_000  # half the keepalive
_PONG_MS = 15_000
_ACKNOWLEDGED_MS = 20_000
_CONNECTED_MS = 15_000
# From a packet's first byte to its last, and of bytes to send without one taken.
_WHOLE_MS = 60_000
_STUCK_MS = 30_000

# Packet types, MQTT 3.1.1 section 2.2.1.
_CONNACK = const(2)
_PUBLISH = const(3)
_PUBACK = const(4)
_SUBACK = const(9)
_PINGRESP = const(13)
_RETAINED = const(1)
_QOS1 = const(2)
_QOS_BITS = const(6)


class Lost(Exception):
    """The connection cannot be had or cannot go on; the text says why."""


class Session:
    """One connection after another to a broker, as the client `client_id`.

    will: (topic, payload) retained when we are gone. on_message: called with (topic, payload), both
    bytes. present: whether the broker kept our subscriptions. ready: connected and subscribed.
    subscribing: packet id of the subscription that was asked for, 0 when none was.
    published, acknowledged: QoS 1 messages since start. refused: messages from the broker that were
    passed over: retained or too large.
    """

    def __init__(self, client_id, will, user, password, on_message):
        self._pipe = _Pipe()
        client = simple.MQTTClient(client_id, "", 1883, user or None, password, KEEPALIVE_S)
        client.set_last_will(will[0], will[1], True, 1)
        client.set_callback(on_message)
        self._client = client
        self._in = memoryview(bytearray(_IN))
        self._last_id = 0
        self._ids = [0] * WINDOW
        self._due = [0] * WINDOW
        self._granted = False  # in the session that the broker keeps, as far as we know
        self.published = 0
        self.acknowledged = 0
        self.refused = 0
        self._reset(0)

    def _reset(self, now):
        self._pipe.size = 0
        self._filled = 0
        self._skip = 0  # bytes of a packet too large that are still to come
        self._begun = now  # when the packet that is coming began
        self._moved = now  # when the socket last took bytes
        self._deadline = time.ticks_add(now, _CONNECTED_MS)  # of CONNACK, then of SUBACK
        self.subscribing = 0
        self._pinged = now
        self._pong_due = None
        for slot in range(WINDOW):
            self._ids[slot] = 0
        self.connected = False
        self.present = False
        self.ready = False

    @property
    def under_way(self) -> int:
        """Publishes that are not acknowledged."""
        return WINDOW - self._ids.count(0)

    def begin(self, now):
        """Put the CONNECT of a new connection first in the queue."""
        self._reset(now)
        # The session is kept by the broker, so that a short gap does not cost a subscription.
        self._ask(b"\x20\x02\x00\x00", self._client.connect, False)

    def subscribe(self, topic, now):
        """Subscribe at QoS 0; `ready` when it is granted."""
        number = self._next_id()
        self.subscribing = number
        self._deadline = time.ticks_add(now, _CONNECTED_MS)
        self._client.pid = number - 1
        granted = b"\x90\x03" + number.to_bytes(2, "big") + b"\x00"
        self._ask(granted, self._client.subscribe, topic)

    def publish(self, topic, payload, now, retain=False):
        """Publish at QoS 1: the packet id, or 0 when there is no room for it now."""
        if 0 not in self._ids or len(topic) + len(payload) + 9 > _OUT - self._pipe.size:
            return 0
        number = self._next_id()
        # umqtt would wait for the PUBACK, so it is asked for QoS 0; the flag of QoS 1 stands beside
        # that of `retain` in the header, and the packet id before the payload (section 3.3).
        flags = _QOS1 | (_RETAINED if retain else 0)
        self._ask(b"", self._client.publish, topic, number.to_bytes(2, "big") + payload, flags)
        slot = self._ids.index(0)
        self._ids[slot] = number
        self._due[slot] = time.ticks_add(now, _ACKNOWLEDGED_MS)
        self.published += 1
        return number

    def end(self):
        """Queue a DISCONNECT, after which the broker does not publish the will."""
        self._ask(b"", self._client.disconnect)

    def tick(self, now):
        """Ping when it is due. Raises Lost when something is overdue."""
        if not self.ready and time.ticks_diff(now, self._deadline) > 0:
            what = "SUBACK" if self.connected else "CONNACK"
            raise Lost("no %s within %d s" % (what, _CONNECTED_MS // 1000))
        if self._pipe.size and time.ticks_diff(now, self._moved) > _STUCK_MS:
            raise Lost("the broker took nothing for %d s" % (_STUCK_MS // 1000))
        if (self._filled or self._skip) and time.ticks_diff(now, self._begun) > _WHOLE_MS:
            raise Lost("a packet took more than %d s" % (_WHOLE_MS // 1000))
        for slot in range(WINDOW):
            if self._ids[slot] and time.ticks_diff(now, self._due[slot]) > 0:
                raise Lost("no PUBACK within %d s" % (_ACKNOWLEDGED_MS // 1000))
        if self._pong_due is not None:
            if time.ticks_diff(now, self._pong_due) > 0:
                raise Lost("no answer to a ping within %d s" % (_PONG_MS // 1000))
        elif self.connected and time.ticks_diff(now, self._pinged) >= _PING_MS:
            self._pinged = now
            self._pong_due = time.ticks_add(now, _PONG_MS)
            self._ask(b"", self._client.ping)

    # ------------------------------------------------------------------ bytes out

    def outgoing(self):
        """What is to be sent, a memoryview, maybe empty; it holds until the next call."""
        return self._pipe.view[: self._pipe.size]

    def sent(self, count, now):
        """The socket took `count` bytes of `outgoing`."""
        pipe = self._pipe
        rest = pipe.size - count
        pipe.view[:rest] = pipe.view[count : pipe.size]
        pipe.size = rest
        self._moved = now

    # ------------------------------------------------------------------ bytes in

    def room(self):
        """Where the next bytes from the socket go, a memoryview that is never empty."""
        return self._in[self._filled :]

    def came(self, count, now):
        """`count` bytes came into `room`. Raises Lost when they are not of this protocol."""
        if not self._filled and not self._skip:
            self._begun = now
        self._filled += count
        while self._filled:
            if self._skip:
                self._take_off(min(self._skip, self._filled), True)
                continue
            size = self._size()
            if size > _IN and self._filled == _IN:
                self._too_large(size)
            elif not size or size > self._filled:
                return
            else:
                self._packet(self._in[:size], now)
                self._take_off(size, False)
            self._begun = now

    def _take_off(self, count, skipped):
        rest = self._filled - count
        self._in[:rest] = self._in[count : self._filled]
        self._filled = rest
        if skipped:
            self._skip -= count

    def _size(self):
        """Bytes of the first packet, 0 while that is not known."""
        length = 0
        for index in range(1, 5):
            if index >= self._filled:
                return 0
            byte = self._in[index]
            length |= (byte & 0x7F) << 7 * (index - 1)
            if not byte & 0x80:
                return 1 + index + length
        raise Lost("garbage: a packet's length has no end")

    def _packet(self, packet, now):
        kind = packet[0] >> 4
        size = len(packet)
        if not self.connected:
            self._connack(packet)
            self._pinged = now
        elif kind == _PUBLISH:
            if packet[0] & _QOS_BITS > _QOS1:
                raise Lost("garbage: QoS 2, which was not asked for")
            if packet[0] & _RETAINED:
                # Whoever asked is long gone; and it would be carried out after each start.
                self.refused += 1
                self._acknowledge(packet)
            elif self._ask(packet, self._client.wait_msg):
                # Its length says one thing and its topic's another.
                raise Lost("garbage: a publish with bytes left over")
        elif kind == _PUBACK and size == 4:
            number = packet[2] << 8 | packet[3]
            if number and number in self._ids:
                self._ids[self._ids.index(number)] = 0
                self.acknowledged += 1
        elif kind == _SUBACK and size == 5:
            if not self.ready and packet[2] << 8 | packet[3] == self.subscribing:
                if packet[4] > 2:
                    raise Lost("the broker refuses the subscription")
                self.ready = self._granted = True
        elif kind == _PINGRESP and size == 2:
            self._pong_due = None
        else:
            raise Lost("garbage: a packet of type %d with %d bytes" % (kind, size))

    def _connack(self, packet):
        if packet[0] >> 4 != _CONNACK or len(packet) != 4:
            raise Lost("garbage: type %d where a CONNACK was due" % (packet[0] >> 4))
        code = packet[3]
        if code:
            if code in (4, 5):
                raise Lost("the broker refuses user or password (%d)" % code)
            raise Lost("the broker refuses the connection (%d)" % code)
        self.connected = True
        self.present = bool(packet[2] & 1)
        # Its own copy of the subscription serves, if there is one: the session may be of a
        # connection that was lost before the subscription was granted.
        self._granted = self._granted and self.present
        self.ready = self._granted

    def _too_large(self, size):
        """Pass over a packet that is larger than the buffer, which is full of its beginning."""
        if self._in[0] >> 4 != _PUBLISH or not self.connected:
            raise Lost("garbage: a packet of %d bytes" % size)
        self.refused += 1
        self._acknowledge(self._in)
        self._skip = size

    def _acknowledge(self, packet):
        """PUBACK for a publish whose content is not looked at, or nothing for QoS 0."""
        if packet[0] & _QOS_BITS != _QOS1:
            return
        at = 2
        while packet[at - 1] & 0x80:
            at += 1
        at += 2 + (packet[at] << 8 | packet[at + 1])
        if at + 2 > len(packet):
            raise Lost("garbage: a publish without its packet id")
        self._write(b"\x40\x02" + bytes(packet[at : at + 2]))

    # ------------------------------------------------------------------ umqtt

    def _write(self, data):
        try:
            self._pipe.write(data)
        except OSError:
            raise Lost("the broker sends, and takes nothing") from None

    def _next_id(self):
        while True:
            self._last_id = self._last_id % 65535 + 1
            if self._last_id not in self._ids:
                return self._last_id

    def _ask(self, answer, call, *arguments):
        """Have umqtt do something, with the bytes it will read; how many of them it left.

        Whatever it raises leaves the queue as it was, and comes out as Lost.
        """
        pipe = self._pipe
        before = pipe.size
        pipe.answer = answer
        pipe.at = 0
        simple.socket = pipe  # pyright: ignore - it is no module, and has what umqtt uses of one
        self._client.sock = pipe  # pyright: ignore
        try:
            call(*arguments)
        except Lost:
            pipe.size = before
            raise
        except Exception as error:  # noqa: BLE001 - umqtt asserts, indexes and allocates what comes
            pipe.size = before
            raise Lost("umqtt: %r" % (error,)) from None
        left = len(answer) - pipe.at
        pipe.answer = b""
        return left


class _Pipe:
    """The `socket` module and the socket of umqtt: a queue out, and a whole packet in."""

    def __init__(self):
        self.view = memoryview(bytearray(_OUT))
        self.size = 0
        self.answer = b""
        self.at = 0

    def socket(self):
        return self

    def getaddrinfo(self, host, port):
        return ((None,),)

    def connect(self, address):
        pass

    def setblocking(self, flag):
        pass

    def settimeout(self, seconds):
        pass

    def close(self):
        pass

    def read(self, size):
        end = self.at + size
        if size < 0 or end > len(self.answer):
            raise OSError("a packet ends too early")
        data = bytes(self.answer[self.at : end])
        self.at = end
        return data

    def write(self, data, size=None):
        if isinstance(data, str):
            data = data.encode()
        if size is None:
            size = len(data)
        end = self.size + size
        if end > _OUT:
            raise OSError("no room")
        self.view[self.size : end] = memoryview(data)[:size]
        self.size = end
