"""Whether the running image is kept: a self-test and a word from the gateway, or back again."""

import asyncio
import time

POLL_MS = 500
# A confirmed image that ran this long clears the count of stops the boot stage keeps.
SETTLE_S = 60


class Trial:
    """A task that confirms the running image, or resets at the deadline so that it reverts.

    manager: UpdateManager; self_test: called, answers "" when lamp and tasks are well, else what is
    not; link_proof: called, True once a sealed request of the gateway was accepted since the start;
    timeout: seconds of machine time to do so, or a function that answers them.
    """

    def __init__(self, manager, self_test, link_proof, timeout):
        self._manager = manager
        self._self_test = self_test
        self._link_proof = link_proof
        self._timeout = timeout
        # Here and not in `run`, so that a restart of the task does not put the deadline off.
        self._last = time.ticks_ms()
        self._elapsed = 0
        self._counted = False

    async def run(self, check_in) -> None:
        """Supervise the trial, then stay quiet; check_in is called at least every 5 s."""
        if self._manager.boot.trial and not self._counted:
            self._counted = True
            self._manager.begin_trial()
        while True:
            check_in()
            await asyncio.sleep_ms(POLL_MS)
            now = time.ticks_ms()
            self._elapsed += time.ticks_diff(now, self._last)
            self._last = now
            if self._manager.boot.trial:
                missing = self.missing() or self._confirm()
                if missing and self._elapsed >= self._seconds() * 1000:
                    self._give_up(missing)
            elif self._elapsed >= SETTLE_S * 1000 and not (self._unfit() or self._confirm()):
                # Not for the link to decide: a confirmed image stays, gateway or none. But one
                # whose lamp fails keeps its count, so that the other slot gets its turn.
                break
        while True:
            check_in()
            await asyncio.sleep_ms(4000)

    def missing(self) -> str:
        """What keeps the image from being confirmed, "" when nothing does."""
        unfit = self._unfit()
        if unfit:
            return "self-test: %s" % unfit
        if not self._link_proof():
            return "no sealed request from the gateway within %d s" % self._seconds()
        return ""

    def _unfit(self) -> str:
        try:
            return self._self_test()
        except Exception as error:  # noqa: BLE001 - a self-test that raises has failed
            return "%s: %s" % (type(error).__name__, error)

    def _confirm(self) -> str:
        """Confirm; "" or what went wrong."""
        try:
            self._manager.confirm()
        except OSError as error:
            return "flash does not take the confirmation (%s)" % error
        return ""

    def _seconds(self) -> int:
        timeout = self._timeout
        return int(timeout if isinstance(timeout, int) else timeout())

    def _give_up(self, missing: str) -> None:
        print("update: not confirmed, going back:", missing)
        self._manager.give_up(missing)
        self._manager.boot.reset()
