"""A bench: the node's samplers on models of their parts, in virtual time.

The samplers are coroutines that only ever wait by ``asyncio.sleep_ms``, so one of them runs to any
virtual moment at once, and exactly the same way each time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from firmware.node.drivers import bme280, pir, pms5003, pulses, sds011, sensirion, vl53l1x
from firmware.node.samplers import conditions, energy, parttask, pause, people, presence
from protocol import configuration, records
from simulators.parts import NoAcknowledge, UartPart
from simulators.peripherals import I2cPart

MODULES: tuple[ModuleType, ...] = (
    bme280,
    conditions,
    energy,
    parttask,
    pause,
    people,
    pir,
    pms5003,
    presence,
    pulses,
    sds011,
    sensirion,
    vl53l1x,
)


class Over(BaseException):
    """The virtual time a test asked for is over."""


class Bench:
    """Virtual machine time (ms), street time at a speed, the log and settings of a node."""

    def __init__(self, speed: float = 1.0) -> None:
        self.ms = 0
        self.speed = speed
        self.end = 0
        self.each: Callable[[], None] = lambda: None  # called as time goes on
        self.checked_in = 0
        self.longest_silence = 0
        self.values: dict[str, Any] = configuration.defaults()
        self.log: list[tuple[int, tuple[int, ...]]] = []

    # What the node's modules know as `time` and `asyncio`.
    def ticks_ms(self) -> int:
        return self.ms

    def ticks_us(self) -> int:
        return self.ms * 1000

    def ticks_diff(self, later: int, earlier: int) -> int:
        return later - earlier

    def ticks_add(self, ticks: int, delta: int) -> int:
        return ticks + delta

    async def sleep_ms(self, duration: int) -> None:
        for _ in range(max(1, duration)):
            self.ms += 1
            self.each()
            if self.ms >= self.end:
                raise Over
        await asyncio.sleep(0)

    # What the models know.
    def machine(self) -> float:
        return self.ms / 1000

    def street(self) -> float:
        return 1_780_000_000 + self.ms / 1000 * self.speed

    # What the samplers know as clock, log and supervisor.
    def uptime(self) -> int:
        return int(self.ms / 1000 * self.speed)

    def append(self, kind: int, *values: int) -> bool:
        records.encode(kind, 1_780_000_000 + self.uptime(), *values)
        self.log.append((kind, values))
        return True

    def check_in(self) -> None:
        self.longest_silence = max(self.longest_silence, self.ms - self.checked_in)
        self.checked_in = self.ms

    def run(self, sampler: Any, seconds: float) -> None:
        """Run a sampler from its start for so many machine seconds."""
        task: Callable[[Callable[[], None]], Awaitable[None]] = sampler.run
        self.end = self.ms + round(seconds * 1000)
        with pytest.raises(Over):
            asyncio.run(self._main(task))
        assert self.longest_silence <= 5000

    async def _main(self, task: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        await task(self.check_in)

    def kinds(self, kind: int) -> list[tuple[int, ...]]:
        """Values of the records of one kind."""
        return [values for logged, values in self.log if logged == kind]


class Port:
    """A UART of the node, with a model at its far end."""

    def __init__(self, bench: Bench, part: UartPart) -> None:
        self._bench = bench
        self._part = part
        self._come = b""
        self.noise = b""
        self.broken = False

    def any(self) -> int:
        if self.broken:
            raise OSError(5)
        self._come += self._part.pending(self._bench.machine()) + self.noise
        self.noise = b""
        return len(self._come)

    def read(self, size: int) -> bytes | None:
        data, self._come = self._come[:size], self._come[size:]
        return data or None

    def readinto(self, buffer: bytearray) -> int | None:
        data = self.read(len(buffer))
        buffer[: len(data or b"")] = data or b""
        return len(data) if data else None

    def write(self, data: bytes) -> None:
        self._part.receive(bytes(data))


class Bus:
    """An I2C bus of the node with one model on it."""

    def __init__(self, part: I2cPart) -> None:
        self._part = part
        self.transactions = 0

    def writeto(self, address: int, data: bytes) -> None:
        self._transact(address, bytes(data))

    def readfrom_into(self, address: int, into: bytearray) -> None:
        self._transact(address, None)
        into[:] = self._read(len(into))

    def writeto_mem(self, address: int, register: int, data: bytes, *, addrsize: int = 8) -> None:
        self._transact(address, register.to_bytes(addrsize // 8, "big") + bytes(data))

    def readfrom_mem_into(
        self, address: int, register: int, into: bytearray, *, addrsize: int = 8
    ) -> None:
        self._transact(address, register.to_bytes(addrsize // 8, "big"))
        into[:] = self._read(len(into))

    def _read(self, n: int) -> bytes:
        try:
            return self._part.read(n)
        except NoAcknowledge as error:
            raise OSError(19) from error

    def _transact(self, address: int, data: bytes | None) -> None:
        assert address == self._part.address
        self.transactions += 1
        try:
            if data is not None:
                self._part.write(data)
        except NoAcknowledge as error:
            raise OSError(19) from error


class Settings:
    """The node's settings as the samplers read them."""

    def __init__(self, bench: Bench) -> None:
        self.values = bench.values


def virtual(bench: Bench) -> Iterator[Bench]:
    """Give the node's modules the bench for `time` and `asyncio` until the iterator goes on."""
    with pytest.MonkeyPatch.context() as patch:
        for module in MODULES:
            for name in ("asyncio", "time"):
                if hasattr(module, name):
                    patch.setattr(module, name, bench)
        yield bench
