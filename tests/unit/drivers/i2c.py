"""Fakes of an I2C master: for the maker's own drivers, and for hostile bytes."""

import asyncio
import random
from collections.abc import Coroutine
from typing import Any, Literal

from sensirion_i2c_driver.transceiver_v1 import I2cTransceiverV1

from simulators.parts import NoAcknowledge
from simulators.peripherals import I2cPart
from tests.unit.drivers.bench import Bench


class Transceiver(I2cTransceiverV1):
    """The wires between a maker's driver and a model; its waits pass in virtual time."""

    def __init__(self, part: I2cPart, bench: Bench) -> None:
        super().__init__()
        self._part = part
        self._bench = bench

    @property
    def description(self) -> Literal[""]:
        return ""

    @property
    def channel_count(self) -> None:
        return None

    def transceive(
        self,
        slave_address: int,
        tx_data: bytes | None,
        rx_length: int | None,
        read_delay: float,
        timeout: float,
    ) -> tuple[int, Exception | None, bytes]:
        assert slave_address == self._part.address
        data = b""
        try:
            if tx_data is not None:
                self._part.write(tx_data)
            self._bench.ms += round(1000 * read_delay)
            if rx_length is not None:
                data = self._part.read(rx_length)
        except NoAcknowledge as error:
            return self.STATUS_NACK, error, b""
        return self.STATUS_OK, None, data


class Hostile:
    """A bus on which somebody answers everything with bytes of no sense, or not at all."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def writeto(self, address: int, data: bytes) -> None:
        if self._random.random() < 0.02:
            raise OSError(19)

    def readfrom_into(self, address: int, into: bytearray) -> None:
        if self._random.random() < 0.02:
            raise OSError(110)
        into[:] = self._random.randbytes(len(into))

    def writeto_mem(self, address: int, register: int, data: bytes, *, addrsize: int = 8) -> None:
        self.writeto(address, data)

    def readfrom_mem_into(
        self, address: int, register: int, into: bytearray, *, addrsize: int = 8
    ) -> None:
        self.readfrom_into(address, into)


def done(work: Coroutine[Any, Any, Any], bench: Bench) -> Any:
    """The result of a driver's coroutine, in virtual time."""
    bench.end = bench.ms + 3_600_000
    return asyncio.run(work)
