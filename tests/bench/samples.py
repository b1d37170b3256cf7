"""Records such as a lamppost logs in a night, for the measurements to work on."""

from __future__ import annotations

import random

from protocol import records

NODE = bytes.fromhex("a0b1c2d3e4f5")
KEY = bytes(range(16))
START = 1_792_166_400  # 2026-10-16 16:00 UTC


def night(count: int, seed: int = 1) -> list[bytes]:
    """``count`` records in the proportions of a night: mostly air, people and energy."""
    chance = random.Random(seed)
    made: list[bytes] = []
    total = 48_000
    for number in range(count):
        time = START + number * 60
        turn = number % 16
        if turn == 15:
            made.append(_status(chance, time))
        elif turn == 14:
            made.append(records.encode(records.LAMP, time, chance.randrange(101), 1, 80))
        elif turn % 3 == 0:
            pm25 = chance.randrange(60, 240)
            means = (pm25 - 20, pm25, pm25 + 45, pm25 - 15, pm25 + 30, pm25 - 10)
            made.append(records.encode(records.AIR, time, 300, 300, 1000, *means, 0))
        elif turn % 3 == 1:
            people = (300, chance.randrange(40), chance.randrange(40), 1000, 40, 0)
            made.append(records.encode(records.PEOPLE, time, *people))
        else:
            total += chance.randrange(1, 5)
            energy = (900, total, 2310 + chance.randrange(40), 150, 312)
            made.append(records.encode(records.ENERGY, time, *energy))
    return made


def _status(chance: random.Random, time: int) -> bytes:
    free = chance.randrange(40_000, 90_000)
    values = (time - START, free, free - 20_000, chance.randrange(20), 0, 0)
    return records.encode(records.STATUS, time, *values)
