"""Fail-safe, burn, presence, the driver's share; prints the name of each behaviour that holds."""

import time

from rig import NIGHT, NOON, Rig, lines, once

from firmware.node.lamp import guide, schedule
from protocol import records

DIMMED = {"lamp/program": [[1, 0, 70], [2, 0, 0]]}
CLOCK_LOST = (records.EVENT_FAIL_SAFE, 3)
NO_CONFIGURATION = (records.EVENT_FAIL_SAFE, 4)
WELL_AGAIN = (records.EVENT_FAIL_SAFE, 0)


class Photocell:
    changed_at = 0

    def __init__(self, dark):
        self.dark = dark


def shown(rig):
    return rig.lamp.level, rig.lamp.reason


def without_a_clock_the_photocell_decides_where_it_works():
    rig = Rig(0, DIMMED)
    cell = rig.lamp.guide.photocell = Photocell(False)
    rig.street(0)
    assert shown(rig) == (0, records.REASON_FAILSAFE)
    assert rig.events == [(records.EVENT_FAIL_SAFE, 2)]
    cell.dark = True
    rig.street(1)
    assert shown(rig) == (100, records.REASON_FAILSAFE)
    cell.dark = False
    rig.street(1)
    assert rig.lamp.level == 0
    cell.dark = None  # it fails
    rig.street(1)
    assert shown(rig) == (100, records.REASON_FAILSAFE)
    assert rig.events[-1] == CLOCK_LOST
    rig.clock.unix_s = NIGHT
    rig.street(1)
    assert shown(rig) == (70, records.REASON_PROGRAM)
    assert rig.events[-1] == WELL_AGAIN


def a_clock_that_is_lost_again_lights_the_lamp_again():
    rig = Rig(NOON, DIMMED)
    rig.street(0)
    assert shown(rig) == (0, records.REASON_PROGRAM)
    assert rig.events == []
    rig.clock.unix_s = 0
    rig.street(1)
    assert shown(rig) == (100, records.REASON_FAILSAFE)
    assert rig.events == [CLOCK_LOST]


def without_a_configuration_it_is_full_from_dusk_to_dawn():
    rig = Rig(NIGHT, {}, version=0)
    rig.street(0)
    assert shown(rig) == (100, records.REASON_FAILSAFE)
    rig.street(12 * 3600)
    assert shown(rig) == (0, records.REASON_FAILSAFE)
    assert rig.events == [NO_CONFIGURATION]
    cell = rig.lamp.guide.photocell = Photocell(True)  # in Sydney, say
    rig.street(1)
    assert shown(rig) == (100, records.REASON_FAILSAFE)
    cell.dark = False
    rig.street(12 * 3600)
    assert shown(rig) == (0, records.REASON_FAILSAFE)
    rig.settings.version = 1
    rig.settings.take(DIMMED)
    rig.street(1)
    assert shown(rig) == (70, records.REASON_PROGRAM)
    assert rig.events == [NO_CONFIGURATION, WELL_AGAIN]


def with_neither_clock_nor_configuration_it_is_on():
    rig = Rig(0, {}, version=0)
    rig.street(86400)
    assert shown(rig) == (100, records.REASON_FAILSAFE)


def settings_that_make_no_sense_are_the_last_rung():
    rig = Rig(NOON, {})
    rig.settings.take({"lamp/fade_ms": "soon"})
    rig.street(0)
    assert shown(rig) == (100, records.REASON_FAILSAFE)
    assert rig.events == [(records.EVENT_FAIL_SAFE, 5)]


def who_commands_has_the_lamp_on_any_rung():
    rig = Rig(0, {})
    rig.lamp.override(20, 60, 7)
    rig.street(0)
    assert shown(rig) == (20, records.REASON_OVERRIDE)
    assert (rig.lamp.why, rig.lamp.override_left) == (7, 60)
    rig.street(59)
    assert rig.lamp.override_left == 1
    rig.street(1)
    assert shown(rig) == (100, records.REASON_FAILSAFE)
    assert (rig.lamp.why, rig.lamp.override_left) == (0, 0)


def the_installer_sees_it_burn_by_day_when_the_power_came():
    rig = Rig(NOON, {"lamp/burn": 90}, powered_on=True)
    rig.street(0)
    assert shown(rig) == (100, records.REASON_DEFAULT)
    assert rig.events == [(records.EVENT_BURN, 90)]
    assert lines == [("relay", 1), ("duty", 65535)], "it never blinked"
    rig.street(89)
    assert rig.lamp.level == 100
    rig.street(1)
    assert shown(rig) == (0, records.REASON_PROGRAM)
    rig.settings.take({"lamp/burn": 3600})
    rig.street(10)
    assert rig.lamp.level == 0, "once"
    assert rig.events == [(records.EVENT_BURN, 90)]


def a_reset_or_a_burn_of_no_time_burns_nothing():
    for values, powered_on in (({"lamp/burn": 0}, True), ({"lamp/burn": 60}, False)):
        rig = Rig(NOON, values, powered_on=powered_on)
        rig.street(0)
        assert shown(rig) == (0, records.REASON_PROGRAM)
        assert rig.events == []


def identify_and_override_end_a_burn():
    rig = Rig(NOON, {"lamp/burn": 600}, powered_on=True)
    rig.street(0)
    rig.lamp.override(0, 10)
    rig.street(0)
    assert shown(rig) == (0, records.REASON_OVERRIDE)
    rig.street(10)
    assert shown(rig) == (0, records.REASON_PROGRAM)
    rig = Rig(NOON, {"lamp/burn": 600}, powered_on=True)
    rig.street(0)
    rig.lamp.identify(2)
    rig.ticks = time.ticks_ms()
    rig.run(6000)
    assert shown(rig) == (0, records.REASON_PROGRAM)


PRESENCE = {
    "lamp/program": [[0, 1080, 90], [0, 1380, 40], [0, 360, 0]],
    "presence/level": 80,
    "presence/idle_level": 50,
    "presence/hold": 60,
    "presence/fade_ms": 500,
}


def presence_lifts_an_idle_lamp_and_lets_it_down_again():
    rig = Rig(NIGHT - 3 * 3600, PRESENCE)  # 21:00, the program has 90 %
    rig.street(0)
    assert shown(rig) == (50, records.REASON_SENSOR)
    rig.lamp.seen()
    assert rig.lamp.sightings == 1
    rig.run(700)
    assert shown(rig) == (80, records.REASON_SENSOR), "up within half a second"
    rig.street(40)
    rig.lamp.seen()
    rig.street(40)
    assert rig.lamp.level == 80, "held from the last time"
    rig.clock.move(20)
    rig.run(700)
    assert 50 < rig.lamp.level < 80, "down as slowly as any"
    rig.street(0)
    assert shown(rig) == (50, records.REASON_SENSOR)


def a_neighbours_message_says_how_long():
    rig = Rig(NIGHT, PRESENCE)  # the program has 40 %
    rig.street(0)
    assert rig.lamp.level == 40
    rig.lamp.near(10)
    rig.lamp.near(5)
    assert rig.lamp.sightings == 0
    rig.street(9)
    assert rig.lamp.level == 80
    rig.settings.take({"presence/level": 70})
    rig.street(0)
    assert rig.lamp.level == 70, "who is near is so under new settings too"
    rig.street(1)
    assert rig.lamp.level == 40


def presence_never_lights_a_lamp_that_the_program_has_off():
    rig = Rig(NOON, PRESENCE)
    rig.lamp.seen()
    rig.street(0)
    rig.lamp.near(3600)
    rig.street(1)
    assert shown(rig) == (0, records.REASON_PROGRAM)


def with_presence_off_nobody_changes_the_light():
    rig = Rig(NIGHT, DIMMED)
    rig.lamp.seen()
    rig.street(1)
    assert shown(rig) == (70, records.REASON_PROGRAM)


def a_lamp_that_would_see_nobody_keeps_to_its_program():
    rig = Rig(NIGHT - 3 * 3600, PRESENCE)
    well = [True]
    rig.lamp.guide.watched = lambda: well[0]
    rig.street(0)
    assert rig.lamp.level == 50
    well[0] = False
    rig.street(1)
    assert shown(rig) == (90, records.REASON_PROGRAM)
    well[0] = True
    rig.street(1)
    assert rig.lamp.level == 50


def presence_says_nothing_on_a_rung_of_the_ladder():
    rig = Rig(0, PRESENCE)
    rig.lamp.seen()
    rig.street(1)
    assert shown(rig) == (100, records.REASON_FAILSAFE)


class Counters:
    minutes = 0


def the_driver_gets_its_share_and_records_say_what_was_commanded():
    curve = [[0, 80], [10000, 90], [20000, 100]]
    rig = Rig(NIGHT, {"lamp/clo": curve, "lamp/virtual_output": 50, "lamp/fitted_at": 2000})
    rig.street(0)
    share = lines[-1][1] * 100 // 65535
    assert 48 <= share <= 52, ("not held down while its age is not known", share)
    counters = rig.lamp.guide.counters = Counters()
    counters.minutes = 2000 * 60
    rig.street(1)
    assert shown(rig) == (100, records.REASON_PROGRAM)
    share = lines[-1][1] * 100 // 65535
    assert 38 <= share <= 42, share
    assert rig.lamp.light == lines[-1][1]
    rig.lamp.override(50, 3600)
    rig.street(0)
    assert rig.changes[-1][2] == 50
    share = lines[-1][1] * 100 // 65535
    assert 18 <= share <= 22, share
    counters.minutes = 22000 * 60
    rig.street(1)
    share = lines[-1][1] * 100 // 65535
    assert 23 <= share <= 27, ("it follows as the hours grow", share)
    assert shown(rig) == (50, records.REASON_OVERRIDE)
    rig.lamp.override(0, 60)
    rig.street(0)
    assert lines[-2:] == [("duty", 0), ("relay", 0)]


def a_listener_that_fails_does_not_disturb_the_light():
    rig = Rig(NIGHT, {})

    def fail(*_):
        raise OSError(5)

    rig.lamp.on_change = fail
    rig.lamp.on_event = fail
    rig.lamp.override(30, 60)
    rig.street(0)
    assert rig.lamp.level == 30
    duties = [value for line, value in lines if line == "duty"]
    assert 65535 not in duties[1:], "it was not put on in between"
    rig.street(60)
    assert rig.lamp.level == 100
    assert rig.lamp.untold == 4


def it_counts_how_often_it_is_switched_on():
    rig = Rig(NIGHT, {}, powered_on=True)
    rig.street(0)
    assert rig.lamp.switch_ons == 1
    for level in (0, 50, 100, 0, 20):
        rig.lamp.override(level, 60)
        rig.street(0)
    assert rig.lamp.switch_ons == 3
    rig = Rig(NIGHT, {})
    rig.street(0)
    assert rig.lamp.switch_ons == 0


def it_is_settled_only_while_its_light_is_steady():
    rig = Rig(NIGHT, {})
    rig.run(10_000)
    assert rig.lamp.settled
    rig.lamp.override(40, 600)
    rig.run(6000)
    assert not rig.lamp.settled, "3 s of ramp and 5 s more"
    rig.run(3000)
    assert rig.lamp.settled
    rig.lamp.identify(60)
    rig.ticks = time.ticks_ms()
    rig.run(20_000)
    assert not rig.lamp.settled
    rig.lamp.identify(0)
    rig.run(20_000)
    assert rig.lamp.settled


def a_look_that_runs_out_of_memory_at_sunset_does_not_leave_the_day_in_force():
    rig = Rig(NOON, {})
    rig.street(0)
    assert shown(rig) == (0, records.REASON_PROGRAM)
    once(schedule, "occurrences")
    rig.clock.move(36 * 3600)  # by then there is a night to be looked up
    rig.fail()
    rig.street(1)
    assert shown(rig) == (100, records.REASON_PROGRAM)


def settings_taken_without_memory_are_taken_once_there_is_some():
    rig = Rig(NOON, {})
    rig.street(0)
    once(guide.configuration, "validate")
    rig.settings.take({"lamp/minimum_level": 20})
    rig.fail()
    rig.street(1)
    assert shown(rig) == (0, records.REASON_PROGRAM)
    assert rig.lamp.guide.minimum == 20


for name, behaviour in sorted(globals().copy().items()):
    if type(behaviour) is type(shown) and "_" in name:
        behaviour()
        print(name)
