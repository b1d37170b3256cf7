"""The lamp's service under the real interpreter; prints the name of each behaviour that holds."""

import asyncio
import time

from rig import NIGHT, NOON, Pin, Pwm, Rig, lines

from firmware.node.lamp.output import Output
from protocol import configuration, records


def the_lamp_is_on_and_full_before_anything_else():
    lines.clear()
    Output(Pwm(), Pin())
    assert lines == [("relay", 1), ("duty", 65535)], lines


def with_the_clock_unset_it_is_full_on_whatever_the_settings_say():
    rig = Rig(0, {"lamp/default_level": 20, "lamp/program": [[0, 0, 5]]})
    rig.run(10000)
    assert (rig.lamp.level, rig.lamp.wanted) == (100, 100)
    assert rig.lamp.reason == records.REASON_FAILSAFE
    assert lines == [("relay", 1), ("duty", 65535)]
    assert rig.changes == [(100, records.REASON_FAILSAFE, 100)]


def by_day_it_ramps_down_and_only_then_opens_the_relay():
    rig = Rig(NOON, {})
    rig.run(2900)
    assert 0 < rig.lamp.level < 100
    assert rig.lamp.wanted == 0
    assert ("relay", 0) not in lines
    rig.run(300)
    assert lines[-2:] == [("duty", 0), ("relay", 0)], lines[-3:]
    duties = [value for line, value in lines if line == "duty"]
    assert duties == sorted(duties, reverse=True)
    assert len(duties) > 100  # soft: 3 s in steps of 20 ms
    assert (rig.lamp.level, rig.lamp.reason) == (0, records.REASON_PROGRAM)


def at_sunset_it_closes_the_relay_before_it_ramps_up():
    rig = Rig(NOON, {})
    rig.run(4000)
    before = len(lines)
    rig.street(12 * 3600 - 60)
    assert lines[before] == ("relay", 1)
    duties = [value for line, value in lines[before:] if line == "duty"]
    assert duties == sorted(duties)
    assert duties[0] < 1000
    assert duties[-1] == 65535
    assert rig.changes[-1] == (0, records.REASON_PROGRAM, 100)


def an_override_holds_until_it_expires_and_then_the_program_has_the_lamp():
    rig = Rig(NIGHT, {})
    rig.run(4000)
    rig.lamp.override(30, 600)
    rig.street(0)
    assert (rig.lamp.level, rig.lamp.reason) == (30, records.REASON_OVERRIDE)
    rig.street(599)
    assert rig.lamp.level == 30
    rig.street(1)
    assert (rig.lamp.level, rig.lamp.reason) == (100, records.REASON_PROGRAM)
    assert rig.events == [
        (records.EVENT_OVERRIDE_SET, 30),
        (records.EVENT_OVERRIDE_ENDED, 30),
    ]


def an_override_can_be_cancelled_and_renewed():
    rig = Rig(NIGHT, {})
    rig.lamp.override(30, 600)
    rig.lamp.override(50, 10)
    rig.street(0)
    assert rig.lamp.level == 50
    rig.lamp.override(None, 0)
    rig.lamp.override(None, 0)
    rig.street(0)
    assert rig.lamp.level == 100
    assert len(rig.events) == 3


def an_override_out_of_range_is_refused_and_changes_nothing():
    rig = Rig(NIGHT, {})
    for level, seconds in ((101, 60), (-1, 60), (50, 0), (50, 604801)):
        try:
            rig.lamp.override(level, seconds)
        except ValueError:
            pass
        else:
            raise AssertionError((level, seconds))
    rig.street(0)
    assert rig.lamp.reason == records.REASON_PROGRAM


def an_override_keeps_its_time_when_the_clock_is_set_meanwhile():
    rig = Rig(0, {})
    rig.lamp.override(40, 100)
    rig.street(50)
    rig.clock.unix_s = NIGHT
    rig.street(49)
    assert rig.lamp.level == 40
    rig.street(1)
    assert rig.lamp.level == 100


def an_override_over_the_change_of_clocks_lasts_its_seconds():
    # From 00:30 UTC, half an hour before clocks go back or forth, to an hour later.
    for now in (1_792_888_200, 1_774_744_200):
        rig = Rig(now, {"site/dst": 1, "lamp/program": [[0, 720, 70]]})
        rig.lamp.override(20, 3600)
        rig.street(3599)
        assert rig.lamp.level == 20
        rig.street(1)
        assert (rig.lamp.level, rig.lamp.reason) == (70, records.REASON_PROGRAM)


def no_lit_level_is_below_the_minimum_and_dark_stays_dark():
    rig = Rig(NIGHT, {"lamp/minimum_level": 25})
    rig.lamp.override(5, 600)
    rig.street(0)
    assert (rig.lamp.level, rig.lamp.wanted) == (25, 25)
    rig.lamp.override(0, 600)
    rig.street(0)
    assert rig.lamp.level == 0


def fail_safe_is_above_an_override_and_presence_below_it():
    rig = Rig(NIGHT, {"lamp/program": [[0, 0, 30]], "presence/level": 80})
    rig.street(0)
    assert (rig.lamp.level, rig.lamp.reason) == (30, records.REASON_SENSOR)
    rig.lamp.seen()
    rig.street(0)
    assert (rig.lamp.level, rig.lamp.reason) == (80, records.REASON_SENSOR)
    rig.lamp.override(50, 600)
    rig.street(0)
    assert (rig.lamp.level, rig.lamp.reason) == (50, records.REASON_OVERRIDE)
    rig.lamp.fail_safe(100)
    rig.street(0)
    assert (rig.lamp.level, rig.lamp.reason) == (100, records.REASON_FAILSAFE)
    rig.lamp.fail_safe(None)
    rig.street(60)
    assert rig.lamp.level == 50
    rig.street(600)
    assert (rig.lamp.level, rig.lamp.reason) == (30, records.REASON_SENSOR)


def night(passes):
    """(what is told, levels seen as told each half minute) with somebody near at `passes` (s)."""
    program = [[0, 0, 100], [0, 60, 30], [0, 120, 0], [0, 180, 60]]
    rig = Rig(NIGHT, {"lamp/program": program, "presence/level": 80, "presence/idle_level": 50})
    rig.street(0)
    shown = []
    lit = set()
    for second in range(0, 4 * 3600, 30):
        if second in passes:
            rig.lamp.seen()
        if second == 9000:
            rig.lamp.override(20, 600)
        rig.street(30)
        shown.append(rig.lamp.told)
        lit.add(rig.lamp.level)
    return rig.changes, shown, lit


def what_is_told_of_a_night_does_not_depend_on_who_walked_by():
    changes, shown, lit = night(())
    assert [wanted for _, _, wanted in changes] == [50, 30, 0, 20, 0, 50]
    assert 80 not in lit
    # By day's end of a step, across others, across an override, and all night long.
    for passes in ((0,), (600, 3570, 3600), (7140, 8970, 10770), range(0, 4 * 3600, 30)):
        with_people = night(passes)
        assert with_people[:2] == (changes, shown), passes
        assert 80 in with_people[2], "the light itself went up for them"


def identify_blinks_and_ends_by_itself_without_ever_going_dark():
    rig = Rig(NOON, {})
    rig.run(4000)
    rig.lamp.identify(10**9)
    before = len(lines)
    rig.ticks = time.ticks_ms()  # identify() took its start from there
    rig.run(10_000)
    assert rig.lamp.reason == records.REASON_IDENTIFY
    duties = [value for line, value in lines[before:] if line == "duty"]
    assert 18 <= len(duties) <= 22, duties
    assert set(duties) == {65535, duties[1]}
    assert duties[1] > 6000
    for _ in range(10):
        assert rig.lamp.reason == records.REASON_IDENTIFY
        lines.clear()
        rig.run(60_000)
    assert (rig.lamp.level, rig.lamp.reason) == (0, records.REASON_PROGRAM)
    rig.lamp.identify(60)
    rig.ticks = time.ticks_ms()
    rig.run(1000)
    rig.lamp.identify(0)
    rig.run(4000)
    assert rig.lamp.level == 0


def settings_that_make_no_sense_leave_it_full_on_and_are_counted_once():
    broken = (
        {"lamp/program": "nonsense"},
        {"lamp/program": [[9, 9, 9]]},
        {"lamp/program": None},
        {"lamp/minimum_level": "x"},
        {"site/latitude": 10**9},
        {"lamp/fade_ms": -1},
    )
    for values in broken:
        rig = Rig(NOON, {})
        rig.run(4000)
        assert rig.lamp.level == 0
        rig.settings.take(values)
        rig.run(4000)
        assert (rig.lamp.level, rig.lamp.faults) == (100, 1), values
        rig.settings.values = configuration.effective({})
        rig.run(4000)
        assert (rig.lamp.level, rig.lamp.faults) == (0, 1)
    rig = Rig(NOON, {})
    rig.settings.values = None
    rig.run(100)
    assert (rig.lamp.level, rig.lamp.faults) == (100, 1)


def a_new_program_is_followed_at_once():
    rig = Rig(NIGHT, {})
    rig.run(4000)
    rig.settings.take({"lamp/program": [[0, 0, 60]]})
    rig.run(4000)
    assert rig.lamp.level == 60


def a_change_during_a_ramp_goes_on_from_where_the_light_is():
    rig = Rig(NIGHT, {"lamp/fade_ms": 10_000})
    rig.run(100)
    rig.lamp.override(10, 600)
    rig.run(5000)
    here = rig.lamp.level
    assert 10 < here < 100
    before = len(lines)
    rig.lamp.override(100, 600)
    rig.run(100)
    assert abs(rig.lamp.level - here) <= 2
    rig.run(11_000)
    duties = [value for line, value in lines[before:] if line == "duty"]
    assert duties == sorted(duties)
    assert rig.lamp.level == 100


def a_ramp_survives_the_wrap_of_the_millisecond_counter():
    last = time.ticks_add(0, -1)
    rig = Rig(NOON, {}, ticks=time.ticks_add(last, -1000))
    rig.run(4000)
    assert rig.lamp.level == 0
    assert lines[-1] == ("relay", 0)


def a_year_of_nights_is_followed_with_every_link_dead():
    rig = Rig(NIGHT, {"site/latitude": 515074, "site/dst": 1, "lamp/fade_ms": 0})
    switches = 0
    was = None
    lit = 0
    for _ in range(365 * 24):
        rig.clock.move(3600)
        rig.ticks = time.ticks_add(rig.ticks, 100)
        rig.lamp.step(rig.ticks)
        rig.lamp.step(rig.ticks)
        lit += rig.lamp.level == 100
        if rig.lamp.level != was:
            switches += 1
            was = rig.lamp.level
        if len(lines) > 50:
            del lines[:]
            rig.changes.clear()
    assert 729 <= switches <= 732, switches
    assert 4150 < lit < 4320, lit  # London: the lamp burns some 4,230 h a year
    assert rig.lamp.faults == 0


def a_step_that_fails_leaves_it_full_on_until_one_succeeds():
    rig = Rig(NOON, {"lamp/fade_ms": 0})
    rig.run(1000)
    assert lines[-2:] == [("duty", 0), ("relay", 0)]
    now = rig.clock.now

    def fail():
        raise MemoryError

    def attempt():
        async def main():
            task = asyncio.create_task(rig.lamp.run(lambda: None))
            await asyncio.sleep_ms(50)
            task.cancel()
            await task

        try:
            asyncio.run(main())
        except (MemoryError, asyncio.CancelledError) as error:
            return type(error)

    rig.clock.now = fail
    for _ in range(3):
        lines.clear()
        assert attempt() is MemoryError, "the supervisor has to know"
        assert lines == [("relay", 1), ("duty", 65535)], "whatever was believed before"
        assert rig.lamp.level == 100
    rig.clock.now = now
    told = list(rig.changes)
    assert attempt() is asyncio.CancelledError
    assert lines[-2:] == [("duty", 0), ("relay", 0)], "the program has it again"
    assert (rig.lamp.level, rig.lamp.reason) == (0, records.REASON_PROGRAM)
    assert rig.changes == told


def its_task_keeps_checking_in():
    rig = Rig(NOON, {"lamp/fade_ms": 100})
    calls = []

    async def main():
        task = asyncio.create_task(rig.lamp.run(lambda: calls.append(1)))
        await asyncio.sleep_ms(600)
        task.cancel()

    asyncio.run(main())
    assert len(calls) > 5
    assert rig.lamp.level == 0
    assert lines[-1] == ("relay", 0)


for name, behaviour in sorted(globals().copy().items()):
    if type(behaviour) is type(the_lamp_is_on_and_full_before_anything_else) and "_" in name:
        behaviour()
        print(name)
