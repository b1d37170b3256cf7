"""An update from upload to confirmation, step by step; prints one line per step."""

import sys

from bench import Lamppost, read, run, send, tell

from protocol import messages

folder = sys.argv[1]
v2 = read(folder + "/v2.img")
post = Lamppost(read(folder + "/flash.bin"))
post.boot()
tell("lamp", post.lamp, "runs", post.started[0], "trial", post.started[1].trial)
manager = post.manager()
tell(
    "state",
    messages.UPDATE_STATES[manager.state],
    [i["version"] for i in manager.image_state()["images"]],
)
tell("answer", run(send(manager, v2)) == {"off": len(v2), "match": True})
tell(
    "state",
    messages.UPDATE_STATES[manager.state],
    [i["version"] for i in manager.image_state()["images"]],
)
image_hash = manager.image_state()["images"][1]["hash"]
running = manager.image_state()["images"][0]["hash"]
refused = [
    run(manager.set_state(*wanted))["err"]["rc"]
    for wanted in ((running, False), (bytes(32), False), (image_hash, True), (None, False))
]
tell("test running, test unknown, confirm unseen, neither:", refused)
after = run(manager.set_state(image_hash, False))
tell("pending", [i["pending"] for i in after["images"]], messages.UPDATE_STATES[manager.state])
answer = run(send(manager, read(folder + "/big.img")))
now = manager.image_state()["images"][1]
tell("replaced", now["version"], "pending", now["pending"], messages.UPDATE_STATES[manager.state])
post.power_cycle()
post.boot()
tell("runs", post.started[0], repr(post.started[1].reverted))
manager = post.manager()
assert "match" in run(send(manager, v2))
assert "err" not in run(manager.set_state(image_hash, False))
post.power_cycle()
post.boot()
tell("runs", post.started[0], "trial", post.started[1].trial)
manager = post.manager()
tell("state", messages.UPDATE_STATES[manager.state], "counter", manager.boot.security_counter())
tell("upload while on trial", run(send(manager, read(folder + "/big.img"))))
manager.confirm()
tell("state", messages.UPDATE_STATES[manager.state], "counter", manager.boot.security_counter())
post.power_cycle()
post.boot()
tell("runs", post.started[0], "trial", post.started[1].trial, repr(post.started[1].reverted))
tell("back to the one before", run(post.manager().set_state(running, False))["err"]["rc"])
