"""The trial task: confirms, gives up at the deadline, and clears the count of stops."""

import asyncio
import sys

import machine
from bench import Lamppost, read, run, send, tell

from firmware.node.update import trial
from protocol import messages

folder = sys.argv[1]
trial.POLL_MS = 1
factory = read(folder + "/flash.bin")


def on_trial():
    """A lamppost whose v2 has just been started on trial."""
    post = Lamppost(factory)
    post.boot()
    manager = post.manager()
    run(send(manager, read(folder + "/v2.img")))
    run(manager.set_state(manager.image_state()["images"][1]["hash"], False))
    post.power_cycle()
    post.boot()
    return post, post.manager()


async def supervise(task, until):
    checks = []
    running = asyncio.create_task(task.run(lambda: checks.append(1)))
    while not until() and not running.done():
        await asyncio.sleep_ms(1)
    running.cancel()
    try:
        await running
    except asyncio.CancelledError:
        pass
    assert checks


def tried(self_test, link_proof, timeout):
    post, manager = on_trial()
    try:
        run(
            supervise(
                trial.Trial(manager, self_test, link_proof, timeout), lambda: not manager.boot.trial
            )
        )
        tell("kept", messages.UPDATE_STATES[manager.state])
    except machine.Reset:
        tell("reset")
    post.power_cycle(machine.HARD_RESET)
    post.boot()
    tell("runs", post.started[0], "|", post.started[1].reverted)
    tell("state", messages.UPDATE_STATES[post.manager().state], "|", post.manager().reason)


asks = [0]


def heard_at_third():
    asks[0] += 1
    return asks[0] == 3


def broken():
    raise KeyError("lamp")


tell("- well")
tried(lambda: "", heard_at_third, 3600)
tell("- deaf")
tried(lambda: "", lambda: False, 0)
tell("- ill")
tried(lambda: "lamp task restarts", lambda: True, lambda: 0)
tell("- raises")
tried(broken, lambda: True, 0)

tell("- settles")
post = Lamppost(factory)
post.behave = lambda version, boot: 1 // 0
post.boot()
post.power_cycle()
post.behave = None
post.boot()
manager = post.manager()
tell("stops", manager.boot._state["stops"])
trial.SETTLE_S = 0
kept = []


def ill_at_first():
    kept.append(manager.boot._state["stops"])
    return "" if len(kept) > 20 else "the lamp's task does not run"


run(
    supervise(
        trial.Trial(manager, ill_at_first, lambda: False, 0),
        lambda: not manager.boot._state["stops"],
    )
)
assert kept == [kept[0]] * 21, "an ill application keeps its count"
assert kept[0]
tell("stops", manager.boot._state["stops"])
