"""An upload that is cut off, repeated, reordered and altered on its way."""

import os
import sys
from hashlib import sha256

from bench import Lamppost, read, run, send, tell

from protocol import messages

folder = sys.argv[1]
image = read(folder + "/big.img")
sha = sha256(image).digest()
post = Lamppost(read(folder + "/flash.bin"))
post.boot()
manager = post.manager()


def chunk(off, size=1024, **more):
    body = {"off": off, "data": image[off : off + size]}
    body.update(more)
    return run(manager.upload(body))


tell("nothing begun", chunk(1024))
tell("first", chunk(0, len=len(image), sha=sha))
tell("repeated", chunk(0, len=len(image), sha=sha), chunk(0, len=len(image), sha=sha))
tell("skipped", chunk(4096))
tell("second", chunk(1024))
tell("late", chunk(0, 512, len=len(image), sha=sha))
tell("state", messages.UPDATE_STATES[manager.state])
for off in range(2048, 12288, 1024):
    chunk(off)
tell("before the cut", manager.offset)
post.power_cycle()
post.boot()
manager = post.manager()
tell("after the cut", manager.offset, chunk(0, 32, len=len(image), sha=sha))
answer = run(send(manager, image, start=manager.offset))
tell("end", answer == {"off": len(image), "match": True})
last = len(image) // 1024 * 1024
tell("last again", chunk(last) == {"off": len(image), "match": True})
tell("same file", chunk(0, len=len(image), sha=sha) == {"off": len(image), "match": True})
tell("state", messages.UPDATE_STATES[manager.state], manager.offset)

post = Lamppost(read(folder + "/flash.bin"))
post.boot()
manager = post.manager()
tell("no hash", run(send(manager, image, sha=False)) == {"off": len(image), "match": True})
tell("erased", run(manager.erase()), len(manager.image_state()["images"]))
tell("first", chunk(0, len=len(image), sha=sha))
tell("another file", chunk(0, len=len(image), sha=bytes(32)))
tell("overrun", run(manager.upload({"off": 1024, "data": bytes(len(image))})))
altered = bytearray(image)
altered[5000] ^= 1
answer = None
for off in range(1024, len(image), 1024):
    answer = run(manager.upload({"off": off, "data": bytes(altered[off : off + 1024])}))
tell("altered", answer, manager.reason.split(":")[0], messages.UPDATE_STATES[manager.state])
tell("bad off", run(manager.upload({"off": -1, "data": b""})))
tell("bad data", run(manager.upload({"off": 0, "data": "text", "len": 5})))
tell("no len", run(manager.upload({"off": 0, "data": b""})))
tell("bad sha", run(manager.upload({"off": 0, "data": b"", "len": 5, "sha": b"1"})))
tell("bad image", run(manager.upload({"off": 0, "data": b"", "len": 5, "image": 2})))
tell("too large", run(manager.upload({"off": 0, "data": b"", "len": 1 << 20})), manager.reason)
tell("no magic", run(manager.upload({"off": 0, "data": bytes(64), "len": 5000})), manager.reason)
old = bytearray(image[:64])
old[20:22] = bytes((0, 9))
answer = run(manager.upload({"off": 0, "data": bytes(old), "len": len(image), "upgrade": True}))
tell("downgrade", answer, manager.reason)

post = Lamppost(read(folder + "/flash.bin"))
post.boot()
manager = post.manager()
chunk(0, len=len(image), sha=sha)
chunk(1024)
writes = post.flash.writes
headed = image[:12] + b"\xff\xff\x01\x00" + image[16:64]
answers = [
    run(manager.upload({"off": 0, "data": data, "len": 5000, "sha": bytes(32)}))
    for data in (bytes(64), headed, image[:31])
]
tell(
    "garbage beside an upload",
    len([answer for answer in answers if "err" in answer]),
    "writes",
    post.flash.writes - writes,
    "then",
    chunk(0, len=len(image), sha=sha),
)
tell(
    manager.reason.split("its ")[1],
    post.flash.writes - writes,
    messages.UPDATE_STATES[manager.state],
)
chunk(0, len=len(image))
chunk(1024)
manager.close()
post.power_cycle()
post.boot()
manager = post.manager()
left = [name for name in os.listdir("/flash") if name.startswith("upload")]
tell("without a sha, restarted", manager.offset, left)
