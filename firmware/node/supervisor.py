"""Keeps the node's tasks alive, and feeds the watchdog only while it succeeds.

A task that ends, whether by an exception or not, is begun again after a pause that doubles each
time; one that does not check in is cancelled first. Waiting for its turn a task does not hold up
the watchdog: a dead sensor must not restart a lamppost. One that cannot even be cancelled does, and
so does one the node is of no use without, once it has failed too often in a row: the boot stage
counts the watchdog's resets, and in the end takes the other slot.

All is machine time: `time.ticks_ms`, compared by `ticks_diff`.
"""

import asyncio
import gc
import sys
import time

from protocol import records

STEP_MS = 500
LIMIT_MS = 15_000
_FIRST_PAUSE_MS = 1000
_LONGEST_PAUSE_MS = 60_000
# A task that ran so long has proved itself: its next failure is the first again.
_PROVEN_MS = 120_000
# One that ran so long is well again.
_SETTLED_MS = 10_000


class Supervisor:
    """Begins the tasks of a node, begins them again, and feeds the watchdog while they are well.

    log: NodeLog or None. watchdog: `machine.WDT`, or None. crumb: told what keeps the watchdog
    from being fed, so that it is known after the reset; or None.

    restarts: tasks begun again since start. last_failure: name and failure of the newest.
    """

    def __init__(self, log=None, watchdog=None, crumb=None):
        self.log = log
        self._watchdog = watchdog
        self._crumb = crumb
        self._noted = False
        self._entries = []
        self.restarts = 0
        self.last_failure = ""

    def add(
        self,
        name,
        make,
        limit_ms=LIMIT_MS,
        longest_pause_ms=_LONGEST_PAUSE_MS,
        most_failures=None,
    ):
        """Supervise a task from now on.

        make: called at each beginning, gives an object with `async run(check_in)`; what it raises
        counts as a failure of the task. limit_ms: longest time without check-in. most_failures:
        after so many in a row, none of them 10 s after its beginning, the watchdog is fed no more
        until the task has run for that time; None for any number.
        """
        index = len(self._entries)
        self._entries.append(_Entry(index, name, make, limit_ms, longest_pause_ms, most_failures))

    def has(self, name) -> bool:
        """Whether a task `name` was added."""
        return any(entry.name == name for entry in self._entries)

    def is_well(self, name) -> bool:
        """Whether the task `name` runs, checks in within its limit, and did not fail just now."""
        now = time.ticks_ms()
        for entry in self._entries:
            if entry.name == name:
                entry.settle(now)
                return entry.task is not None and not entry.failures and not entry.overdue(now)
        return False

    async def run(self):
        """Begin the tasks in the order they were added, and watch over them for ever."""
        while True:
            try:
                self.step()
            except MemoryError:
                # What it did not come to is done next time; the watchdog was not fed.
                gc.collect()
            await asyncio.sleep_ms(STEP_MS)

    def step(self):
        """Look after every task once."""
        now = time.ticks_ms()
        well = True
        for entry in self._entries:
            if entry.task is None:
                if not entry.resting or time.ticks_diff(now, entry.due) >= 0:
                    self._begin(entry, now)
            elif entry.overdue(now):
                if not entry.cancelled:
                    entry.cancelled = True
                    entry.checked = now  # once more its limit, to end in
                    self._event(records.EVENT_TASK_HUNG, entry.index)
                    entry.task.cancel()
                else:
                    well = False
            entry.settle(now)
            if entry.most_failures is not None and entry.failures >= entry.most_failures:
                well = False
        if well and self._watchdog is not None:
            self._watchdog.feed()
        self._note(well)

    def _note(self, well):
        """Leave in the breadcrumb which task it is, in case the watchdog bites."""
        if self._crumb is None or well != self._noted:
            return
        self._noted = not well
        if well:
            self._crumb.forget()
            return
        now = time.ticks_ms()
        for entry in self._entries:
            if entry.task is not None and entry.overdue(now):
                self._crumb.note("task %s hangs and cannot be cancelled" % entry.name)
        self._crumb.note("watchdog not fed: " + self.last_failure)

    def _begin(self, entry, now):
        entry.resting = False
        entry.cancelled = False
        entry.begun = now
        entry.checked = now
        entry.task = asyncio.create_task(self._guard(entry))

    async def _guard(self, entry):
        """Run the task; nothing it does reaches further than here."""
        failure = None
        try:
            await entry.make().run(entry.check_in)
        except asyncio.CancelledError:
            pass  # by `step`, which has said so
        except MemoryError as error:
            gc.collect()
            failure = error
        except Exception as error:  # noqa: BLE001 - the boundary every task's failure ends at
            failure = error
        self._ended(entry, failure)

    def _ended(self, entry, failure):
        now = time.ticks_ms()
        entry.settle(now)
        entry.failures += 1
        entry.task = None
        entry.resting = True
        ran = time.ticks_diff(now, entry.begun)
        if 0 <= ran < _PROVEN_MS:
            entry.pause = min(2 * entry.pause, entry.longest_pause) if entry.failed else entry.pause
        else:
            entry.pause = entry.first_pause
        entry.failed = True
        entry.due = time.ticks_add(now, entry.pause)
        self.restarts += 1
        what = "did not check in" if entry.cancelled else "ended"
        if failure is not None:
            what = repr(failure)
            if hasattr(sys, "print_exception"):
                sys.print_exception(failure)
        self.last_failure = "%s: %s" % (entry.name, what)
        print("supervisor: %s; again in %d ms" % (self.last_failure, entry.pause))
        self._event(records.EVENT_TASK_RESTARTED, entry.index)

    def _event(self, code, value):
        if self.log is not None:
            self.log.append(records.EVENT, code, value)


class _Entry:
    """A supervised task. Times are ticks."""

    def __init__(self, index, name, make, limit_ms, longest_pause_ms, most_failures):
        self.index = index
        self.name = name
        self.make = make
        self.limit = limit_ms
        self.longest_pause = longest_pause_ms
        self.first_pause = min(_FIRST_PAUSE_MS, longest_pause_ms)
        self.pause = self.first_pause
        self.most_failures = most_failures
        # In a row, none of them after it had settled.
        self.failures = 0
        self.failed = False
        self.task = None
        self.resting = False
        self.cancelled = False
        self.begun = 0
        self.checked = 0
        self.due = 0

    def check_in(self):
        """What the task calls to say that it is alive."""
        if not self.cancelled:
            self.checked = time.ticks_ms()

    def settle(self, now):
        """Forget the failures before this run once it is long enough."""
        if (
            self.failures
            and self.task is not None
            and not self.cancelled
            and time.ticks_diff(now, self.begun) >= _SETTLED_MS
        ):
            self.failures = 0

    def overdue(self, now):
        """Whether the task has not checked in within its limit."""
        return time.ticks_diff(now, self.checked) > self.limit
