"""An image that comes by multicast: lost, repeated, disordered, foreign chunks, a reboot."""

import os
import sys
from hashlib import sha256

from bench import BLOCK, Lamppost, read, run, send, tell

from firmware.node.update.multicast import Multicast
from protocol import messages, multicast

folder = sys.argv[1]
factory = read(folder + "/flash.bin")
image = read(folder + "/big.img")
sha = sha256(image).digest()
name = multicast.tag(sha)
SIZE = 512
count = multicast.chunk_count(len(image), SIZE)


def chunk(index):
    return image[index * SIZE : (index + 1) * SIZE]


def give(manager, index, data=None, tag=None):
    return run(
        manager.reception().chunk(tag or name, index, chunk(index) if data is None else data)
    )


def missing(manager, first=0):
    return multicast.parse_state_reply(manager.reception().state(name, first))


def start(manager, length=None, chunk_size=SIZE, digest=None):
    length = len(image) if length is None else length
    return run(manager.reception().start(digest or sha, length, chunk_size))


post = Lamppost(factory)
post.boot()
manager = post.manager()
tell("before", missing(manager), give(manager, 0), manager.offset)
tell("start", start(manager), messages.UPDATE_STATES[manager.state])
state, gone, listed = missing(manager)
tell("all missing", state, gone == count == len(listed), listed[:3])
tell("from 5 on", missing(manager, 5)[2] == list(range(5, count)))
tell("beyond", missing(manager, 1000)[2])

# From the last to the first, every third lost, some twice, some wrong.
lost = list(range(0, count, 3))
for index in range(count - 1, -1, -1):
    if index not in lost:
        assert give(manager, index) == {}
        if index % 5 == 0:
            give(manager, index, b"x" * SIZE)
offset = manager.offset
for index, data, tag in (
    (0, b"short", name),
    (0, b"x" * (SIZE + 1), name),
    (count - 1, b"x" * SIZE, name),
    (count, b"x" * SIZE, name),
    (1 << 16, b"x" * SIZE, name),
    (0, b"x" * SIZE, b"none"),
):
    assert give(manager, index, data, tag) == {}
tell("nonsense passed over", manager.offset == offset)
tell("gone", missing(manager)[2] == lost, missing(manager)[1] == len(lost))

# The node starts again: what was committed is known, the rest is asked for again.
post.power_cycle()
post.boot()
manager = post.manager()
state, gone, listed = missing(manager)
tell("after a cut", state, gone - len(lost) <= 8192 // SIZE, set(lost) <= set(listed))
tell("start again", start(manager), missing(manager)[1] == gone)
manager.close()
post.power_cycle()
post.boot()
manager = post.manager()
for index in listed[:-1]:
    give(manager, index)
tell("one left", missing(manager)[1:] == (1, [listed[-1]]))
tell("last", give(manager, listed[-1]), manager.taken == len(image))
tell("state", messages.UPDATE_STATES[manager.state], missing(manager), manager.offset)
tell("files", sorted([e[0] for e in os.ilistdir("/flash") if e[0].startswith("multi")]))
tell("slot", post.started[1].slots()[1]["version"])
tell("later chunk", give(manager, 1), missing(manager))
post.power_cycle()
post.boot()
manager = post.manager()
tell("has it", missing(manager), start(manager), missing(manager))
tell("upload too", run(send(manager, image)))

# An image of somebody else's: complete, refused, and said to be.
post = Lamppost(factory)
post.boot()
manager = post.manager()
foreign = read(folder + "/foreign.img")
sha = sha256(foreign).digest()
name = multicast.tag(sha)
start(manager, len(foreign), SIZE, sha)
answers = [
    give(manager, index, foreign[index * SIZE : (index + 1) * SIZE])
    for index in range(multicast.chunk_count(len(foreign), SIZE))
]
tell("foreign", answers[-1], missing(manager)[0], manager.code, manager.offset)

# One altered chunk: the whole is refused, and comes again from the start.
sha = sha256(image).digest()
name = multicast.tag(sha)
start(manager)
for index in range(count):
    answer = give(manager, index, b"?" * SIZE if index == 4 else None)
tell("altered", answer, missing(manager)[0], manager.code)
start(manager)
for index in range(count):
    answer = give(manager, index)
tell("once more", answer, missing(manager)[0])

# Too large, or no room.
post = Lamppost(factory)
post.boot()
manager = post.manager()
writes = post.flash.writes
tell("too large", start(manager, 60_000), post.flash.writes - writes)
start(manager)
give(manager, 3)
tell(
    "dropped for an upload", run(manager.upload({"off": 0, "data": image[:700], "len": len(image)}))
)
tell("nothing left", missing(manager), Multicast("/flash").active)
start(manager)
tell("upload dropped", manager.offset, run(manager.reception().stop()), missing(manager))

# What it writes: chunks in their order, and in none.
for order in ("forward", "backward"):
    post = Lamppost(factory)
    post.boot()
    manager = post.manager()
    start(manager)
    writes = post.flash.writes
    for index in range(count - 1):
        give(manager, index if order == "forward" else count - 1 - index)
    tell("writes", order, post.flash.writes - writes)
tell("blocks", (len(image) + BLOCK - 1) // BLOCK)
