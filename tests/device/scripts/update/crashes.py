"""What a life of the node leaves in the RTC's memory, and what the next one makes of it."""

import os
import sys

import machine
from bench import Lamppost, read, run, send
from bootstage import crumb as crumbs
from bootstage import slotstate

from firmware.node.crash import Lives
from firmware.node.log import NodeLog
from firmware.node.update.trial import Trial
from protocol import messages, records

factory = read(sys.argv[1] + "/flash.bin")
TRACEBACK = "Traceback (most recent call last):"


class Rtc:
    """Its memory outlives every reset but the loss of power, which `power_lost` plays."""

    kept = b""
    broken = False

    def memory(self, data=None):
        if Rtc.broken:
            raise OSError(5)
        if data is None:
            return Rtc.kept
        assert len(data) <= 2048
        Rtc.kept = bytes(data)
        return None


machine.RTC = Rtc


class Clock:
    def stamp(self):
        return 1_800_000_000


def power_lost(post):
    Rtc.kept = b""
    return again(post, machine.PWRON_RESET)


def again(post, cause):
    """The next start; its Boot."""
    post.power_cycle(cause)
    post.boot()
    assert post.lamp, "the lamp is dark"
    return post.started[1]


def fresh():
    Rtc.kept = b""
    Rtc.broken = False
    post = Lamppost(factory)
    post.boot()
    return post


def stops(boot):
    return boot._state["stops"]


def raising(text):
    def behave(version, boot):
        boot.crumb.tick(5)
        raise RuntimeError(text)

    return behave


def test_an_exception_leaves_its_traceback_and_is_counted_once():
    post = fresh()
    post.behave = raising("no lamp")
    again(post, machine.PWRON_RESET)
    post.behave = None
    boot = again(post, machine.HARD_RESET)
    assert (boot.cause, boot.crashed, stops(boot)) == (crumbs.CRASH, True, 1)
    text = boot.last_crash()
    assert text.startswith(TRACEBACK), text
    assert "app" in text, text
    assert text.endswith("RuntimeError: no lamp\n"), text
    # Until somebody has read it, power cuts and all; the stop stays one.
    boot = power_lost(post)
    assert (boot.cause, boot.crashed, stops(boot)) == (crumbs.POWER_ON, False, 1)
    assert boot.last_crash() == text
    boot.clear_crash()
    assert boot.last_crash() == ""
    assert again(post, machine.PWRON_RESET).last_crash() == ""


def test_a_watchdog_that_bites_is_a_stop_and_says_what_was_known():
    post = fresh()
    post.started[1].crumb.tick(17)
    boot = again(post, machine.WDT_RESET)
    assert (boot.cause, boot.crashed, stops(boot)) == (crumbs.WATCHDOG, True, 1)
    assert boot.last_crash() == "watchdog after 17 s"
    boot.crumb.note("task bus hangs and cannot be cancelled")
    boot.crumb.note("watchdog not fed")
    boot = again(post, machine.WDT_RESET)
    assert boot.last_crash() == "task bus hangs and cannot be cancelled", "the first word stays"
    boot.crumb.note("task air hangs and cannot be cancelled")
    boot.crumb.forget()
    boot.crumb.tick(99)
    assert again(post, machine.WDT_RESET).last_crash() == "watchdog after 99 s"


def test_a_panic_is_told_from_a_reset_that_is_meant():
    post = fresh()
    post.started[1].crumb.tick(8)
    boot = again(post, machine.HARD_RESET)
    assert (boot.cause, boot.last_crash(), stops(boot)) == (crumbs.CRASH, "crash after 8 s", 1)
    boot.clear_crash()
    try:
        boot.reset()
    except machine.Reset:
        pass
    boot = again(post, machine.HARD_RESET)
    assert (boot.cause, boot.crashed, boot.last_crash(), stops(boot)) == (crumbs.HARD, False, "", 1)
    boot = again(post, machine.SOFT_RESET)
    assert (boot.cause, boot.crashed) == (crumbs.SOFT, False)


def test_a_brown_out_is_told_from_the_loss_of_power():
    post = fresh()
    assert post.started[1].cause == crumbs.POWER_ON
    boot = again(post, machine.PWRON_RESET)
    assert (boot.cause, boot.crashed, stops(boot)) == (crumbs.BROWN_OUT, False, 0)
    assert power_lost(post).cause == crumbs.POWER_ON


def test_whatever_is_in_the_memory_of_the_rtc_the_node_starts():
    post = fresh()
    post.started[1].crumb.note("x" * 40)
    whole = Rtc.kept
    for index in range(len(whole)):
        rotten = bytearray(whole)
        rotten[index] ^= 0x10
        Rtc.kept = bytes(rotten)
        boot = again(post, machine.WDT_RESET)
        assert boot.cause == crumbs.WATCHDOG
        assert boot.last_crash().startswith("watchdog after"), (index, boot.last_crash())
    for junk in (b"", b"LmC1", whole[:30], bytes(2048), b"\xff" * 2048, whole + whole):
        Rtc.kept = junk
        assert again(post, machine.WDT_RESET).last_crash() == "watchdog after 0 s"
    Rtc.broken = True
    boot = again(post, machine.WDT_RESET)
    assert boot.last_crash() == "watchdog after 0 s"
    boot.crumb.note("nowhere to go")
    Rtc.broken = False
    rtc = machine.RTC
    del machine.RTC
    boot = again(post, machine.HARD_RESET)
    machine.RTC = rtc
    assert boot.cause == crumbs.HARD, "without a crumb a panic cannot be told"


def test_a_long_text_keeps_its_end_in_whole_characters():
    post = fresh()
    text = "é" * 500 + "the end"
    post.started[1].crumb.note(text)
    boot = again(post, machine.WDT_RESET)
    kept = boot.last_crash()
    assert text.endswith(kept), kept
    assert 598 <= len(kept.encode()) <= 600


def test_a_flash_that_takes_nothing_does_not_keep_the_crash_from_being_told():
    post = fresh()
    store = sys.modules["bootstage.store"]
    write = store.write

    def full(path, data):
        raise OSError(28)

    store.write = full
    try:
        boot = again(post, machine.WDT_RESET)
        assert boot.last_crash() == "watchdog after 0 s"
    finally:
        store.write = write
    assert again(post, machine.SOFT_RESET).last_crash() == "", "it was known in that life alone"


STOPS = slotstate.MAX_STOPS


def safe_post():
    """A lamppost with one slot that has come to safe mode, its last start in it."""
    post = fresh()
    seen = [again(post, machine.WDT_RESET).safe for _ in range(STOPS)]
    assert seen == [0] * (STOPS - 1) + [STOPS], seen
    return post


def test_safe_mode_is_for_when_the_other_slot_does_not_run_either():
    post = fresh()
    manager = post.manager()
    run(send(manager, read(sys.argv[1] + "/v2.img")))
    run(manager.set_state(manager.image_state()["images"][1]["hash"], False))
    again(post, machine.HARD_RESET).confirm()
    seen = []
    for _ in range(2 * STOPS):
        boot = again(post, machine.WDT_RESET)
        seen.append((post.started[0][0], boot.safe))
    first, second = [("2", 0)] * (STOPS - 1), [("1", 0)] * STOPS
    assert seen == first + second + [("2", slotstate.SAFE_STOPS)], seen


def test_too_many_stops_lead_to_safe_mode_which_lasts_until_it_is_left():
    post = safe_post()
    boot = power_lost(post)
    assert boot.safe == STOPS
    boot = again(post, machine.WDT_RESET)
    assert boot.safe == STOPS, "a stop in safe mode changes nothing"
    boot.leave_safe()
    boot = again(post, machine.HARD_RESET)
    assert boot.safe == 0
    assert again(post, machine.WDT_RESET).safe == slotstate.SAFE_STOPS, "two more lead back"


def test_well_being_in_safe_mode_proves_nothing_of_the_rest():
    post = safe_post()
    boot = post.started[1]
    boot.confirm()
    assert stops(boot) == STOPS
    assert power_lost(post).safe == STOPS


def test_safe_mode_takes_an_update_that_ends_it():
    post = safe_post()
    manager = post.manager()
    assert run(send(manager, read(sys.argv[1] + "/v2.img")))["match"]
    run(manager.set_state(manager.image_state()["images"][1]["hash"], False))
    boot = again(post, machine.HARD_RESET)
    assert (post.started[0], boot.trial, boot.safe) == ("2.0.0", True, 0)
    # One that fails leads back, to the slot and to safe mode.
    boot = again(post, machine.WDT_RESET)
    assert (post.started[0], boot.trial, boot.safe) == ("1.0.0", False, STOPS)
    run(post.manager().set_state(boot.slots()[1]["hash"], False))
    boot = again(post, machine.HARD_RESET)
    assert Trial(post.manager(), lambda: "", lambda: True, 60).missing() == ""
    boot.confirm()
    boot = power_lost(post)
    assert (post.started[0], boot.trial, boot.safe, stops(boot)) == ("2.0.0", False, 0, 0)


class Request:
    writes = False
    body = {}
    sealed = 0

    def require_seal(self):
        self.sealed += 1


def lives_of(post, resets):
    boot = post.started[1]
    lives = Lives(boot, NodeLog(boot.root + "/log", Clock(), None), resets.append)
    lives.start()
    return lives


def told(lives, kind):
    found = []
    position = (0, 0)
    while True:
        epoch, first, bodies, _ = lives._log.read(position[0], position[1], 1000)
        if not bodies:
            return found
        found += [values for of, _, values in map(records.decode, bodies) if of == kind]
        position = (epoch, first + len(bodies))


def test_starts_are_counted_by_cause_and_the_last_crash_is_asked_for():
    post = fresh()
    resets = []
    lives = lives_of(post, resets)
    for cause in (machine.PWRON_RESET, machine.WDT_RESET, machine.HARD_RESET, machine.SOFT_RESET):
        again(post, cause)
        lives = lives_of(post, resets)
    post.started[1].crumb.note("task lamp hangs and cannot be cancelled")
    again(post, machine.WDT_RESET)
    lives = lives_of(post, resets)
    # Power-on, brown-out, hard, watchdog, soft, crash.
    assert lives.counts == [1, 1, 0, 2, 1, 1], lives.counts
    counted = told(lives, records.RESETS)
    assert counted[-1] == (1, 1, 0, 2, 1, 1)
    assert [sum(counts) for counts in counted] == [1, 2, 3, 4, 5, 6]
    request = Request()
    text, crc, crashes, safe = messages.parse_crash_reply(lives.handle(request))
    assert (text, crashes, safe) == ("task lamp hangs and cannot be cancelled", 1, 0)
    events = told(lives, records.EVENT)
    assert events[-1] == (records.EVENT_CRASHED, crc), events
    assert request.sealed == 0, "anybody may ask"
    request.writes = True
    request.body = messages.crash_request(clear=True)
    assert messages.parse_crash_reply(lives.handle(request))[0] == ""
    assert request.sealed == 1
    assert resets == []
    assert again(post, machine.SOFT_RESET).last_crash() == ""


def test_safe_mode_is_told_and_left_on_request():
    post = safe_post()
    resets = []
    lives = lives_of(post, resets)
    events = told(lives, records.EVENT)
    assert (records.EVENT_SAFE_MODE, STOPS) in events, events
    request = Request()
    request.writes = True
    request.body = messages.crash_request(leave=True)
    reply = messages.parse_crash_reply(lives.handle(request))
    assert reply[3] == STOPS
    assert (resets, request.sealed) == ([1000], 1)
    assert again(post, machine.HARD_RESET).safe == 0


def test_counts_that_rotted_or_cannot_be_kept_begin_anew():
    post = fresh()
    lives = lives_of(post, [])
    for damage in (b"", b"\xff" * 28, bytes(28), bytes(5000)):
        with open("/flash/resets", "wb") as file:
            file.write(damage)
        again(post, machine.SOFT_RESET)
        lives = lives_of(post, [])
        assert lives.counts == [0, 0, 0, 0, 1, 0], lives.counts
    os.remove("/flash/resets")
    os.mkdir("/flash/resets")
    again(post, machine.SOFT_RESET)
    lives = lives_of(post, [])
    assert told(lives, records.RESETS)[-1] == (0, 0, 0, 0, 1, 0), "told all the same"


count = 0
for name, value in sorted(globals().items(), key=lambda item: item[0]):
    if name.startswith("test_"):
        value()
        count += 1
print("> passed", count)
