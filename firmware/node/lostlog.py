"""What stands in for the node's log when flash gives it no folder: lamp and links go on."""

from .epoch import highest
from .log import NodeLog

_ATTEMPTS = 3


def open_log(folder, clock, nvs=None, observer=None):
    """The NodeLog of `folder`, or a LostLog when that cannot be used at all; never an OSError."""
    failure = None
    for _ in range(_ATTEMPTS):
        try:
            return NodeLog(folder, clock, nvs, observer)
        except OSError as error:
            failure = error
    print("log: no folder %s (%s); nothing is recorded until the next start" % (folder, failure))
    return LostLog(folder, nvs, failure)


class LostLog:
    """Takes no record and has none; counts, and says why. The interface is NodeLog's.

    The self-test of a release on trial sees it by `next_seq`, which stays 0.
    """

    def __init__(self, folder, nvs, failure):
        # Not below those used, so that no key that a gateway knows is asked for again.
        self.on_record = None
        self.epoch = highest(folder + "/epoch", nvs, 0) + 1
        self.next_seq = 0
        self.overwritten = 0
        self.failures = 1
        self.damaged = 0
        self.last_failure = "no folder: %s" % failure

    def append(self, kind, *values) -> bool:
        """Count a record that is lost."""
        if self.on_record is not None:
            self.on_record(kind, values)
        self.failures += 1
        self.overwritten += 1
        return False

    def read(self, epoch, sequence, max_bytes):
        """Nothing, at the position of the next record to come, which none will."""
        return self.epoch, self.next_seq, [], 0

    def acknowledge(self, epoch, sequence) -> bool:
        """False: there is no such record."""
        return False
