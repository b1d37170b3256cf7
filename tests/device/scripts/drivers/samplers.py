"""The three samplers at once under real asyncio, on stand-ins for their parts: alive, then dead."""

import asyncio
import gc
import struct
import time

from firmware.node.drivers.bl0942 import MICROJOULES, Bl0942
from firmware.node.drivers.pms5003 import Pms5003
from firmware.node.samplers import air, energy, people
from protocol import configuration, records

# The settling of a real sensor is too long for a test.
Pms5003.WARM_MS = 300
Pms5003.SILENT_MS = 600


class Street:
    """Clock, log and settings of a node whose street runs 340 times as fast."""

    def __init__(self):
        self.values = configuration.defaults()
        self.kinds = {}
        self.events = []
        self.silences = []

    def uptime(self):
        return time.ticks_diff(time.ticks_ms(), start) * 340 // 1000

    def append(self, kind, *values):
        records.encode(kind, self.uptime(), *values)
        if kind == records.EVENT:
            self.events.append(values)
        else:
            self.kinds[kind] = values


class Particles:
    """A PMS5003 that sends a frame each 100 ms."""

    alive = True

    def __init__(self):
        body = b"\x42\x4d\x00\x1c" + struct.pack(">13H", 0, 0, 0, 4, 8, 12, 0, 0, 0, 0, 0, 0, 0)
        self.frame = body + struct.pack(">H", sum(body))
        self.last = time.ticks_ms()

    def any(self):
        due = time.ticks_diff(time.ticks_ms(), self.last) >= 100
        return len(self.frame) if due and self.alive else 0

    def readinto(self, buffer):
        self.last = time.ticks_ms()
        buffer[: len(self.frame)] = self.frame
        return len(self.frame)

    def write(self, data):
        return len(data)


class Meter:
    """A BL0942 at 230 V and 60 W, whose counter goes with them in street time."""

    alive = True
    reply = b""

    def __init__(self, street):
        self.street = street

    def any(self):
        return len(self.reply)

    def read(self, size):
        data, self.reply = self.reply[:size], self.reply[size:]
        return data

    def write(self, data):
        assert data == b"\x58\xaa"
        if self.alive:
            count = 60_000_000 * self.street.uptime() // MICROJOULES
            fields = (65541, 3653168, 65541, 37404, count)
            body = b"\x55" + b"".join(field.to_bytes(3, "little") for field in fields)
            body += b"\x20\x4e\x00\x00\x00\x00"
            self.reply = body + bytes((~(0x58 + sum(body)) & 0xFF,))


class Bus:
    """A VL53L1X that sees the pavement."""

    alive = True
    noise = 0

    def __init__(self):
        self.registers = bytearray(0x200)
        self.registers[0xE5] = 3
        self.registers[0x10F:0x111] = b"\xea\xcc"

    def writeto_mem(self, address, register, data, addrsize=8):
        self.check(address, addrsize)
        self.registers[register : register + len(data)] = data

    def readfrom_mem_into(self, address, register, into, addrsize=8):
        self.check(address, addrsize)
        self.registers[0x31] = 1
        self.registers[0x89] = 9
        # Never the same twice: that would be a part that hangs.
        self.noise ^= 1
        self.registers[0x89 + 13 : 0x89 + 15] = bytes((0x0B, 0xB8 + self.noise))
        into[:] = self.registers[register : register + len(into)]

    def check(self, address, addrsize):
        assert (address, addrsize) == (0x29, 16)
        if not self.alive:
            raise OSError(19)


class Watch:
    """A supervisor's ear: how long a task said nothing."""

    def __init__(self):
        self.last = time.ticks_ms()
        self.longest = 0

    def __call__(self):
        now = time.ticks_ms()
        self.longest = max(self.longest, time.ticks_diff(now, self.last))
        self.last = now


async def main():
    street = Street()
    parts = Particles(), Bus(), Meter(street)
    samplers = (
        air.AirSampler(Pms5003(parts[0]), street, street, street),
        people.PeopleSampler(parts[1], street, street, street),
        energy.EnergySampler(Bl0942(parts[2]), street, street, street),
    )
    watches = []
    tasks = []
    for sampler in samplers:
        watches.append(Watch())
        tasks.append(asyncio.create_task(sampler.run(watches[-1])))
    await asyncio.sleep_ms(4500)
    for kind in (records.AIR, records.PEOPLE, records.ENERGY):
        print(records.KINDS[kind][0], *street.kinds[kind])
    print("healthy", *[one.healthy for one in samplers])
    for part in parts:
        part.alive = False
    await asyncio.sleep_ms(5000)
    print("healthy", *[one.healthy for one in samplers])
    print("lost", *sorted(kind for code, kind in street.events))
    for part in parts:
        part.alive = True
    await asyncio.sleep_ms(9000)
    print("healthy", *[one.healthy for one in samplers])
    print("events", len(street.events))
    assert not [task for task in tasks if task.done()]
    assert max(watch.longest for watch in watches) < 5000
    gc.collect()
    print("heap", gc.mem_alloc())


start = time.ticks_ms()
asyncio.run(main())
