"""The chip of the update tests: resets and a patient watchdog end the run by an exception."""

import time

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

cause = PWRON_RESET
feeds = 0
max_feeds = 4
# `time.waited_ms` after which the watchdog bites, None while there is none.
bites_at = None


class Reset(BaseException):
    """The node resets: nothing of the program runs on."""


class Bitten(BaseException):
    """The watchdog was not fed in time: the chip resets."""


class Held(BaseException):
    """The watchdog was fed `max_feeds` times: the boot stage is holding the lamp on."""


def reset():
    raise Reset


def reset_cause():
    return cause


class WDT:
    def __init__(self, id=0, timeout=5000):
        self.timeout = timeout
        self.arm()

    def arm(self):
        global bites_at
        bites_at = time.waited_ms + self.timeout

    def feed(self):
        global feeds
        self.arm()
        feeds += 1
        if feeds >= max_feeds:
            raise Held
