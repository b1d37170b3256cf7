"""DALI on its two wires: frames as the lengths of pulses, and pulses as frames again.

IEC 62386-101: 1200 bits a second, Manchester: half a bit (Te) is 416.67 us; a 1 is low then high, a
0 high then low. A forward frame is a start bit, which is a 1, 16 bits, and a stop condition of
2.4 ms of high. The answer, a backward frame, has 8 bits and begins 5.5 ms to 10.5 ms after the last
edge; the next forward frame may begin 13.5 ms after the last one. Idle is high. A transmitter keeps
to 10 % of Te; a receiver takes 333 to 500 us for half a bit and 667 to 1000 us for two halves
(8.2.1, receiver bit timing). Ours takes more: its edges are those of an interrupt, which is late.
"""

import time
from array import array

FORWARD = 16
BACKWARD = 8
# Start bit and 16 bits.
FORWARD_US = 14167
# Between two frames, and the end of the longest answer, after the last edge of a forward frame.
SETTLING_US = 13500
ANSWERED_US = 20700
# Two frames of a command sent twice: at least settling, at most 100 ms, nothing between them.
_TWICE_US = 15000
# After the end of our own frame no edge can be an answer's for so long: its stop condition.
_STOP_US = 2000

CORRUPT = -1

# What is shorter than any half bit is interference. Above it, whatever is nearer to one half bit
# than to none or two is one: nothing else is on the line, and a wrong guess breaks the code.
_NOISE_US = 150
_SHORTEST_US = 208
_BETWEEN_US = 625
_LONGEST_US = 1050

# Our frame and its answer have at most 34 + 18 edges; more than this is noise.
_EDGES = 96


def encode(frame, twice=False):
    """Lengths in us of the levels of a 16-bit forward frame, low (0) first, and alternating.

    The high after the last low is left out: idle is high. twice: two frames, with settling between.
    """
    bits = frame | 1 << FORWARD
    lengths = []
    last = 1
    halves = 0  # of the level that lasts
    done = 0  # half bits before it
    for index in range(2 * FORWARD + 1, -1, -1):
        bit = bits >> (index >> 1) & 1
        # A 1 is low, high; a 0 is high, low. index is odd for the first half.
        level = bit ^ (index & 1)
        if level == last or not (lengths or halves):
            halves += 1
        else:
            # Cumulated, so that rounding does not add up: Te is 1250 / 3 us.
            lengths.append((done + halves) * 1250 // 3 - done * 1250 // 3)
            done += halves
            halves = 1
        last = level
    if not last:
        lengths.append((done + halves) * 1250 // 3 - done * 1250 // 3)
    if twice:
        trailing = 0 if not last else halves * 1250 // 3
        lengths = lengths + [_TWICE_US + trailing] + lengths
    return lengths


def decode(edges, count, bits=BACKWARD):
    """The value of a frame of `bits` bits from its edges, or CORRUPT.

    edges: times in us, the first of them falling; count: how many of them count. Each level may be
    up to 200 us longer or shorter than it should. Pairs of edges closer than 150 us are
    interference.
    """
    halves = 2 * (bits + 1)
    value = 0
    taken = 0  # half bits
    first = 0  # the first half of the bit that is being read
    level = 0
    at = 0
    while at < count:
        if at + 1 == count:
            # The last edge goes to idle; a last 1 has its second half after it.
            if not level or taken not in (halves - 1, halves):
                break
            if taken == halves - 1:
                if first:
                    return CORRUPT
                value = value << 1 | 1
            return value & (1 << bits) - 1 if value >> bits == 1 else CORRUPT
        end = at + 1
        # Where two edges are a spike, the level goes on beyond them.
        while end + 2 < count and edges[end + 1] - edges[end] < _NOISE_US:
            end += 2
        length = edges[end] - edges[at]
        if not _SHORTEST_US <= length <= _LONGEST_US:
            return CORRUPT
        for _ in range(1 if length < _BETWEEN_US else 2):
            if taken & 1:
                if first == level:
                    return CORRUPT
                value = value << 1 | level
            else:
                first = level
            taken += 1
            if taken > halves:
                return CORRUPT
        level ^= 1
        at = end
    return CORRUPT


class Line:
    """The bus at the chip's pins: pulses out by the RMT, edges in by interrupt.

    rmt: an `esp32.RMT` of 1 us, idle 0, whose 1 pulls the bus low. rx: input pin, 1 while the bus
    is high. Interrupts are taken only while an answer may come. Nothing here waits.
    """

    def __init__(self, rmt, rx):
        self._rmt = rmt
        self._rx = rx
        self._edges = array("i", [0] * _EDGES)
        self._count = 0
        self._began = 0  # ticks
        self._length = 0  # us, of what was sent
        self._heard = False
        self._handler = self._edge

    def idle(self):
        """Whether nothing is being sent."""
        return self._rmt.wait_done(timeout=0)

    def high(self):
        """Whether the bus is at its idle level; low for long is a bus without power."""
        return self._rx.value() != 0

    def send(self, lengths, listen):
        """Begin to send these levels; listen: an answer is expected. Raises OSError."""
        if listen != self._heard:
            rx = self._rx
            trigger = rx.IRQ_FALLING | rx.IRQ_RISING
            rx.irq(handler=self._handler if listen else None, trigger=trigger)
            self._heard = listen
        self._count = 0
        self._began = time.ticks_us()
        self._rmt.write_pulses(lengths, 1)

    def answer(self):
        """What has come since the end of the forward frame sent last: 0..255, CORRUPT or None."""
        count = min(self._count, _EDGES)
        at = 0
        while at < count and self._edges[at] < FORWARD_US + _STOP_US:
            at += 1  # our own frame, as the receiver sees it
        if at == count:
            return None
        if self._count > _EDGES:
            return CORRUPT
        edges = self._edges[at:count]
        return decode(edges, len(edges))

    def _edge(self, pin):
        count = self._count
        if count < _EDGES:
            self._edges[count] = time.ticks_diff(time.ticks_us(), self._began)
        self._count = count + 1
