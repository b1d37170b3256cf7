"""The power goes at every write of a log's life; nothing durable may be missing or altered.

argv: "clean" or "torn", and every how many writes to cut. Prints how many cuts there were.
"""

import sys

from blocks import Blocks, Cut, FakeClock, FakeNvs, format_and_mount, remount

from node.log import NodeLog
from protocol import records

BLOCKS = 24


class Witness:
    """Knows what was durable, what was acknowledged, and what the ring may have dropped."""

    def __init__(self):
        self.durable = {}
        self.acked = (0, 0)
        self.acking = (0, 0)
        self.epochs = []

    def logged(self, epoch, sequence, body):
        key = (epoch, sequence)
        if key in self.durable:
            raise AssertionError("key used twice", key)
        self.durable[key] = body


def open_log(witness, nvs):
    log = NodeLog("/f/log", FakeClock(), nvs, witness, limit=4096, segment_size=512)
    if log.epoch in witness.epochs:
        raise AssertionError("epoch used twice")
    witness.epochs.append(log.epoch)
    return log


def live(log, witness, rounds, acknowledge=True):
    """A life with full tails, new segments, acknowledgements and, for the rest, an away gateway."""
    for number in range(rounds):
        if not log.append(records.EVENT, 1, number * 1000003 % 0x7FFFFFFF):
            return
        if acknowledge and number % 9 == 8:
            epoch, first, bodies, _ = log.read(witness.acked[0], witness.acked[1] + 1, 100)
            if bodies:
                position = (epoch, first + len(bodies) - 1)
                witness.acking = position
                if not log.acknowledge(*position):
                    raise AssertionError("acknowledgement refused")
                witness.acked = position


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


def check(log, witness):
    found = everything(log)
    for key, body in witness.durable.items():
        if key <= witness.acking:
            continue
        if found.get(key) != body:
            raise AssertionError("lost or altered", key, body, found.get(key))
    for key, body in found.items():
        # The append that the power cut short may have been done though nobody was told.
        if key in witness.durable and witness.durable[key] != body:
            raise AssertionError("altered", key)
        records.decode(body)
    if log.damaged:
        raise AssertionError("damage after a power cut")


def attempt(base, left, torn):
    """True when the power was cut."""
    blocks = Blocks(BLOCKS, base)
    import vfs

    vfs.mount(vfs.VfsLfs2(blocks), "/f")
    witness = Witness()
    nvs = FakeNvs()
    blocks.left = left
    blocks.torn = torn
    cut = False
    try:
        log = open_log(witness, nvs)
        live(log, witness, 150)
        log = open_log(witness, nvs)
        live(log, witness, 60, False)
    except Cut:
        cut = True
    blocks = remount(blocks, "/f")
    if cut and left % 3 == 0:
        # The power goes again while the node starts from the first cut.
        blocks.left = left % 7
        blocks.torn = torn
        try:
            log = open_log(witness, nvs)
            live(log, witness, 3, False)
        except Cut:
            pass
        blocks = remount(blocks, "/f")
    log = open_log(witness, nvs)
    check(log, witness)
    live(log, witness, 12, False)
    if log.failures:
        raise AssertionError("does not go on after the cut", log.last_failure)
    check(log, witness)
    blocks = remount(blocks, "/f")
    log = open_log(witness, nvs)
    check(log, witness)
    vfs.umount("/f")
    return cut


torn = sys.argv[1] == "torn"
stride = int(sys.argv[2])
first = Blocks(BLOCKS)
format_and_mount(first, "/f")
import vfs  # noqa: E402

vfs.umount("/f")
left = 0
cuts = 0
while attempt(first.data, left, torn):
    cuts += 1
    left += stride
print("cut points", cuts)
