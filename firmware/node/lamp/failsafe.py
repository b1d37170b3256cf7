"""The fail-safe ladder: what the lamp does when it cannot know what it should.

    rung            what is missing                     what the lamp does
    APPLICATION     the application does not run        on, by the hardware and the boot stage
    PHOTOCELL       the clock, not the photocell        full in the dark, off in the light
    CLOCK           the clock, and no photocell         full
    CONFIGURATION   a configuration was never applied   full from dusk to dawn: by the photocell,
                                                        else by the Sun of the default site
    SETTINGS        the configuration makes no sense    full

A rung stands where the program would: whoever overrides the lamp, or looks for it by identify, has
it nonetheless. A dead sensor or meter is on no rung: the light does not depend on them, but for the
photocell, without which the next rung down holds, and presence, see presence.py.

The default site is London. A lamppost elsewhere that has a clock and no configuration follows
London's nights, so it is given its configuration with its identity, when it is set up.
"""

NONE = 0
APPLICATION = 1  # never told by the application, which it has none of
PHOTOCELL = 2
CLOCK = 3
CONFIGURATION = 4
SETTINGS = 5


def rung(usable, configured, clock_set, dark):
    """The rung that holds.

    usable: whether the settings make sense. configured: whether a configuration was ever applied.
    clock_set: whether the time is known. dark: what the photocell says, None without a working one.
    """
    if not usable:
        return SETTINGS
    if not clock_set:
        return CLOCK if dark is None else PHOTOCELL
    return NONE if configured else CONFIGURATION


def level(rung, dark, program):
    """Dimming level in percent on `rung`. program: level of the default program, or None."""
    if dark is not None and rung in (PHOTOCELL, CONFIGURATION):
        return 100 if dark else 0
    if rung == CONFIGURATION and program is not None:
        return program
    return 100
