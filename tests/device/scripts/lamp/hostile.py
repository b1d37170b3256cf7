"""Valid and absurd configurations, under a clock that jumps; prints how many were lived through.

argv: seed. Whatever is asked, no step fails, the lines get what they can take, a lit lamp is at its
minimum at least, and the relay feeds it.
"""

import random
import sys

from rig import Rig, lines

from protocol import configuration, records

CONFIGURATIONS = 100
FIRST, LAST = 1_735_689_600, 4_102_444_799  # what a clock believes
SECTIONS = ("site", "lamp", "presence", "photocell")


class Photocell:
    def __init__(self):
        self.dark = None
        self.changed_at = 0


def edge(low, high):
    return random.choice((low, high, random.randint(low, high)))


def moment():
    """Any time that a clock believes; in days and seconds, which fit a machine word."""
    return FIRST + 86400 * random.randint(0, (LAST - FIRST) // 86400) + random.randint(0, 86399)


def program(least=0):
    controls = []
    same = random.randint(0, 1439)
    for _ in range(edge(least, configuration.MAX_CONTROLS)):
        kind = edge(0, len(configuration.CONTROLS) - 1)
        minutes = 0
        if kind == configuration.FIXED_TIME:
            minutes = random.choice((same, edge(0, 1439)))
        elif kind < configuration.PHOTOCELL_ON:
            minutes = edge(-configuration.MAX_OFFSET, configuration.MAX_OFFSET)
        controls.append([kind, minutes, edge(0, 100)])
    return controls


def calendar(programs):
    rules = []
    for _ in range(edge(0, configuration.MAX_RULES)):
        start, end = edge(101, 131), edge(1201, 1231)
        if random.getrandbits(1):
            start, end = end, start
        rules.append([edge(1, 127), start, end, edge(0, programs)])
    return rules


def curve():
    hours = sorted({edge(0, configuration.MAX_HOURS) for _ in range(edge(0, 8))})
    return [[hour, edge(1, 100)] for hour in hours]


def drawn():
    values = {}
    for name, kind, _, low, high, _, _ in configuration.FIELDS:
        if name.split("/")[0] in SECTIONS and kind == configuration.INTEGER:
            values[name] = edge(low, high)
    # Ramps of a minute are as ramps of half a second, and take longer to watch.
    values["lamp/fade_ms"], values["presence/fade_ms"] = edge(0, 500), edge(0, 500)
    values["lamp/program"] = program()
    values["lamp/programs"] = [program(1) for _ in range(edge(0, configuration.MAX_PROGRAMS))]
    values["lamp/calendar"] = calendar(len(values["lamp/programs"]))
    values["lamp/clo"] = curve()
    values["photocell/off_lux"] = values["photocell/on_lux"] + 1
    if configuration.validate(values):
        values["photocell/on_lux"], values["photocell/off_lux"] = 35, 70
    assert configuration.validate(values) == [], configuration.validate(values)
    return values


def live(values):
    rig = Rig(random.choice((0, FIRST, LAST, moment())), values)
    cell = rig.lamp.guide.photocell = random.choice((None, Photocell()))
    fed = duty = None
    for _ in range(40):
        chance = random.randint(0, 9)
        if chance == 0:
            rig.clock.unix_s = random.choice((0, FIRST, LAST, moment()))
        elif chance == 1:
            rig.lamp.override(random.choice((None, 0, 1, 100)), edge(1, 604800))
        elif chance == 2:
            rig.lamp.near(edge(0, 3600))
        elif chance == 3 and cell is not None:
            cell.dark = random.choice((True, False, None))
            cell.changed_at = rig.clock.unix_s
        elif chance == 4:
            rig.settings.take(drawn())
        rig.clock.move(edge(1, 40_000))
        if rig.clock.unix_s > LAST:
            rig.clock.unix_s = 0
        rig.run(700)  # longer than any ramp
        for line, value in lines:
            if line == "relay":
                fed = value
                assert value or duty == 0, "opened under current"
            else:
                duty = value
        lines.clear()
        lamp = rig.lamp
        assert lamp.faults == 0
        assert 0 <= lamp.reason <= records.REASON_FAILSAFE
        assert lamp.level == lamp.wanted
        assert lamp.level == 0 or lamp.level >= rig.settings.values["lamp/minimum_level"]
        assert bool(fed) == bool(duty) == (lamp.level > 0), (fed, duty, lamp.level)


random.seed(int(sys.argv[1]))
for _ in range(CONFIGURATIONS):
    live(drawn())
print(CONFIGURATIONS)
