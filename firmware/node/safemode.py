"""Safe mode: after too many crashes only lamp, bus, console and updates run, for a while."""

import asyncio

# After so long the whole application is tried again; two more crashes lead back here.
RETRY_S = 6 * 3600
_PACE_MS = 5000


class SafeMode:
    """The task that leaves safe mode in the end. boot: the boot stage's object."""

    def __init__(self, boot, clock, reset_after):
        self._boot = boot
        self._clock = clock
        self._reset_after = reset_after
        self._until = clock.uptime() + RETRY_S

    async def run(self, check_in):
        """Wait, then start the whole application."""
        while True:
            check_in()
            if self._clock.uptime() >= self._until:
                try:
                    self._boot.leave_safe()
                    self._reset_after(0)
                except OSError as error:
                    print("safe mode: it cannot be left now:", error)
                self._until = self._clock.uptime() + RETRY_S
            await asyncio.sleep_ms(_PACE_MS)
