"""Images that are not for this node, or are damaged: code, result code and reason of each."""

import sys
from hashlib import sha256

from bench import Lamppost, read, run, send, tell, tree

from firmware.node.update.progress import MAX_STEPS
from firmware.node.update.refusal import UPLOAD_HASH
from protocol import messages

folder = sys.argv[1]
post = Lamppost(read(folder + "/flash.bin"))
post.boot()
before = tree("/flash/slot0")
manager = post.manager()
for name in sys.argv[2:]:
    answer = run(send(manager, read(folder + "/" + name + ".img")))
    tell(
        name,
        manager.code,
        answer["err"]["rc"] if "err" in answer else "taken",
        messages.UPDATE_STATES[manager.state],
        "|",
        manager.reason,
    )
    assert manager.offset == 0
    assert len(manager.image_state()["images"]) == 1
    assert tree("/flash/slot0") == before, "the running slot was touched"
# Rubbish under the SHA-256 of a release, more often than a release has steps, does not bar it.
good = read(folder + "/v2.img")
rubbish = bytearray(good[:32])
rubbish[10:16] = b"\0\0" + (1).to_bytes(4, "little")  # of protected TLVs, and of payload
rubbish = bytes(rubbish + bytes(rubbish[8] | rubbish[9] << 8))
for _ in range(MAX_STEPS + 1):
    first = {"off": 0, "len": len(rubbish), "sha": sha256(good).digest(), "data": rubbish}
    assert "err" in run(manager.upload(first))
    assert manager.code == UPLOAD_HASH, manager.reason
answer = run(send(manager, good))
tell("good", "match" in answer, messages.UPDATE_STATES[manager.state], repr(manager.reason))
