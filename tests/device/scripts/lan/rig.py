"""A LAN link with a broker that is real, and a lamp whose lateness is measured.

The server only echoes, the document and the clock are plain objects, and the lamp is a task that
wants to run every 20 ms, as the real one does during a ramp.
"""

import asyncio
import gc
import time

from node.links import lan
from protocol import lantopics, network, smp

NODE = "a0b1c2d3e4f5"


class File:
    def __init__(self, document):
        self.values = network.parse(document)
        self.reason = ""
        self.changes = 1


class Clock:
    is_set = True


class Server:
    """Answers a request with its own body; takes as long as it is told."""

    def __init__(self):
        self.asked = 0
        self.takes_ms = 0

    async def handle(self, message, link):
        self.asked += 1
        if self.takes_ms:
            await asyncio.sleep_ms(self.takes_ms)
        if len(message) < smp.HEADER_SIZE:
            return None
        op, group, sequence, command, length, version = smp.unpack_header(message)
        head = smp.pack_header(op + 1, group, sequence, command, length, version)
        return head + message[smp.HEADER_SIZE :]


class Lamp:
    """Notes by how much its steps come too late, and how much of the time before each was ours.

    worst_ms: the latest step, over_50: steps that were later than 50 ms; what else the machine does
    adds to both. busy_ms: the most processor time that this process has used from one step to the
    next: no step is later than that by our own doing, unless something here waits.
    """

    def __init__(self, step_ms=20):
        self.step_ms = step_ms
        self.steps = 0
        self.worst_ms = 0
        self.over_50 = 0
        self.busy_ms = 0

    async def run(self):
        due = time.ticks_add(time.ticks_ms(), self.step_ms)
        used = time.clock()  # pyright: ignore - of the unix port alone
        while True:
            await asyncio.sleep_ms(max(0, time.ticks_diff(due, time.ticks_ms())))
            late = time.ticks_diff(time.ticks_ms(), due)
            busy = time.clock()  # pyright: ignore
            self.steps += 1
            self.worst_ms = max(self.worst_ms, late)
            self.over_50 += late > 50
            self.busy_ms = max(self.busy_ms, round((busy - used) * 1000))
            used = busy
            due = time.ticks_add(time.ticks_ms(), self.step_ms)

    def __str__(self):
        return f"{self.steps} {self.worst_ms} {self.over_50} {self.busy_ms}"


def link(document, server=None, clock=None, wanted=lambda: True, station=None, calm=lambda: True):
    gc.threshold(16 * 1024)
    return lan.LanLink(
        NODE,
        File(document),
        server or Server(),
        clock or Clock(),
        wanted,
        lambda: lantopics.online("1.2.3", 7, 2),
        calm,
        station,
    )


def check_in():
    pass
