"""The power goes at writes of a log's life; nothing durable may be missing or altered.

argv: "clean" or "torn", and the strides of `cuts.sweep`. The ring is small, so that a life goes
round it.
"""

import sys

from blocks import FakeClock
from cuts import prepared, sweep

from node.log import NodeLog
from node.segments import FRAME_HEAD
from protocol import records

LIMIT = 2048
SEGMENT = 256


class Nvs:
    """NVS that is part of what was promised, so that it is copied with that."""

    def __init__(self, promises):
        self._promises = promises

    def get_i32(self, key):
        if ("nvs", key) not in self._promises:
            raise OSError(-4354)
        return self._promises["nvs", key]

    def set_i32(self, key, value):
        self._promises["nvs", key] = value

    def commit(self):
        pass


class Witness:
    """Notes what is durable: (epoch, sequence) to body."""

    def __init__(self, promises):
        self._promises = promises

    def logged(self, epoch, sequence, body):
        if (epoch, sequence) in self._promises:
            raise AssertionError("key used twice", epoch, sequence)
        self._promises[epoch, sequence] = body


def opened(promises):
    log = NodeLog("/f/log", FakeClock(), Nvs(promises), Witness(promises), LIMIT, SEGMENT)
    if ("epoch", log.epoch) in promises:
        raise AssertionError("epoch used twice")
    promises["epoch", log.epoch] = True
    return log


def live(log, promises, rounds, acknowledge):
    """Append, and acknowledge what a gateway had at its last visit."""
    for number in range(rounds):
        if not log.append(records.EVENT, 1, number * 1000003 % 0x7FFFFFFF):
            raise AssertionError("not written", log.last_failure)
        if acknowledge and number % 9 == 8:
            acked = promises["acked"]
            epoch, first, bodies, _ = log.read(acked[0], acked[1] + 1, 100)
            if bodies:
                position = (epoch, first + len(bodies) - 1)
                promises["acking"] = position
                if not log.acknowledge(*position):
                    raise AssertionError("acknowledgement refused")
                promises["acked"] = position


def life(promises):
    """Full tails, new segments, acknowledgements; then the gateway is away and the ring turns."""
    live(opened(promises), promises, 60, True)
    log = opened(promises)
    live(log, promises, 140, False)
    if not log.overwritten:
        raise AssertionError("the ring did not turn")


def everything(log):
    """{(epoch, sequence): body} as a gateway collects it."""
    found = {}
    position = (0, 0)
    order = []
    told = []
    while True:
        epoch, first, bodies, waiting = log.read(position[0], position[1], 200)
        if not bodies:
            if waiting:
                raise AssertionError("nothing given, yet something is waiting")
            break
        for index in range(len(bodies)):
            found[epoch, first + index] = bodies[index]
            order.append((epoch, first + index))
        position = (epoch, first + len(bodies))
        told.append((len(order), waiting))
    if any(collected + waiting != len(order) for collected, waiting in told):
        raise AssertionError("wrong number waiting")
    if order != sorted(order):
        raise AssertionError("out of order")
    return found


def check_records(log, promises):
    found = everything(log)
    durable = sorted(key for key in promises if isinstance(key[0], int))
    wanted = [key for key in durable if key > promises["acking"]]
    # The ring may have dropped the oldest, and only for want of room.
    while wanted and wanted[0] not in found:
        del wanted[0]
        if sum(len(body) + FRAME_HEAD for body in found.values()) < LIMIT - 3 * SEGMENT:
            raise AssertionError("records were dropped with room to spare")
    for key in wanted:
        if key not in found:
            raise AssertionError("lost", key)
    for key, body in found.items():
        # The append that the power cut short may have been done though nobody was told.
        if promises.get(key, body) != body:
            raise AssertionError("altered", key)
        records.decode(body)
    if log.damaged:
        raise AssertionError("damage after a power cut")


def check(promises):
    log = opened(promises)
    check_records(log, promises)
    live(log, promises, 12, False)
    if log.failures:
        raise AssertionError("does not go on after the cut", log.last_failure)
    check_records(log, promises)


base = prepared(24, lambda: None)
sweep(base, {"acked": (0, 0), "acking": (0, 0)}, life, check, sys.argv[1], *map(int, sys.argv[2:]))
