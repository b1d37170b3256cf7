"""Uploads by radio without a seal: what of ours they leave alone, and how rarely they write."""

import sys
import time
from hashlib import sha256

from bench import Lamppost, read, run, tell

from firmware.node.update import gate
from protocol import messages, multicast

CHUNK = 512
folder = sys.argv[1]
image = read(folder + "/v2.img")
other = read(folder + "/v3.img")
sha = sha256(image).digest()
name = multicast.tag(sha)
post = Lamppost(read(folder + "/flash.bin"))
post.boot()
manager = post.manager()


def begin(data, ours):
    first = {"off": 0, "len": len(data), "sha": sha256(data).digest(), "data": data[:256]}
    return "off" in run(manager.upload(first, ours))


now = 1_000
time_ticks_ms = time.ticks_ms
gate.time = type("Time", (), {"ticks_ms": staticmethod(lambda: now), "ticks_diff": time.ticks_diff})


def state():
    return messages.UPDATE_STATES[manager.state]


# One of ours goes on under a stranger's begin, until it has stood still for long.
assert run(manager.reception().start(sha, len(image), CHUNK)) == {}
run(manager.reception().chunk(name, 0, image[:CHUNK]))
offset = manager.offset
tell("multicast", begin(other, False), manager.offset == offset, state(), repr(manager.reason))
now += 599_000
run(manager.reception().chunk(name, 1, image[CHUNK : 2 * CHUNK]))
now += 599_000
tell("it moves", begin(other, False))
now += 2_000
tell("it stands", begin(other, False), manager.offset)
tell("ours again", begin(image, True), manager.offset)

# A stranger may begin, and whole; again and again only after pauses that grow.
run(manager.erase())
writes = post.flash.writes
begun = 0
for _ in range(24 * 60):  # a day of one try a minute
    now += 60_000
    begun += begin(image if begun % 2 else other, False)
tell("a day of begins", begun < 160, post.flash.writes - writes < 2_000)
tell("the same goes on", begin(image if begun % 2 == 0 else other, False))
now += 600_000
answer = None
for at in range(0, len(image), 256):
    body = {"off": at, "data": image[at : at + 256], "len": len(image), "sha": sha}
    answer = run(manager.upload(body, False))
tell("whole", answer["match"], state())
tell("at once after it", begin(other, False))

# Chunks of a stranger's, where the next of a sealed upload belongs: none is in it.
run(manager.erase())


def piece(at, data, certain):
    body = {"off": at, "data": data, "len": len(image), "sha": sha}
    return run(manager.upload(body, certain, certain))


for at in range(0, len(image), 256):
    answer = piece(at, image[at : at + 256], True)
    if at == 512:
        tell("a chunk between", piece(768, bytes(256), False), piece(0, image[:256], False))
tell("and yet whole", answer["match"], state())
