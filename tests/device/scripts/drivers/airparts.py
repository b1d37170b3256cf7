"""Every air, climate and gas part at once, each with its driver and task, over a street's wires.

Prints what each of them logs, as it happens, until it is killed. Times are short, and a street
second is a hundredth of a real one.
"""

import asyncio
import gc
import time

import machine

from firmware.node.samplers import health, parttask
from firmware.node.samplers.airparts import AirParts
from protocol import configuration, records

SPEED = 100

health._FIRST_MS = 50
health._LAST_MS = 200
parttask._FROZEN_MS = 1200
parttask._BEYOND = 5
parttask._BABBLE = 100
parttask._BABBLE_MS = 500


class Log:
    def __init__(self, name, values):
        self.name = name
        self.values = configuration.effective(values)

    def uptime(self):
        return time.ticks_diff(time.ticks_ms(), start) * SPEED // 1000

    def append(self, kind, *values):
        records.encode(kind, self.uptime(), *values)
        print(self.name, kind, *values)


class Board:
    """The peripherals of one of the parts."""

    def __init__(self, uart=None, i2c=None):
        self._uart = uart
        self._i2c = i2c

    def pms_uart(self):
        return machine.UART(self._uart, 9600, timeout=0)

    def i2c(self):
        return buses[self._i2c]

    def gas_adcs(self):
        return machine.ADC(machine.Pin(2)), machine.ADC(machine.Pin(7))


def post(name, board, values, task):
    log = Log(name, values)
    sampler = getattr(AirParts(board, log, log, log), task)()
    part = sampler.part
    part.POLL_MS = 20
    part.WARM_MS = 150
    part.SILENT_MS = 700
    part.SLOWEST_MS = 400
    return sampler


class Watch:
    """A supervisor's ear: how long a task said nothing."""

    def __init__(self):
        self.last = time.ticks_ms()

    def __call__(self):
        now = time.ticks_ms()
        silence = time.ticks_diff(now, self.last)
        if silence > 15_000:  # as long as the supervisor bears it
            print("silent", silence)
        self.last = now


async def main():
    calibration = {"parts/gas": 2, "gas/we_zero": 2340, "gas/ae_zero": 2280, "gas/sensitivity": 250}
    tasks = [
        asyncio.create_task(sampler.run(Watch()))
        for sampler in (
            post("PMS5003", Board(uart=2), {"parts/air": 2, "air/correction": 1}, "air"),
            post("SDS011", Board(uart=1), {"parts/air": 4}, "air"),
            post("SPS30", Board(i2c=0), {"parts/air": 5}, "air"),
            post("SEN5x", Board(i2c=1), {"parts/air": 6}, "air"),
            post("BME280", Board(i2c=0), {"parts/climate": 2}, "climate"),
            post("NO2", Board(), calibration, "gas"),
        )
    ]
    while not [task for task in tasks if task.done()]:
        gc.collect()
        print("heap", gc.mem_alloc())
        await asyncio.sleep_ms(1000)
    print("a task ended")


buses = machine.I2C(0), machine.I2C(1)
start = time.ticks_ms()
asyncio.run(main())
