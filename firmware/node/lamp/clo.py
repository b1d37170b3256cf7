"""From the dimming level that was commanded to the light that is asked of the driver.

A level, in records and messages, is the command: a percentage of the light this lamp is meant to
give (TALQ: feedbackLightCommand). The driver is asked for

    level x lamp/virtual_output x constant light output factor

of its full light, as TALQ's virtualLightOutput has it ("100 % in the light command corresponds to
this value before applying CLO and maintenance factors"). Both factors hold whoever commands.

Constant light output (TALQ cloEnabled and lumenDepreciationCurve, LwM2M 3416 resource 30): LEDs
lose light as they burn, so a lamp is chosen too bright, is held down while it is new, and is given
more as it ages. The curve is a list of [burning hours, percent], straight in between: what 100 %
takes of the driver. It is level before its first point and after its last one. An example of
TALQ's: 0 h 80 %, 5000 h 85 %, 10000 h 90 %, 15000 h 95 %, 20000 h 100 %.

Arc power is logarithmic, so a factor is a distance along it, the same at every level.
"""

from . import dali


def factor(curve, hours):
    """Percent of the driver's light, 1..100, that 100 % takes after `hours` of burning.

    curve: points [hours, percent], hours rising; [] is 100 at any time.
    """
    before = None
    for point in curve:
        if hours <= point[0]:
            if before is None:
                return point[1]
            span = point[0] - before[0]
            way = (point[1] - before[1]) * (hours - before[0])
            return before[1] + (2 * way + span) // (2 * span)
        before = point
    return 100 if before is None else before[1]


def shift(virtual, percent):
    """Steps of arc power down from the command to the driver, for both factors in percent."""
    return 2 * dali.FULL - dali.arc_level(virtual) - dali.arc_level(percent)


def driven(arc, steps):
    """Arc power level for the driver of that commanded; never darker than drivers do well."""
    if not steps or not arc:
        return arc
    return max(arc - steps, min(arc, dali.LOWEST))
