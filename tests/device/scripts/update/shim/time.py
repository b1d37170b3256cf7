"""`time` in which waiting takes no time: boot stage and trial are tested without a clock."""

from utime import *  # noqa: F403

waited_ms = 0


def sleep_ms(ms):
    global waited_ms
    waited_ms += ms
    import machine

    if machine.bites_at is not None and waited_ms > machine.bites_at:
        raise machine.Bitten
