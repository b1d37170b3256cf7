"""A delta's way into a node: the base put together again, the patch applied, wrong ones refused.

Arguments: folder, then the names of deltas that have to be refused.
"""

import os
import sys
from hashlib import sha256

from bench import Lamppost, read, run, send, tell, tree

from firmware.node.update import base
from protocol import messages

folder = sys.argv[1]
factory = read(folder + "/flash.bin")
delta = read(folder + "/delta.img")
whole = read(folder + "/v2.img")


def refused(post, manager, image, chunk=1024):
    return run(send(manager, image, chunk)), manager.code, manager.reason


post = Lamppost(factory)
post.boot()
manager = post.manager()

# The running release's byte stream, in pieces of every size and from every place.
rom = read(folder + "/v1.romfs")
reader = base.running(post.started[1])
tell("base", reader.size == len(rom))
for piece in (1, 7, 512, 5000):
    out = bytearray(len(rom))
    view = memoryview(out)
    for at in range(0, len(rom), piece):
        reader.readinto(at, view[at : at + piece])
    assert out == rom, piece
seed = 1
for _ in range(400):
    seed = (seed * 1103515245 + 12345) & 0x3FFFFFFF
    at = seed % len(rom)
    view = memoryview(bytearray(min(300, len(rom) - at)))
    reader.readinto(at, view)
    assert view == rom[at : at + len(view)], at
reader.close()
tell("region", bytes(base.RegionBase(memoryview(rom))._view) == rom)

first = run(
    manager.upload(
        {"off": 0, "data": delta[:500], "len": len(delta), "sha": sha256(delta).digest()}
    )
)
tell("first", first)
post.power_cycle()
post.boot()
manager = post.manager()
tell("after a reboot", manager.offset, messages.UPDATE_STATES[manager.state])
tell("taken", run(send(manager, delta, 700, sha=True)))
slot = post.started[1].slots()[1]
tell("slot", slot["version"], slot["hash"] == read(folder + "/v2.hash"))
tell("whole is here", slot["upload"] == sha256(whole).digest())
run(manager.set_state(slot["hash"], False))
result = tree("/flash/slot1")
post.power_cycle()
post.boot()
manager = post.manager()
tell("runs", post.started[0], post.started[1].trial)
manager.confirm()
manager = post.manager()
tell("whole sent too", run(send(manager, whole)))
tell("delta again", run(send(manager, delta)))

# The same files as the whole release leaves.
post = Lamppost(factory)
post.boot()
assert run(send(post.manager(), whole))["match"]
tell("same files", tree("/flash/slot1") == result)

# A node that runs something else says so at the first chunk, and takes the whole release.
post = Lamppost(factory)
post.boot()
manager = post.manager()
writes = post.flash.writes
tell("other base", *refused(post, manager, read(folder + "/other.img")))
tell("written", post.flash.writes - writes, messages.UPDATE_STATES[manager.state])
tell("whole then", run(send(manager, whole)), manager.code)

for name in sys.argv[2:]:
    post = Lamppost(factory)
    post.boot()
    manager = post.manager()
    before = tree("/flash/slot0")
    answer, code, reason = refused(post, manager, read("%s/%s.img" % (folder, name)))
    assert tree("/flash/slot0") == before
    assert post.started[1].slots()[1] is None
    tell(name, code, answer.get("err", {}).get("rc"), "|", reason)
    assert run(send(manager, whole))["match"], name

# The base rots: noticed before anything is written to the idle slot.
post = Lamppost(factory)
post.boot()
with open("/flash/slot0/node/version.mpy", "r+b") as file:
    file.seek(30)
    file.write(b"#")
tell("rotten", *refused(post, post.manager(), delta))
os.remove("/flash/slot0/node/version.mpy")
tell("file gone", *refused(post, post.manager(), delta))
