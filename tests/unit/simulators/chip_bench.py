"""A chip on a bench: a real MicroPython process running a few lines in place of the boot stage."""

import asyncio
import contextlib
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from simulators import chiprom
from simulators.accesspoint import AccessPoint
from simulators.clock import SimClock
from simulators.flash import make_flash
from simulators.node_process import ChipFiles, NodeProcess, ResetCause
from simulators.peripherals import I2cPart, NothingThere, PeripheralServer, UartEnd
from simulators.tools import Interpreter

NODE = "02a1b2c3d4e5"
PATIENCE = 60.0


class Echo:
    """The far end of a UART that sends back what it hears, and notes it."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.send = send
        self.heard = b""

    def receive(self, data: bytes) -> None:
        self.heard += data
        self.send(data)

    def close(self) -> None:
        pass


class Bench:
    """A board with whatever a test puts on it; keeps what the chip says."""

    def __init__(self, folder: Path, interpreter: Interpreter, speed: float) -> None:
        self.folder = folder
        self.messages: list[dict[str, Any]] = []
        self.pins: dict[int, int] = {6: 1}
        self.parts: list[I2cPart] = []
        self.wifi = AccessPoint()
        self.volts: dict[int, int] = {}
        self.uart: Callable[[int, int, Callable[[bytes], None]], UartEnd] = (
            lambda number, baud, send: NothingThere()
        )
        self.causes: list[ResetCause] = []
        self.deaths = 0
        self._printed = b""
        self._news = asyncio.Condition()
        self._changed: Callable[[], None] = lambda: None
        self._tasks: set[asyncio.Task[None]] = set()
        self.chip = NodeProcess(
            node=NODE,
            files=ChipFiles(folder),
            street_socket=folder / "street.sock",
            rom=folder / "chip.romfs",
            clock=SimClock.start(1_780_000_000, speed),
            interpreter=interpreter,
            heap="256K",
            on_reset=self.causes.append,
            on_killed=self._killed,
            on_console=self._hear,
        )
        make_flash(self.chip.files.flash)

    def program(self, source: str) -> None:
        """What the chip runs from its next start on: the body of ``start``."""
        body = textwrap.indent(textwrap.dedent(source), "    ")
        stage = (
            "import asyncio, esp32, machine, time, vfs\n"
            f"def start(flash, board_on, observer, rom):\n{body}\n"
        )
        chiprom.burn(self.folder / "chip.romfs", {"bootstage/__init__.py": stage.encode()})

    async def run(self, source: str, until: str = "done") -> list[str]:
        """Power the chip up on ``source``; the lines it printed up to the line ``until``."""
        self.program(source)
        self.chip.power_on()
        return await self.printed(until)

    async def printed(self, until: str) -> list[str]:
        """Wait for the line ``until``; the lines before it, which are then forgotten."""

        def whole_lines() -> list[str]:
            return self._printed.decode(errors="replace").split("\n")[:-1]

        def there() -> bool:
            return until in whole_lines()

        try:
            async with asyncio.timeout(PATIENCE), self._news:
                await self._news.wait_for(there)
        except TimeoutError as error:
            raise AssertionError(
                f"expected a line {until!r}, the chip printed {self._printed!r}; "
                f"its errors: {self.chip.files.errors.read_text()}"
            ) from error
        lines = whole_lines()
        at = lines.index(until)
        self._printed = b"\n".join(self._printed.split(b"\n")[at + 1 :])
        return lines[:at]

    def forget(self) -> None:
        """Forget what the chip has printed so far."""
        self._printed = b""

    async def said(self, kind: str) -> Any:
        """Wait for a control message of ``kind``; the value of the latest."""

        def found() -> bool:
            return any(kind in message for message in self.messages)

        async with asyncio.timeout(PATIENCE), self._news:
            await self._news.wait_for(found)
        return [message[kind] for message in self.messages if kind in message][-1]

    def set_pin(self, number: int, level: int) -> None:
        self.pins[number] = level
        self._changed()

    # ---- the board

    def control(self, message: dict[str, Any]) -> None:
        self.messages.append(message)
        if "wdt" in message:
            self.chip.arm_watchdog(message["wdt"])
        if "fed" in message:
            self.chip.feed_watchdog()
        self._notify()

    def input_pins(self) -> dict[int, int]:
        return self.pins

    def watch_inputs(self, changed: Callable[[], None]) -> None:
        self._changed = changed

    def open_uart(self, number: int, baud: int, send: Callable[[bytes], None]) -> UartEnd:
        return self.uart(number, baud, send)

    def open_radio(self, send: Callable[[bytes], None]) -> UartEnd | None:
        return None

    def access_point(self) -> AccessPoint:
        return self.wifi

    def i2c_parts(self, number: int) -> list[I2cPart]:
        return self.parts

    def microvolts(self, pin: int) -> int:
        return self.volts.get(pin, 0)

    def _hear(self, data: bytes) -> None:
        self._printed += data
        self._notify()

    def _killed(self) -> None:
        self.deaths += 1

    def _notify(self) -> None:
        task = asyncio.get_running_loop().create_task(self._wake())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wake(self) -> None:
        async with self._news:
            self._news.notify_all()


@contextlib.asynccontextmanager
async def chip_bench(
    folder: Path, interpreter: Interpreter, speed: float = 1.0
) -> AsyncIterator[Bench]:
    """A bench in ``folder``; the chip is taken away at the end."""
    bench = Bench(folder, interpreter, speed)
    server = PeripheralServer(folder / "street.sock")
    server.boards[NODE] = bench
    await server.start()
    try:
        yield bench
    finally:
        await bench.chip.power_cut()
        await server.close()
        await asyncio.sleep(0)
