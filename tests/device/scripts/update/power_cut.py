"""The power goes at each write of an update, cleanly or halfway, and again while it recovers.

Arguments: folder, "confirm" or "revert", "clean" or "torn". Prints the number of cut points.
"""

import sys

from bench import Lamppost, PowerCut, read, run, send, tell

folder, goal, how = sys.argv[1:4]
V1 = "1.0.0"
V2 = "2.0.0"
image = read(folder + "/v2.img")
factory = read(folder + "/flash.bin")


def boot(post):
    post.boot()
    assert post.lamp, "the lamp is dark"
    assert not post.held, "the boot stage holds"
    assert post.started is not None, "no application was started"
    if post.started[1].trial:
        assert post.marked, "a trial was started twice"
        post.marked = False
    return post.started


def update(post):
    """Node, gateway and resets until the goal is reached; may be begun at any point."""
    for _ in range(8):
        version, state = boot(post)
        manager = post.manager()
        if version == V1:
            if post.tried and goal == "revert":
                assert not state.trial
                assert state.reverted
                return
            stored = [i["hash"] for i in manager.image_state()["images"] if i["version"] == V2]
            if not stored:
                answer = run(send(manager, image, 4096))
                assert answer == {"off": len(image), "match": True}, answer
                stored = [i["hash"] for i in manager.image_state()["images"] if i["version"] == V2]
            post.marked = True
            assert "err" not in run(manager.set_state(stored[0], False))
        elif not state.trial:
            assert goal == "confirm", "an image that gave up its trial was kept"
            assert manager.boot.security_counter() == 4
            return
        else:
            post.tried = True
            if goal == "confirm":
                manager.confirm()
                post.confirmed = True
            else:
                manager.give_up("as told")
        post.power_cycle()
    raise AssertionError("the update does not come to an end")


def cut_at(count, again=-1):
    """One run with the power cut at write `count`, and at write `again` of the boot after it.

    Writes that the boot after the first cut made, None when `count` was never reached.
    """
    post = Lamppost(factory)
    post.tried = False
    post.confirmed = False
    post.marked = False
    post.flash.torn = how == "torn"
    post.flash.left = count
    try:
        update(post)
        return None
    except (PowerCut, OSError, AssertionError):
        # Closing a file on the dead flash puts an OSError in the place of the PowerCut.
        if not post.flash.dead:
            raise
    post.power_cycle()
    if again >= 0:
        post.flash.torn = how == "torn"
        post.flash.left = again
        try:
            post.boot()
            raise AssertionError("there was no second cut")
        except PowerCut:
            assert post.lamp
        if post.started is not None and post.started[1].trial:
            post.marked = False
        post.power_cycle()
    version, state = boot(post)
    written = post.flash.writes
    assert version == V2 or not post.confirmed, "a confirmed image is lost"
    if state.trial:
        post.tried = True
    post.power_cycle()
    update(post)
    return written


points = 0
seconds = 0
while True:
    written = cut_at(points)
    if written is None:
        break
    for again in range(written):
        cut_at(points, again)
    seconds += written
    points += 1
tell("cut points", points, "second cuts", seconds)
