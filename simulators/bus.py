"""An RS-485 bus: one pair of wires, many transceivers, one byte at a time.

The gateway's end is a pseudo-terminal that pyserial opens as any serial port; the nodes' ends are
callables. Bytes take their line time, everybody hears everybody else, two who talk at once garble
each other, and a listener at another baud rate hears rubbish.
"""

import asyncio
import math
import os
import random
import termios
import tty
from collections.abc import Callable
from dataclasses import dataclass, field

from simulators.noise import BitErrors

Deliver = Callable[[bytes], None]

# What a timer of the event loop may be late by: epoll_wait(2) counts in milliseconds.
_TIMER_S = 0.002

BITS_PER_BYTE = 10  # 8N1: a start bit, eight data bits, a stop bit

_SPEEDS = {
    getattr(termios, name): int(name[1:])
    for name in dir(termios)
    if name[0] == "B" and name[1:].isdigit()
}


@dataclass(frozen=True)
class Utilisation:
    """What a bus has carried since it was made.

    Attributes:
        bytes: bytes sent, whoever sent them.
        busy_s: seconds during which somebody drove the line.
        elapsed_s: seconds since the bus was made.
        collisions: overlaps of two transmissions.
        overruns: bytes for the gateway that nobody had taken from the port in time.
    """

    bytes: int
    busy_s: float
    elapsed_s: float
    collisions: int
    overruns: int

    @property
    def share(self) -> float:
        """Part of the time that the line was driven, 0..1."""
        return min(1.0, self.busy_s / self.elapsed_s) if self.elapsed_s > 0 else 0.0


@dataclass(eq=False)
class _Transmission:
    port: "BusPort"
    start: float
    end: float
    baud: int
    data: bytes
    # Byte ranges somebody else talked into, with who it was.
    collisions: list[tuple[int, int, "BusPort"]] = field(
        default_factory=list[tuple[int, int, "BusPort"]]
    )


@dataclass(eq=False)
class BusPort:
    """One transceiver on the bus.

    Attributes:
        baud: the rate it talks and listens at.
        connected: False while its wires are cut: it neither hears nor is heard.
    """

    bus: "Bus"
    deliver: Deliver
    baud: int
    connected: bool = True
    busy_until: float = 0.0

    def transmit(self, data: bytes, start: float | None = None) -> None:
        """Put ``data`` on the line, after what this port still has to say.

        Args:
            data: what to say.
            start: of the event loop's time, when to begin; now, when it is not given. It may have
                passed by a little: then the simulation's own computing takes no line time.
        """
        if data and self.connected:
            self.bus.transmit(self, data, start)

    def leave(self) -> None:
        """Take the transceiver off the bus."""
        self.bus.leave(self)


class Bus:
    """The line. To be used within a running event loop.

    Args:
        baud: bits per second that a port has which asks for no other.
        bit_error_rate: chance that a bit on the line is flipped, 0..1.
        seed: of the noise; the same transmissions then suffer the same errors.
        exact: deliver to the microsecond, by spinning; the event loop's own timers are up to a
            millisecond late.

    Attributes:
        noise: what flips the bits.
        arrived: of the event loop's time, when what is being delivered had wholly arrived.

    Raises:
        ValueError: a bit error rate outside 0..1.
    """

    def __init__(
        self,
        baud: int = 115_200,
        bit_error_rate: float = 0.0,
        seed: int = 0,
        exact: bool = False,
    ) -> None:
        self.baud = baud
        self._loop = asyncio.get_running_loop()
        self._random = random.Random(f"bus {seed}")
        self._ports: list[BusPort] = []
        self._on_air: list[_Transmission] = []
        self._bytes = 0
        self._busy = 0.0
        self._driven_until = 0.0
        self._collisions = 0
        self._born = self._loop.time()
        self.noise = BitErrors(bit_error_rate, f"noise {seed}")
        self.arrived = self._born
        self._early = _TIMER_S if exact else 0.0
        self._gateway: _GatewayPort | None = None

    def join(self, deliver: Deliver, baud: int | None = None) -> BusPort:
        """A new port; ``deliver`` is called with what it hears."""
        port = BusPort(self, deliver, baud or self.baud)
        self._ports.append(port)
        return port

    def leave(self, port: BusPort) -> None:
        """Take ``port`` off the bus; nothing happens when it is not on it."""
        if port in self._ports:
            self._ports.remove(port)

    def open_gateway_port(self) -> str:
        """The path of the gateway's serial port, made at the first call."""
        if self._gateway is None:
            self._gateway = _GatewayPort(self)
        return self._gateway.path

    def utilisation(self) -> Utilisation:
        """What the bus has carried so far."""
        return Utilisation(
            self._bytes,
            self._busy,
            self._loop.time() - self._born,
            self._collisions,
            self._gateway.overruns if self._gateway else 0,
        )

    def close(self) -> None:
        """Close the gateway's port; what is on the line is never heard."""
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None
        self._ports.clear()

    def transmit(self, port: BusPort, data: bytes, start: float | None = None) -> None:
        """Put ``data`` of ``port`` on the line (:meth:`BusPort.transmit` is the way to do it)."""
        start = max(self._loop.time() if start is None else start, port.busy_until)
        end = start + len(data) * BITS_PER_BYTE / port.baud
        port.busy_until = end
        sent = _Transmission(port, start, end, port.baud, data)
        for other in self._on_air:
            if other.port is not port and other.end > start and other.start < end:
                self._collisions += 1
                _collide(sent, other)
                _collide(other, sent)
        self._on_air.append(sent)
        self._bytes += len(data)
        self._busy += end - max(start, min(end, self._driven_until))
        self._driven_until = max(self._driven_until, end)
        self._loop.call_at(end - self._early, self._arrive, sent)

    def _arrive(self, sent: _Transmission) -> None:
        if self._early and self._loop.time() < sent.end:
            self._loop.call_soon(self._arrive, sent)
            return
        self.arrived = sent.end
        self._on_air.remove(sent)
        data = self.noise(sent.data)
        for port in tuple(self._ports):
            if port is sent.port or not port.connected:
                continue
            heard = data
            if sent.collisions:
                heard = self._collided(data, sent, port)
            if port.baud != sent.baud:
                heard = self._rubbish(len(data), port.baud / sent.baud)
            if heard:
                port.deliver(heard)

    def _collided(self, data: bytes, sent: _Transmission, port: BusPort) -> bytes:
        heard = bytearray(data)
        for first, last, other in sorted(sent.collisions, key=lambda hit: hit[0], reverse=True):
            if other is port:  # its own transmitter was on and its receiver off
                del heard[first:last]
            else:
                heard[first:last] = self._random.randbytes(len(heard[first:last]))
        return bytes(heard)

    def _rubbish(self, count: int, ratio: float) -> bytes:
        return self._random.randbytes(max(1, min(4 * count, round(count * ratio))))


def _collide(sent: _Transmission, other: _Transmission) -> None:
    per_byte = BITS_PER_BYTE / sent.baud
    first = math.floor((max(sent.start, other.start) - sent.start) / per_byte)
    last = math.ceil((min(sent.end, other.end) - sent.start) / per_byte)
    sent.collisions.append((max(0, first), min(len(sent.data), last), other.port))


class _GatewayPort:
    """The pseudo-terminal: its other side belongs to whoever opens ``path``."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        settings = termios.tcgetattr(self._slave)
        speed = getattr(termios, f"B{bus.baud}", None)
        if speed is not None:
            settings[4] = settings[5] = speed
            termios.tcsetattr(self._slave, termios.TCSANOW, settings)
        os.set_blocking(self._master, False)
        # The slave stays open here too: without a reader the port is quiet, not hung up.
        self.path = os.ttyname(self._slave)
        self.overruns = 0
        self._port = bus.join(self._to_gateway)
        asyncio.get_running_loop().add_reader(self._master, self._from_gateway)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._master)
        self._port.leave()
        os.close(self._master)
        os.close(self._slave)

    def _from_gateway(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except BlockingIOError:
            return
        self._see_speed()
        self._port.transmit(data)

    def _to_gateway(self, data: bytes) -> None:
        self._see_speed()
        try:
            written = os.write(self._master, data)
        except BlockingIOError:
            written = 0
        self.overruns += len(data) - written

    def _see_speed(self) -> None:
        # A pseudo-terminal has one set of settings: the master sees what pyserial has set.
        speed = termios.tcgetattr(self._master)[5]
        self._port.baud = _SPEEDS.get(speed) or 1
