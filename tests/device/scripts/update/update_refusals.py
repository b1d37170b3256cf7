"""Images that are not for this node, or are damaged: code, result code and reason of each."""

import sys

from bench import Lamppost, read, run, send, tell, tree

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
answer = run(send(manager, read(folder + "/v2.img")))
tell("good", "match" in answer, messages.UPDATE_STATES[manager.state], repr(manager.reason))
