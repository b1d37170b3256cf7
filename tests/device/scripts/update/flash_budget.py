"""The worst that the flash has to hold: a full log, two slots of a release, an upload.

Arguments: folder, length of the largest image. The release is the whole application; what is in the
slots is not run here.
"""

import asyncio
import sys
from hashlib import sha256

import bootstage
from bench import Lamppost, Left, read, run, send, tell

from firmware.node import log as logs
from firmware.node.update import budget, refusal
from firmware.node.update.store import slot_store
from protocol import records

folder = sys.argv[1]
large = int(sys.argv[2])
boots = []


def started(boot, observer):
    boots.append(boot)
    raise Left


bootstage._run = started


class Clock:
    def stamp(self):
        return 1_760_000_000


def start(post):
    post.power_cycle()
    post.boot()
    post.started = ("", boots[-1])
    return post.manager()


post = Lamppost(read(folder + "/whole.bin"))
post.log_limit = logs.DEFAULT_LIMIT
manager = start(post)
log = logs.NodeLog("/flash/log", Clock())


def append():
    assert log.append(records.AIR, 60, 60, 1000, 100, 200, 300, 100, 400, 200, 0), log.last_failure


def waiting():
    return log.read(0, 0, 100)[3]


while not log.overwritten:
    append()
lost = log.overwritten
before = waiting()
tell("log full", before > 5000)

answer = run(send(manager, read(folder + "/1.4.2.img")))
tell("second slot", "match" in answer, "lost", log.overwritten - lost)
manager.boot.mark_pending(1, False)
manager = start(post)
manager.confirm()


async def again():
    """Begin with the SHA-256 of what the idle slot holds; another task wants its turns."""
    turns = 0

    async def other():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    await asyncio.sleep(0)
    image = read(folder + "/1.4.1.img")
    idle = sha256(image).digest()
    answer = await manager.upload({"off": 0, "len": len(image), "sha": idle, "data": image[:64]})
    task.cancel()
    return "match" in answer, turns > 100


matched, turned = run(again())
tell("idle slot's image once more", matched, "turns", turned)
answer = run(send(manager, read(folder + "/1.4.3.img")))
tell("third image", "match" in answer, "lost", log.overwritten - lost)
tell("both whole", repr(manager.boot.problem(0)), "", repr(manager.boot.problem(1)))

position = (0, 0)
count = 0
while True:
    epoch, first, bodies, _ = log.read(position[0], position[1], 1000)
    if not bodies:
        break
    count += len(bodies)
    position = (epoch, first + len(bodies))
tell("log read back", count > before and not log.damaged)

# The largest that is taken, all of it garbage behind a plausible header, while records are written.
# The log drops a segment now and then by its own limit: as many are lost as without the upload.
head = read(folder + "/garbage.img")
off = 0
answer = {}
before = waiting()
while off < large:
    size = min(1024, large - off)
    data = (head + bytes(size))[:size] if off == 0 else b"y" * size
    body = {"off": off, "data": data}
    if off == 0:
        body["len"] = large
        body["sha"] = bytes(32)
    answer = run(manager.upload(body))
    if "off" not in answer:
        break
    off = answer["off"]
tell(
    "garbage refused",
    manager.code if "err" in answer else answer,
    "lost",
    before - waiting(),
    "failures",
    log.failures,
)

shares = budget.of("/flash", logs.DEFAULT_LIMIT)
answer = run(
    manager.upload({"off": 0, "len": shares.max_image + 1, "sha": bytes(32), "data": head[:32]})
)
tell("too large", answer["err"]["rc"], "the log has" in manager.reason)

# Something else took the room: the log's share is not given away.
manager.boot.release(manager.boot.idle_slot)
with open("/flash/something", "wb") as file:
    for _ in range(shares.blocks - budget.used("/flash", 4096) - 20):
        file.write(bytes(4096))
writes = post.flash.writes
image = read(folder + "/1.4.3.img")
answer = run(
    manager.upload({"off": 0, "len": len(image), "sha": sha256(image).digest(), "data": image[:64]})
)
tell("crowded flash", answer["err"]["rc"], "are kept for the log" in manager.reason)
tell("  written", post.flash.writes - writes)

store = slot_store(manager.boot, shares)
try:
    store.open("node/large.mpy", shares.slot_blocks * 4096)
    tell("taken")
except refusal.Refused as refused:
    tell("one block too many for a slot", refused.code)
