"""The application of a node: where its parts are made and put together."""

from .board import Board
from .lamp.output import Output


def start(boot, observer=None):
    """Run the node; called by the boot stage, does not come back while the node is well.

    boot: the boot stage's object. observer: `logged(epoch, sequence, body)` is called after each
    durable record, or None. Raises whatever keeps the node from being put together: the boot stage
    counts that, and takes the other slot when it does not stop.
    """
    board = Board()
    # The lamp first: it is on before the rest is even imported.
    output = Output(board.lamp_pwm(), board.lamp_relay())
    watchdog = board.watchdog()

    import asyncio
    import gc

    # Often and in small pieces: a heap that is let fill up is fragmented when it matters.
    gc.threshold(16 * 1024)
    asyncio.run(Node(boot, observer, board, output, watchdog).run())


# Failures of the lamp's task in a row, a second apart, after which the watchdog shall bite.
_LAMP_FAILURES = 10


class Node:
    """The parts of a node, made in the order they need one another."""

    def __init__(self, boot, observer, board, output, watchdog):
        from . import identity as identities
        from .clock import Clock
        from .events import Events
        from .lamp.service import Lamp
        from .lostlog import open_log
        from .settings import Settings
        from .supervisor import Supervisor
        from .update.manager import UpdateManager

        self.board = board
        self.boot = boot
        root = boot.root
        nvs = board.nvs()
        self.clock = Clock(board.rtc())
        self.settings = Settings(root + "/configuration.cbor")
        self.lamp = Lamp(output, self.clock, self.settings)
        self.supervisor = Supervisor(None, watchdog)
        self.supervisor.add("lamp", lambda: self.lamp, 15_000, 1000, _LAMP_FAILURES)
        self.identity = identities.load(root)
        self.log = open_log(root + "/log", self.clock, nvs, observer)
        self.supervisor.log = self.log
        self.manager = UpdateManager(boot, self.identity, self.clock)
        self.server = self._server(root + "/counters.cbor", nvs)
        self.links = {}
        self._trial_task = None
        self._resetting = None
        self.events = Events(self.log, boot, self.manager)
        self._listen()
        self._add_tasks()

    async def run(self):
        """Write that the node started, then look after its tasks for ever."""
        from protocol import records

        from .status import packed_version

        self.log.append(
            records.BOOT,
            self.boot.reset_cause,
            packed_version(self.status.version),
            self.boot.slot,
            1 if self.boot.trial else 0,
            self.log.epoch,
        )
        self.events.start()
        if self.settings.reason:
            self.events.configured(False, self.settings.version)
        await self.supervisor.run()

    def self_test(self) -> str:
        """Whether a release on trial is fit to stay: "" or what is not well.

        The lamp follows its program, records last, and the gateway's link is served. Sensors are no
        part of it: a dead one must not keep a lamppost from being updated.
        """
        if not self.supervisor.is_well("lamp"):
            return "the lamp's task does not run"
        if self.log.next_seq == 0:
            return "the log cannot be written (%s)" % self.log.last_failure
        if not self.supervisor.is_well("bus"):
            return "the bus is not served"
        return ""

    def reset_after(self, delay_ms):
        """Start the chip again once a reply had time to get out."""
        import asyncio

        async def reset():
            await asyncio.sleep_ms(delay_ms)
            try:
                # What has come of an upload is kept, so that it goes on from there.
                self.manager.close()
            finally:
                self.board.reset()

        self._resetting = asyncio.create_task(reset())

    def rejected(self) -> int:
        """Frames that the links refused."""
        return sum(link.rejected for link in self.links.values())

    def _server(self, counters, nvs):
        import sys
        from binascii import hexlify

        from protocol import smp

        from .groups.image import ImageGroup
        from .groups.os import OsGroup
        from .groups.settings import SettingsGroup
        from .groups.street import StreetGroup
        from .sealing import Sealing
        from .server import Server
        from .status import Status

        identity = self.identity
        self.status = Status(
            identity,
            self.boot,
            self.clock,
            self.log,
            self.lamp,
            self.settings,
            self.manager,
            self.supervisor,
        )
        information = {
            "s": "MicroPython",
            "n": hexlify(identity["id"]).decode(),
            "r": "%d.%d.%d" % sys.implementation.version[:3],
            "v": self.status.version,
            "m": identity["board"],
            "p": sys.platform,
            "o": "Lamplighter",
        }
        groups = {
            smp.GROUP_OS: OsGroup(self.clock, self.reset_after, information),
            smp.GROUP_IMAGE: ImageGroup(self.manager),
            smp.GROUP_SETTINGS: SettingsGroup(self.settings),
            smp.GROUP_STREET: StreetGroup(self.log, self.lamp, self.clock, self.status),
        }
        sealing = Sealing(counters, identity["id"], identity["keys"], nvs)
        return Server(groups, sealing, self.board.switch_closed)

    def _listen(self):
        self.clock.on_step = self.events.clock_stepped
        self.settings.on_change = self.events.configured
        # pyright takes their None for all they can be.
        self.lamp.on_change = self.events.lamp_changed  # pyright: ignore
        self.lamp.on_event = self.events.lamp_event  # pyright: ignore
        self.manager.on_change = self.events.update_changed  # pyright: ignore
        self.server.on_replay = self.events.replay_refused

    def _add_tasks(self):
        from .links import LIMIT_MS

        add = self.supervisor.add
        add("bus", self._bus, LIMIT_MS)
        add("console", self._console, LIMIT_MS)
        add("trial", self._trial)
        add("energy", self._energy)
        add("air", self._air)
        add("people", self._people)
        add("status", self._recorder)

    def _bus(self):
        from .links.bus import BusLink

        self.links["bus"] = BusLink(self.board.bus_uart(), self.server, self.identity["address"])
        return self.links["bus"]

    def _console(self):
        import micropython

        from .links.console import ConsoleLink

        # Behind the closed door nobody is to reach the interpreter's prompt by a Ctrl-C.
        micropython.kbd_intr(3 if self.board.switch_closed() else -1)
        stdin, stdout = self.board.console()
        self.links["console"] = ConsoleLink(stdin, stdout, self.server)
        return self.links["console"]

    def _trial(self):
        from .update.trial import Trial

        if self._trial_task is None:
            self._trial_task = Trial(
                self.manager,
                self.self_test,
                lambda: self.server.proven > 0,
                lambda: self.settings.values["update/confirm_timeout"],
            )
        # The same one again: its deadline counts from the start of the node.
        return self._trial_task

    def _energy(self):
        from .samplers.energy import EnergySampler

        total = self.boot.root + "/energy"
        return EnergySampler(self.board.meter_uart(), self.clock, self.log, self.settings, total)

    def _air(self):
        from .samplers.air import AirSampler

        return AirSampler(self.board.pms_uart(), self.clock, self.log, self.settings)

    def _people(self):
        from .samplers.people import PeopleSampler

        return PeopleSampler(self.board.i2c(), self.clock, self.log, self.settings)

    def _recorder(self):
        from .status import StatusRecorder

        return StatusRecorder(self.clock, self.log, self.settings, self.supervisor, self.rejected)
