"""The chip of the update tests: resets and a patient watchdog end the run by an exception."""

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5

cause = PWRON_RESET
feeds = 0
max_feeds = 3


class Reset(BaseException):
    """The node resets: nothing of the program runs on."""


class Held(BaseException):
    """The watchdog was fed `max_feeds` times: the boot stage is holding the lamp on."""


def reset():
    raise Reset


def reset_cause():
    return cause


class WDT:
    def __init__(self, id=0, timeout=5000):
        self.timeout = timeout

    def feed(self):
        global feeds
        feeds += 1
        if feeds >= max_feeds:
            raise Held
