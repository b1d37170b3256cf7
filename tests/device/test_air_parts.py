"""The drivers and tasks of the air parts under the real MicroPython, on models of every part."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from protocol import records
from simulators.accesspoint import AccessPoint
from simulators.node_process import NODE_SIDE
from simulators.parts import Air, Climate, SteadySurroundings, sensirion, talking
from simulators.parts.bme280 import Bme280
from simulators.parts.gas import GasPair
from simulators.parts.pms5003 import Pms5003
from simulators.parts.sds011 import Sds011
from simulators.parts.sen5x import Sen5x
from simulators.parts.sps30 import Sps30
from simulators.peripherals import I2cPart, NothingThere, PartLine, PeripheralServer, UartEnd
from simulators.tools import Interpreter

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).parent / "scripts" / "drivers" / "airparts.py"
NODE = "02a1b2c3d4e5"
PATIENCE = 60
LOST, BACK = records.EVENT_SENSOR_LOST, records.EVENT_SENSOR_BACK
SUSPECT = records.EVENT_SENSOR_SUSPECT
KINDS = {"BME280": records.CLIMATE, "NO2": records.GAS}


class Parts:
    """A board with every part on it (:class:`simulators.peripherals.Board`)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        def fast() -> float:
            return clock() * 20  # the I2C parts measure 20 times a second

        world = SteadySurroundings(Air(4, 8, 12), Climate(12.5, 70, 101_300), 30)
        self.pms, self.sds = Pms5003(world, clock, Random(1)), Sds011(world, clock, Random(2))
        self.sps, self.sen = Sps30(world, fast, Random(3)), Sen5x(world, fast, Random(4))
        self.bme, self.no2 = Bme280(world, clock, Random(5)), GasPair(world, Random(6))
        self.all: dict[str, Any] = {
            "PMS5003": self.pms,
            "SDS011": self.sds,
            "SPS30": self.sps,
            "SEN5x": self.sen,
            "BME280": self.bme,
            "NO2": self.no2,
        }

    def control(self, message: dict[str, Any]) -> None:
        pass

    def input_pins(self) -> dict[int, int]:
        return {}

    def watch_inputs(self, changed: Callable[[], None]) -> None:
        pass

    def access_point(self) -> AccessPoint:
        return AccessPoint()

    def open_radio(self, send: Callable[[bytes], None]) -> UartEnd | None:
        return None

    def open_uart(self, number: int, baud: int, send: Callable[[bytes], None]) -> UartEnd:
        part = {2: self.pms, 1: self.sds}.get(number)
        return NothingThere() if part is None else PartLine(part, baud, send)

    def i2c_parts(self, number: int) -> list[I2cPart]:
        return [self.sps, self.bme] if number == 0 else [self.sen]

    def microvolts(self, pin: int) -> int:
        return self.no2.working_uv() if pin == 2 else self.no2.auxiliary_uv()


class Node:
    """The lines that the script prints, by part."""

    def __init__(self, lines: asyncio.StreamReader, parts: Parts) -> None:
        self._lines = lines
        self.parts = parts

    async def next(self) -> tuple[str, int, tuple[int, ...]]:
        """(part, kind, values) of the next record."""
        while True:
            line = (await self._lines.readline()).decode().split()
            assert line, "the script ended"
            assert line[0] not in ("silent", "a"), line
            if line[0] in self.parts.all:
                return line[0], int(line[1]), tuple(int(word) for word in line[2:])

    async def event_of_each(self, code: int, names: set[str], beside: tuple[int, ...] = ()) -> None:
        """Wait until each of the named parts has told the event once.

        Others than those ``beside`` it fail, from whichever part.
        """
        while names:
            name, kind, (told, *values) = await self.next()
            if kind != records.EVENT or told in beside:
                continue
            assert name in names, (name, told)
            assert [told, *values] == [code, KINDS.get(name, records.AIR)], name
            names = names - {name}

    async def record_of_each(self, names: set[str]) -> dict[str, tuple[int, ...]]:
        """Wait for the next record of each of the named parts."""
        found: dict[str, tuple[int, ...]] = {}
        while names - found.keys():
            name, kind, values = await self.next()
            assert kind != records.EVENT, (name, values)
            found[name] = values
        return found


@asynccontextmanager
async def node(interpreter: Interpreter, folder: Path) -> AsyncIterator[Node]:
    """The script in a process of its own, wired to the models."""
    parts = Parts(asyncio.get_running_loop().time)
    server = PeripheralServer(folder / "street.sock")
    server.boards[NODE] = parts
    await server.start()
    process = await asyncio.create_subprocess_exec(
        *interpreter.argv(SCRIPT, heap="256K"),
        stdout=asyncio.subprocess.PIPE,
        cwd=folder,
        env=interpreter.environment(
            [NODE_SIDE, REPOSITORY],
            {
                "LAMPLIGHTER_SIM_SOCKET": str(server.path),
                "LAMPLIGHTER_SIM_NODE": NODE,
                "TZ": "UTC",
            },
        ),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            yield Node(process.stdout, parts)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await server.close()
        await asyncio.sleep(0)


async def test_every_part_measures_and_each_of_its_troubles_is_told_and_mended(
    micropython: Interpreter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(talking, "_PACE_S", 0.05)
    monkeypatch.setattr(talking, "_SETTLE_S", 0.05)
    monkeypatch.setattr(sensirion, "_SETTLE_S", 0.05)
    async with node(micropython, tmp_path) as running:
        models = running.parts.all
        every = set(models)

        # Some records on, so that each is of a whole period.
        await running.record_of_each(every)
        await running.record_of_each(every)
        check_means(await running.record_of_each(every))

        for model in models.values():
            model.absent = True
        await running.event_of_each(LOST, every)
        for model in models.values():
            model.absent = False
            model.brown_out()
        await running.event_of_each(BACK, every)
        check_means(await running.record_of_each(every))

        babblers = every - {"NO2"}  # which has no bytes
        for name in babblers:
            models[name].babbling = True
        # Restarted, some cannot even be recognised: they are lost as well.
        await running.event_of_each(SUSPECT, babblers, (LOST,))
        for name in babblers:
            models[name].babbling = False
        await running.event_of_each(BACK, babblers, (LOST,))

        for model in models.values():
            model.lying = Air(3000, 5000, 6000)
        await running.event_of_each(SUSPECT, every)
        for model in models.values():
            model.lying = None
        await running.event_of_each(BACK, every)

        for model in models.values():
            model.frozen = True
        await running.event_of_each(SUSPECT, every)
        # A restart cures those that can be restarted; nothing but power does the others.
        models["BME280"].frozen = models["NO2"].frozen = False
        await running.event_of_each(BACK, every)
        assert not any(model.frozen for model in models.values())
        await running.record_of_each(every)
        check_means(await running.record_of_each(every))


def check_means(found: dict[str, tuple[int, ...]]) -> None:
    for name in ("PMS5003", "SDS011", "SPS30", "SEN5x"):
        _, count, _, pm1, pm25, pm10, least, greatest, corrected, _ = found[name]
        assert count >= 1
        assert pm1 == 0 if name == "SDS011" else abs(pm1 - 40) <= 10
        assert abs(pm25 - 80) <= 12
        assert abs(pm10 - 120) <= 15
        assert least <= pm25 <= greatest
        assert corrected == pm25
    assert found["PMS5003"][-1] & records.FLAG_NO_HUMIDITY
    assert found["SDS011"][-1] & records.FLAG_NO_PM1
    _, _, temperature, humidity, pressure, _, _ = found["BME280"]
    assert abs(temperature - 1250) <= 5
    assert abs(humidity - 7000) <= 20
    assert abs(pressure - 101_300) <= 10
    _, _, _, no2, least, greatest, flags = found["NO2"]
    assert abs(no2 - 300) <= 40  # 12.5 C instead of the 20 C it is taken for, and noise
    assert least <= no2 <= greatest
    assert flags & records.FLAG_NO_TEMPERATURE
