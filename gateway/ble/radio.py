"""One adapter at work: it scans without end, and connects.

Scans start and stop, and connections are begun, one at a time: BlueZ and many controllers refuse
two at once. What goes wrong is named and met by `remedies`; silence by `watchdog`.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Final, Literal

from bleak import BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from gateway.backoff import FullJitter
from gateway.ble.adapter import Adapter, ScanMode
from gateway.ble.connection import Connection
from gateway.ble.listener import Listener
from gateway.ble.remedies import FAILURES, Fault, Remedy, describe, fault_of
from gateway.ble.watchdog import Step, Watchdog
from gateway.errors import LinkUnavailable
from gateway.logs import Logger, Trouble
from gateway.waiting import happens_within

_START_S: Final = 20.0
_STOP_S: Final = 10.0
# Lampposts that are hard to reach do not keep a scan from going on.
_LEAST_SCAN_S: Final = 30.0
# How often it is asked whether the adapter is still the one that scans.
_CHECK_S: Final = 5.0
_RETRY_FIRST_S: Final = 1.0
_RETRY_MOST_S: Final = 60.0
_CONNECT_S: Final = 10.0
# Scans that BlueZ is too busy for in a row; after it was killed it takes some.
_BUSY_MOST: Final = 6
# Scans that cannot be started in a row until that is an alarm, unless it needs a person anyway.
_SAY_AFTER: Final = 4
# Connections that fail in a row, whoever they are to: then it is the adapter.
_MOST_FAILURES: Final = 12


class Radio:
    """Works `adapter`. scan: "auto" is passive where that is to be had and hears somebody.

    silence_s: without any advert for so long the scan is started again, then the adapter switched
    off and on, then `alarm` says so. changed() is called when `up` changes, and `alarmed` with what
    is wrong, "" when that is over.

    Counters: `scans` started, `power_cycles`, `connected`, and `faults` by kind.
    """

    def __init__(
        self,
        adapter: Adapter,
        scan: Literal["auto", "active", "passive"],
        silence_s: float,
        listener: Listener,
        changed: Callable[[], None],
        log: Logger,
    ) -> None:
        self.adapter = adapter
        self.up = False
        self.alarm = ""
        self.alarmed: Callable[[str], None] = lambda _: None
        self.scans = 0
        self.power_cycles = 0
        self.connected = 0
        self.faults: Counter[Fault] = Counter()
        self._auto = scan == "auto"
        self._mode: ScanMode = "active" if scan == "active" else "passive"
        self._silence = silence_s
        self._listener = listener
        self._changed = changed
        self._log = log.bind(adapter=adapter.name)
        self._unavailable = Trouble(self._log, "Bluetooth adapter unavailable")
        self._watchdog = Watchdog(silence_s, time.monotonic())
        self._control = asyncio.Lock()
        # Look whether the adapter is still there; and start the scan again when it is.
        self._look = asyncio.Event()
        self._again = False
        self._failed_in_a_row = 0
        # Machine time of the last proof that the adapter works, other than an advert.
        self._proved = float("-inf")

    @property
    def name(self) -> str:
        """The adapter's name."""
        return self.adapter.name

    async def run(self) -> None:
        """Scan until cancelled, whatever happens."""
        backoff = FullJitter(_RETRY_FIRST_S, _RETRY_MOST_S)
        while True:
            try:
                await self._scan(backoff)
            except FAILURES as error:
                fault = self._note(error)
                if fault is Fault.NO_PASSIVE and self._auto:
                    self._log.info("no passive scan here; an active one is used")
                    self._mode = "active"
                    continue
                self._unavailable.failed(error=describe(error))
                lasts = self._unavailable.failures >= _SAY_AFTER
                if lasts or fault.remedy is Remedy.GIVE_UP:
                    self._say(describe(error))
                if fault.remedy is Remedy.POWER_CYCLE or self._stuck(fault):
                    await self._power_cycle()
                await asyncio.sleep(backoff.next_delay())

    async def connect(self, device: BLEDevice, ended: Callable[[], None]) -> Connection:
        """Connect to a device that the scan has found.

        Raises what `FAILURES` lists, LinkUnavailable while the adapter is not up.
        """
        async with self._control:
            if not self.up:
                raise LinkUnavailable(f"the Bluetooth adapter {self.name} is not there")

            def lost() -> None:
                # It may be bluetoothd or the adapter that has gone.
                self._look.set()
                ended()

            try:
                connection = await Connection.open(
                    self.adapter, device, _CONNECT_S, lost, self._log
                )
            except FAILURES as error:
                self._connect_failed(self._note(error))
                raise
        self.connected += 1
        self._failed_in_a_row = 0
        self.works()
        return connection

    def works(self) -> None:
        """A reply was received through it just now."""
        self._proved = time.monotonic()

    def scan_again(self) -> None:
        """Start the scan anew, unless it was just now; find out whether the adapter is there."""
        self._again = True
        self._look.set()

    # ------------------------------------------------------------------------------------- scan

    async def _scan(self, backoff: FullJitter) -> None:
        """Scan until it has to be started again."""
        self._look.clear()
        self._again = False
        scanner = self.adapter.scanner(self._hear, self._mode)
        try:
            async with self._control:
                async with asyncio.timeout(_START_S):
                    await self.adapter.prepare()
                    await scanner.start()
            began = time.monotonic()
            backoff.reset()
            self.scans += 1
            self._unavailable.over()
            self.up = True
            self._changed()
            # One for silence stays until somebody is heard.
            if not self._watchdog.silent:
                self._say("")
            self._log.debug("scanning", mode=self._mode)
            await self._watch(began)
        finally:
            if self.up:
                self.up = False
                self._changed()
            self._listener.lost(self.name)
            await self._stop(scanner)

    async def _watch(self, began: float) -> None:
        while True:
            step, wait = self._watchdog.due(time.monotonic())
            if step is Step.ALARM:
                self._say(f"the Bluetooth adapter {self.name} has heard nobody for long")
                self._log.error(
                    "Bluetooth adapter hears nobody", silence_s=3 * self._silence,
                    advice="is its antenna free, are the lampposts on?",
                )  # fmt: skip
            elif step is Step.POWER_CYCLE and not self._proved_lately():
                await self._power_cycle()
                return
            elif step is not Step.NOTHING:
                if self._auto:
                    self._mode = "active"
                self._log.warning("no advert heard; scan started again", silence_s=self._silence)
                return
            await happens_within(self._look, min(wait, _CHECK_S))
            self._look.clear()
            asked, self._again = self._again, False
            if not await self.adapter.still_there():
                raise BleakError(f"adapter '{self.name}' not found: bluetoothd or it was restarted")
            if asked and time.monotonic() - began >= _LEAST_SCAN_S:
                return
            if self.alarm and not self._watchdog.silent:
                self._say("")

    def _proved_lately(self) -> bool:
        return time.monotonic() - self._proved < self._silence

    async def _stop(self, scanner: BleakScanner) -> None:
        try:
            async with self._control:
                async with asyncio.timeout(_STOP_S):
                    await scanner.stop()
        except FAILURES as error:
            # BlueZ has stopped it already, or is not there.
            self._log.debug("scan not stopped", why=describe(error))

    def _hear(self, device: BLEDevice, heard: AdvertisementData) -> None:
        self._watchdog.heard(time.monotonic())
        self._listener.hear(self.name, device, heard)

    # ---------------------------------------------------------------------------------- remedies

    async def _power_cycle(self) -> None:
        self.power_cycles += 1
        self._failed_in_a_row = 0
        self._log.warning("Bluetooth adapter is switched off and on")
        try:
            async with self._control:
                await self.adapter.power_cycle()
        except FAILURES as error:
            self._note(error)
            self._log.warning("Bluetooth adapter not switched", error=describe(error))

    def _stuck(self, fault: Fault) -> bool:
        # What does not pass by itself is known to pass by this.
        busy = fault in (Fault.IN_PROGRESS, Fault.TIMEOUT, Fault.UNKNOWN)
        return busy and self._unavailable.failures % _BUSY_MOST == 0

    def _connect_failed(self, fault: Fault) -> None:
        self._failed_in_a_row += 1
        if fault.remedy in (Remedy.RESTART_SCAN, Remedy.POWER_CYCLE):
            self.scan_again()
        if self._failed_in_a_row >= _MOST_FAILURES and not self._proved_lately():
            self._failed_in_a_row = 0
            self._log.warning("connections keep failing; scan started again")
            self.scan_again()

    def _note(self, error: BaseException) -> Fault:
        fault = fault_of(error)
        self.faults[fault] += 1
        return fault

    def _say(self, alarm: str) -> None:
        if alarm != self.alarm:
            self.alarm = alarm
            self.alarmed(alarm)
