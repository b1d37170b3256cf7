"""Bytes from strangers: a reply or none, never an exception, and nothing of the street changes."""

import random
import sys

import vfs
from blocks import Blocks, format_and_mount
from rig import Rig, sealed

from protocol import cbor, configuration, messages, records, smp

ROUNDS = int(sys.argv[1])
READ = smp.OP_READ
WRITE = smp.OP_WRITE

format_and_mount(Blocks(64), "/f")
rig = Rig("/f")
for number in range(30):
    rig.log.append(records.EVENT, 1, number)
random.seed(20260607)

document = configuration.document(1, {"lamp/default_level": 10})
corpus = [
    smp.pack(*request)
    for request in (
        (WRITE, 0, 1, smp.OS_ECHO, {"d": "hello"}),
        (READ, 0, 1, smp.OS_DATETIME, {}),
        (WRITE, 0, 1, smp.OS_DATETIME, {"datetime": "2027-01-01T00:00:00+01:00"}),
        (READ, 0, 1, smp.OS_INFO, {"format": "snv"}),
        (WRITE, 0, 1, smp.OS_RESET, {}),
        (READ, 1, 1, smp.IMAGE_STATE, {}),
        (WRITE, 1, 1, smp.IMAGE_STATE, {"hash": bytes(32), "confirm": True}),
        (WRITE, 1, 1, smp.IMAGE_UPLOAD, {"off": 0, "len": 9, "data": b"x" * 40}),
        (READ, 3, 1, 0, {"name": "configuration"}),
        (WRITE, 3, 1, 0, {"name": "configuration", "val": document}),
        (WRITE, 3, 1, 2, {}),
        (READ, 64, 1, messages.READINGS, {"e": 1, "s": 0, "n": 200}),
        (READ, 64, 1, messages.READINGS, {"e": 1, "s": 0, "n": 200, "ae": 1, "as": 3, "t": 1}),
        (WRITE, 64, 1, messages.ACKNOWLEDGE, {"e": 1, "s": 3}),
        (WRITE, 64, 1, messages.LAMP, {"l": 0, "x": 600}),
        (WRITE, 64, 1, messages.IDENTIFY, {"d": 5}),
        (READ, 64, 1, messages.STATUS, {}),
    )
]
corpus.append(sealed(7, WRITE, 64, messages.LAMP, {"l": 0, "x": 600}))
corpus.append(sealed(8, READ, 64, messages.STATUS, {}))
good_seals = {corpus[-1], corpus[-2]}


def mutated(message):
    data = bytearray(message)
    for _ in range(random.randrange(1, 6)):
        what = random.randrange(6)
        at = random.randrange(len(data)) if data else 0
        if what == 0 and data:
            data[at] ^= 1 << random.randrange(8)
        elif what == 1 and data:
            data[at] = random.randrange(256)
        elif what == 2:
            data = data[:at]
        elif what == 3:
            data = data[:at] + bytes([random.randrange(256) for _ in range(9)]) + data[at:]
        elif what == 4:
            data = data[:at] + data[at // 2 :]
        elif len(data) >= 8:
            # The length made right again, so that what is behind the header is looked at.
            size = len(data) - 8
            data[2] = size >> 8
            data[3] = size & 0xFF
            data[0] = 8 | random.choice((READ, WRITE))
    return bytes(data)


def anything(depth):
    """A CBOR value of the wrong kind for most fields."""
    kind = random.randrange(8 if depth else 6)
    if kind == 0:
        return random.randrange(-(1 << 30), 1 << 30) << random.randrange(33)
    if kind == 1:
        return bytes(random.randrange(40))
    if kind == 2:
        return "z" * random.randrange(40)
    if kind == 3:
        return random.choice((None, True, False))
    if kind in (4, 5):
        return random.choice((0, 1, -1, 32, 255, 1 << 63, "configuration", b""))
    if kind == 6:
        return [anything(depth - 1) for _ in range(random.randrange(4))]
    return {random.choice(KEYS): anything(depth - 1) for _ in range(random.randrange(4))}


NAMES = "d e s n ae as t l x m name val max_size off len data sha hash confirm format datetime"
KEYS = NAMES.split()


def stranger():
    body = {random.choice(KEYS): anything(2) for _ in range(random.randrange(6))}
    group = random.choice((0, 1, 3, 64, 64, 9, 65535))
    return smp.pack(random.choice((READ, WRITE)), group, 3, random.randrange(10), body)


before = rig.touched()
answered = silent = 0
for turn in range(ROUNDS):
    kind = turn % 4
    if kind == 0:
        message = bytes([random.randrange(256) for _ in range(random.randrange(60))])
    elif kind == 1:
        message = stranger()
    else:
        message = mutated(random.choice(corpus))
    if message in good_seals:
        continue
    reply = rig.ask(message)
    if reply is None:
        silent += 1
        continue
    answered += 1
    assert isinstance(reply, bytes)
    assert len(reply) <= 1200
    op, group, sequence, command, body = smp.unpack(reply)
    assert op in (1, 3), (message, reply)
    assert sequence == message[6], (message, reply)
assert rig.server.faults == 0, rig.server.last_fault
assert rig.touched() == before
assert cbor.dumps([]) == b"\x80"
print("answered", answered, "silent", silent, "seals refused", rig.sealing.refused)
vfs.umount("/f")
