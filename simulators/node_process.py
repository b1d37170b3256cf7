"""The chip of one lamppost: a MicroPython process, its power, its resets and its watchdog."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import BinaryIO

from simulators.clock import SimClock
from simulators.flash import PowerCut
from simulators.tools import Interpreter
from simulators.watchdog import Watchdog

NODE_SIDE = Path(__file__).parent / "node_side"

_BOOT_SECONDS = 0.3  # what the chip's own loader takes, and a limit on the speed of a boot loop
_STOP_SECONDS = 5.0


class ResetCause(IntEnum):
    """Why a chip starts, numbered as ``machine.reset_cause()`` of the ESP32 does."""

    POWER_ON = 1
    HARD = 2
    WATCHDOG = 3
    SOFT = 5


class ChipState(StrEnum):
    """What a chip is doing: ``dead`` is one whose boot stage cannot even be started."""

    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    DEAD = "dead"


# Exit codes of simulators/node_side/_street.py.
_EXIT_RESET, _EXIT_SOFT_RESET, _EXIT_ENDED = 64, 65, 66
_EXIT_DEAD, _EXIT_STREET_GONE = 70, 71


@dataclass(frozen=True)
class ChipFiles:
    """The files of one chip, all in one folder.

    Attributes:
        folder: the folder, made when absent by whoever makes the flash.
    """

    folder: Path

    @property
    def flash(self) -> Path:
        """The data partition."""
        return self.folder / "flash.bin"

    @property
    def romfs(self) -> Path:
        """The partition whose halves are the slots, on a chip that has one."""
        return self.folder / "romfs.bin"

    @property
    def nvs(self) -> Path:
        """Non-volatile storage."""
        return self.folder / "nvs.json"

    @property
    def rtc(self) -> Path:
        """What outlives a reset but not a power cut."""
        return self.folder / "rtc.json"

    @property
    def console(self) -> Path:
        """Everything the chip printed, binary console frames included."""
        return self.folder / "console.log"

    @property
    def errors(self) -> Path:
        """What the interpreter itself had to say, tracebacks among it."""
        return self.folder / "stderr.log"


@dataclass
class NodeProcess:
    """One chip. Made off; :meth:`power_on` starts it.

    Attributes:
        node: node id, 12 hexadecimal digits.
        files: where its memory is.
        street_socket: the street's unix socket.
        rom: the ROMFS image that is burnt into it: its shims and the boot stage.
        stock: whether stock MicroPython starts, which has the boot stage from the flash.
        clock: the street's clock.
        interpreter: the MicroPython it runs under.
        heap: size of its Python heap, as MicroPython takes it.
        on_reset: called before each start with the cause.
        on_killed: called when the chip died between two instructions: at a power cut, by its
            watchdog or reset button.
        on_failure: called with one line when this machine cannot run the chip at all.
        on_console: called with what it prints.
        cut: where in its writes the power goes, at the next start only.
        state: what it is doing.
        starts: how often it was started, by cause.
    """

    node: str
    files: ChipFiles
    street_socket: Path
    rom: Path
    clock: SimClock
    interpreter: Interpreter = field(default_factory=Interpreter)
    heap: str = "1M"
    stock: bool = False
    on_reset: Callable[[ResetCause], None] = lambda _: None
    on_killed: Callable[[], None] = lambda: None
    on_failure: Callable[[str], None] = lambda _: None
    on_console: Callable[[bytes], None] = lambda _: None
    cut: PowerCut | None = None
    state: ChipState = ChipState.OFF
    starts: dict[ResetCause, int] = field(default_factory=dict[ResetCause, int])
    _process: asyncio.subprocess.Process | None = None
    _life: asyncio.Task[None] | None = None
    _console: socket.socket | None = None
    _next_cause: ResetCause | None = None
    _watchdog: Watchdog | None = None

    @property
    def pid(self) -> int | None:
        """Process id while the chip runs, else None."""
        return self._process.pid if self._process and self.state is ChipState.RUNNING else None

    @property
    def restarts(self) -> int:
        """Starts after the first."""
        return max(0, sum(self.starts.values()) - 1)

    def power_on(self) -> None:
        """Give the chip power; nothing happens when it has it."""
        if self._life is None or self._life.done():
            self.state = ChipState.STARTING
            self._life = asyncio.create_task(self._live(), name=f"node {self.node}")
            self._life.add_done_callback(self._lived)

    async def power_cut(self) -> None:
        """Take the power away at once: SIGKILL, and the RTC's memory is gone.

        Nothing happens when the chip is off.
        """
        life, self._life = self._life, None
        if life is None:
            return
        was_off = life.done()
        life.cancel()
        await asyncio.wait([life])
        self.state = ChipState.OFF
        self.files.rtc.unlink(missing_ok=True)
        if not was_off:
            self.on_killed()

    def hard_reset(self) -> None:
        """Press the reset button."""
        self._reset(ResetCause.HARD)

    async def ended(self) -> None:
        """Wait until the chip is off or dead: cut off, or killed by its own :attr:`cut`."""
        if self._life is not None:
            await asyncio.wait([self._life])

    def arm_watchdog(self, timeout_ms: int) -> None:
        """The chip has started its watchdog."""
        self._disarm_watchdog()
        self._watchdog = Watchdog(timeout_ms / 1000, lambda: self._reset(ResetCause.WATCHDOG))

    def feed_watchdog(self) -> None:
        """The chip has fed its watchdog."""
        if self._watchdog is not None:
            self._watchdog.feed()

    def type(self, data: bytes) -> None:
        """Put ``data`` into the chip's console; lost when it does not listen."""
        if self._console is not None:
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                self._console.send(data)

    def _disarm_watchdog(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    def _reset(self, cause: ResetCause) -> None:
        if self._process is not None and self._process.returncode is None:
            self._next_cause = cause
            self._process.kill()

    def _lived(self, life: asyncio.Task[None]) -> None:
        error = None if life.cancelled() else life.exception()
        if error is not None:
            self.state = ChipState.DEAD
            self.on_failure(f"{self.node} cannot be run: {error}")

    async def _live(self) -> None:
        """Start the process again and again, until the power goes or nothing can be started."""
        cause: ResetCause | None = ResetCause.POWER_ON
        self.files.rtc.unlink(missing_ok=True)
        with self.files.errors.open("ab") as errors, self.files.console.open("ab") as console:
            while cause is not None:
                self.starts[cause] = self.starts.get(cause, 0) + 1
                self.on_reset(cause)
                code = await self._run(cause, errors, console)
                errors.write(f"-- ended with {code}\n".encode())
                errors.flush()
                cause = self._cause_after(code)
                if cause is not None:
                    self.state = ChipState.STARTING
                    await asyncio.sleep(_BOOT_SECONDS)

    def _cause_after(self, code: int) -> ResetCause | None:
        asked, self._next_cause = self._next_cause, None
        if asked is not None:
            self.on_killed()
            return asked
        if code == _EXIT_SOFT_RESET:
            return ResetCause.SOFT
        if code == -signal.SIGKILL:  # by its own hand: the cut that was asked for
            self.state = ChipState.OFF
            self.files.rtc.unlink(missing_ok=True)
            self.on_killed()
            return None
        if code == _EXIT_STREET_GONE:
            self.state = ChipState.OFF
            return None
        if code == _EXIT_DEAD:
            self.state = ChipState.DEAD
            return None
        return ResetCause.HARD  # machine.reset(), the application's end, or a panic

    async def _run(self, cause: ResetCause, errors: BinaryIO, console: BinaryIO) -> int:
        """One life of the process; returns its exit code. Cancelled, it kills the process."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *self.interpreter.argv(NODE_SIDE / "_power_up.py", heap=self.heap),
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=errors.fileno(),
                    cwd=self.files.folder,
                    env=self._environment(cause),
                    start_new_session=True,  # Ctrl-C is for the street, which then ends the chips
                )
            self.cut = None
            self._console = ours
            self.state = ChipState.RUNNING
            loop.add_reader(ours, self._printed, ours, console)
            return await self._process.wait()
        finally:
            self._disarm_watchdog()
            self._console = None
            loop.remove_reader(ours)
            if self._process is not None and self._process.returncode is None:
                self._process.kill()
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            self._printed(ours, console)
            ours.close()

    def _printed(self, ours: socket.socket, console: BinaryIO) -> None:
        try:
            data = ours.recv(65536)
        except (BlockingIOError, ConnectionResetError):
            return
        if not data:
            asyncio.get_running_loop().remove_reader(ours)
            return
        console.write(data)
        console.flush()
        self.on_console(data)

    def _environment(self, cause: ResetCause) -> dict[str, str]:
        mine = {
            "LAMPLIGHTER_SIM_SOCKET": str(self.street_socket.absolute()),
            "LAMPLIGHTER_SIM_NODE": self.node,
            "LAMPLIGHTER_SIM_FLASH": str(self.files.flash.absolute()),
            "LAMPLIGHTER_SIM_ROM": str(self.rom.absolute()),
            "LAMPLIGHTER_SIM_ROMFS": str(self.files.romfs.absolute()),
            "LAMPLIGHTER_SIM_NVS": str(self.files.nvs.absolute()),
            "LAMPLIGHTER_SIM_RTC": str(self.files.rtc.absolute()),
            "LAMPLIGHTER_SIM_CLOCK": self.clock.environment(),
            "LAMPLIGHTER_SIM_RESET": str(int(cause)),
            "LAMPLIGHTER_SIM_START": "stock" if self.stock else "chip",
            "TZ": "UTC",
        }
        if self.cut is not None:
            mine["LAMPLIGHTER_SIM_CUT"] = self.cut.environment()
        return self.interpreter.environment([], mine)


def cpu_seconds(pid: int) -> float:
    """Processor time that process ``pid`` has used so far, user and system; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
