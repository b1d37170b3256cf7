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
        from . import tasks
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
        if boot.safe:
            self.settings.fall_back()
        self.output = self._output(output)
        self.lamp = Lamp(self.output, self.clock, self.settings, boot.reset_cause == 1)
        self.supervisor = Supervisor(None, watchdog, boot.crumb)
        self.supervisor.add("lamp", lambda: self.lamp, 15_000, 1000, _LAMP_FAILURES)
        if hasattr(self.output, "run"):
            self.supervisor.add("dali", lambda: self.output)
        self.identity = identities.load(root)
        self.log = open_log(root + "/log", self.clock, nvs, observer)
        self.supervisor.log = self.log
        self.manager = UpdateManager(boot, self.identity, self.clock)
        self._network = None
        self.server = self._server(root + "/counters.cbor", nvs)
        self.links = self.status.links
        # Of the lamp's faults, made with the meter's task.
        self.monitor = None
        # The task of an image on trial: one for the whole life of the node.
        self.trial = None
        self._resetting = None
        self.events = Events(self.log, boot, self.manager)
        self._listen()
        if boot.safe:
            tasks.add_safe(self)
        else:
            tasks.add(self)

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
        self.lives.start()
        if self.settings.reason:
            self.events.configured(False, self.settings.version)
        await self.supervisor.run()

    def self_test(self) -> str:
        """What keeps a release on trial from staying, by the checks that it names; "" for none."""
        from . import version  # pyright: ignore - written by the build
        from .update import selftest

        names = getattr(version, "SELF_TEST", selftest.DEFAULT)
        return selftest.run(names, self.supervisor, self.log)

    def reset_after(self, delay_ms):
        """Start the chip again once a reply had time to get out."""
        import asyncio

        async def reset():
            await asyncio.sleep_ms(delay_ms)
            try:
                # What has come of an upload is kept, so that it goes on from there.
                self.manager.close()
            finally:
                self.boot.reset()

        self._resetting = asyncio.create_task(reset())

    def rejected(self) -> int:
        """Frames that the links refused."""
        return sum(link.rejected for link in self.links.values())

    def network(self):
        """The NetworkFile, read when it is first asked for."""
        if self._network is None:
            from .networkfile import NetworkFile

            self._network = NetworkFile(self.boot.root + "/network.cbor")
        return self._network

    def _output(self, output):
        """What drives the lamp by the settings; `output` has it on since before they were read."""
        from . import parts

        if parts.fitted(self.settings, "output") != parts.DALI:
            return output
        try:
            from .lamp.gear import DaliOutput

            # The PWM line stays at full: it drives nothing there.
            return DaliOutput(self.board.dali_line(), self.board.lamp_relay())
        except (ImportError, OSError, ValueError) as error:
            print("output: no DALI (%r), so PWM" % error)
            return output

    def _server(self, counters, nvs):
        import sys
        from binascii import hexlify

        from protocol import smp

        from .crash import Lives
        from .groups.image import ImageGroup
        from .groups.os import OsGroup
        from .groups.settings import SettingsGroup
        from .groups.street import StreetGroup
        from .sealing import Sealing
        from .server import Server
        from .status import Status

        identity = self.identity
        self.lives = Lives(self.boot, self.log, self.reset_after)
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
            smp.GROUP_SETTINGS: SettingsGroup(self.settings, self.network),
            smp.GROUP_STREET: StreetGroup(self.log, self.lamp, self.clock, self.status, self.lives),
        }
        sealing = Sealing(counters, identity["id"], identity["keys"], nvs)
        return Server(groups, sealing, self.board.switch_closed, None, identity, self.boot.root)

    def _listen(self):
        self.clock.on_step = self.events.clock_stepped
        self.settings.on_change = self.events.configured
        # pyright takes their None for all they can be.
        self.lamp.on_change = self.events.lamp_changed  # pyright: ignore
        self.lamp.on_event = self.events.lamp_event  # pyright: ignore
        self.manager.on_change = self.events.update_changed  # pyright: ignore
        self.server.on_replay = self.events.replay_refused
        self.server.on_key = self.events.key_changed  # pyright: ignore
