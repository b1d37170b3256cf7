"""The unix socket of a street: each peripheral of each node is one connection to it.

The first line of a connection is JSON: {"node": id, "device": "uart1" | "i2c0" | "control", ...}.
Then a UART carries raw bytes both ways, I2C and ADC requests and answers (see
``simulators/node_side/_i2c.py`` and ``_adc.py``), and control JSON lines out of the node and lines
of input pin levels into it. What is at the other end is up to the node's :class:`Board`.
"""

import asyncio
import errno
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from simulators.accesspoint import AccessPoint, Station
from simulators.parts import NoAcknowledge, UartPart

_LONGEST_LINE = 65536
_I2C_REQUEST = struct.Struct("<BBBBIH")
_I2C_ANSWER = struct.Struct("<BH")
_ADC_ANSWER = struct.Struct("<I")
_I2C_WRITE, _I2C_READ, _I2C_WRITE_MEMORY, _I2C_READ_MEMORY, _I2C_SCAN = range(5)


class I2cPart(Protocol):
    """A part on an I2C bus; both raise NoAcknowledge when it does not answer."""

    address: int

    def write(self, data: bytes) -> None:
        """Take the bytes of one write transaction."""
        ...

    def read(self, n: int) -> bytes:
        """The next ``n`` bytes, n >= 0."""
        ...


class Board(Protocol):
    """The printed circuit board of one node, as its chip's wires meet it."""

    def control(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Take one message of the control connection; what is said to the chip at once, if any."""
        ...

    def input_pins(self) -> dict[int, int]:
        """Level (0, 1) by number of the input pins that are wired."""
        ...

    def watch_inputs(self, changed: Callable[[], None]) -> None:
        """Have ``changed`` called when :meth:`input_pins` has changed; replaces the one before."""
        ...

    def open_uart(self, number: int, baud: int, send: Callable[[bytes], None]) -> "UartEnd":
        """The far end of a UART that the chip has opened; ``send`` takes bytes to the chip."""
        ...

    def i2c_parts(self, number: int) -> list[I2cPart]:
        """The parts on one I2C bus."""
        ...

    def microvolts(self, pin: int) -> int:
        """The voltage on an analogue pin, 0 and above."""
        ...

    def access_point(self) -> AccessPoint:
        """The Wi-Fi access point in its reach."""
        ...

    def open_radio(self, send: Callable[[bytes], None]) -> "UartEnd | None":
        """The chip's Bluetooth radio (see ``simulators.radio.wire``), None where there is none."""
        ...


class UartEnd(Protocol):
    """The far end of an open UART."""

    def receive(self, data: bytes) -> None:
        """Take bytes the chip sent."""
        ...

    def close(self) -> None:
        """The chip has closed its UART, or has died."""
        ...


class NothingThere:
    """The far end of a UART that is wired to nothing."""

    def receive(self, data: bytes) -> None:
        """Bytes into the void."""

    def close(self) -> None:
        """Nothing to do."""


class PartLine:
    """A part on a UART: hears the chip, and is asked for its bytes when they are due."""

    def __init__(self, part: UartPart, baud: int, send: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._part = part
        self._same_speed = baud == part.baud
        self._send = send
        self._random = random.Random(baud)
        self._timer: asyncio.TimerHandle | None = None
        self._part.pending(self._loop.time())  # said while nobody listened
        self._schedule()

    def receive(self, data: bytes) -> None:
        """See :class:`UartEnd`."""
        self._part.receive(data if self._same_speed else self._random.randbytes(len(data)))
        self._schedule()

    def close(self) -> None:
        """See :class:`UartEnd`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _schedule(self) -> None:
        self.close()
        due = self._part.due()
        if due != float("inf"):
            self._timer = self._loop.call_at(due, self._say)

    def _say(self) -> None:
        self._timer = None
        data = self._part.pending(self._loop.time())
        if data:
            self._send(data if self._same_speed else self._random.randbytes(len(data)))
        self._schedule()


class PeripheralServer:
    """Listens on a unix socket and connects each peripheral to the board it belongs to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.boards: dict[str, Board] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the socket cannot be made there, a path above 107 bytes being one reason.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Introduction(self), str(self.path))

    async def close(self) -> None:
        """Stop listening; open connections go with their nodes."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self.path.unlink(missing_ok=True)


class _Wire(asyncio.Protocol):
    """A connection that has said what it is."""

    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)


class _Introduction(_Wire):
    def __init__(self, server: PeripheralServer) -> None:
        self._server = server
        self._line = b""

    def data_received(self, data: bytes) -> None:
        self._line += data
        line, end, rest = self._line.partition(b"\n")
        if not end:
            if len(line) > _LONGEST_LINE:
                self.transport.close()
            return
        try:
            hello: dict[str, Any] = json.loads(line)
            board = self._server.boards[hello["node"]]
            wire = _wire(board, hello)
        except (ValueError, KeyError, TypeError):
            self.transport.close()
            return
        wire.connection_made(self.transport)
        self.transport.set_protocol(wire)
        if rest:
            wire.data_received(rest)


def _wire(board: Board, hello: dict[str, Any]) -> "_Uart | _I2c | _Adc | _Control | _Radio | _Wifi":
    device = str(hello["device"])
    if device == "control":
        return _Control(board)
    if device == "ble":
        return _Radio(board)
    kind, number = device[:-1], int(device[-1:])
    if kind == "uart":
        return _Uart(board, number, int(hello["baud"]))
    if kind == "i2c":
        return _I2c(board.i2c_parts(number))
    if kind == "adc":
        return _Adc(board)
    if kind == "wifi":
        return _Wifi(board.access_point())
    raise ValueError(f"no device {device}")


class _Uart(_Wire):
    def __init__(self, board: Board, number: int, baud: int) -> None:
        self._board = board
        self._number = number
        self._baud = baud
        self._end: UartEnd = NothingThere()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._end = self._board.open_uart(self._number, self._baud, self.transport.write)

    def data_received(self, data: bytes) -> None:
        self._end.receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.close()


class _Radio(_Wire):
    def __init__(self, board: Board) -> None:
        self._board = board
        self._end: UartEnd = NothingThere()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        end = self._board.open_radio(self.transport.write)
        if end is None:
            self.transport.close()
        else:
            self._end = end

    def data_received(self, data: bytes) -> None:
        self._end.receive(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end.close()


class _I2c(_Wire):
    def __init__(self, parts: list[I2cPart]) -> None:
        self._parts = parts
        self._pending = b""

    def data_received(self, data: bytes) -> None:
        pending = self._pending + data
        answers = b""
        while len(pending) >= _I2C_REQUEST.size:
            operation, address, width, _, memory, length = _I2C_REQUEST.unpack_from(pending)
            writes = operation in (_I2C_WRITE, _I2C_WRITE_MEMORY)
            end = _I2C_REQUEST.size + (length if writes else 0)
            if len(pending) < end:
                break
            prefix = memory.to_bytes(4, "big")[4 - width :] if width else b""
            answers += self._transact(
                operation, address, prefix + pending[_I2C_REQUEST.size : end], length
            )
            pending = pending[end:]
        self._pending = pending
        if answers:
            self.transport.write(answers)

    def _transact(self, operation: int, address: int, written: bytes, length: int) -> bytes:
        if operation == _I2C_SCAN:
            found = bytes(sorted(part.address for part in self._parts if _answers(part)))
            return _I2C_ANSWER.pack(0, len(found)) + found
        part = next((part for part in self._parts if part.address == address), None)
        if part is None:
            return _I2C_ANSWER.pack(errno.ENODEV, 0)
        read = b""
        try:
            if operation != _I2C_READ:
                part.write(written)
            if operation in (_I2C_READ, _I2C_READ_MEMORY):
                read = part.read(length)
        except NoAcknowledge:
            return _I2C_ANSWER.pack(errno.ENODEV, 0)
        except TimeoutError:
            return _I2C_ANSWER.pack(errno.ETIMEDOUT, 0)
        return _I2C_ANSWER.pack(0, len(read)) + read


def _answers(part: I2cPart) -> bool:
    try:
        part.read(0)
    except (NoAcknowledge, TimeoutError):
        return False
    return True


class _Adc(_Wire):
    """The converter: a byte asks for a pin, four bytes are its voltage in uV."""

    def __init__(self, board: Board) -> None:
        self._board = board

    def data_received(self, data: bytes) -> None:
        volts = (self._board.microvolts(pin) for pin in data)
        self.transport.write(b"".join(_ADC_ANSWER.pack(max(0, one)) for one in volts))


class _Control(_Wire):
    def __init__(self, board: Board) -> None:
        self._board = board
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._tell_inputs()
        self._board.watch_inputs(self._tell_inputs)

    def data_received(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            self._say(self._board.control(json.loads(line)))

    def _tell_inputs(self) -> None:
        self._say({"pins": self._board.input_pins()})

    def _say(self, message: dict[str, Any] | None) -> None:
        if message is not None and not self.transport.is_closing():
            self.transport.write(json.dumps(message).encode() + b"\n")


class _Wifi(_Wire):
    """A chip's station interface (see ``simulators/node_side/network.py``)."""

    def __init__(self, access_point: AccessPoint) -> None:
        self._pending = b""
        self._station = Station(access_point, self._say)

    def data_received(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in lines:
            asked: dict[str, Any] = json.loads(line)
            if "join" in asked:
                self._station.join(*asked["join"])
            else:
                self._station.leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self._station.close()

    def _say(self, status: int, rssi: int) -> None:
        if not self.transport.is_closing():
            line = json.dumps({"status": status, "rssi": rssi})
            self.transport.write(line.encode() + b"\n")
