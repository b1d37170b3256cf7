"""A lamppost and a record of it, for dialects."""

from __future__ import annotations

from gateway.buffer.rows import Row
from gateway.outlets.dialect import Post
from gateway.outlets.readings import Reading, readings
from protocol import records

NODE = bytes.fromhex("a0b1c2d3e4f5")
NOW = 1_800_000_000
POST = Post(NODE, "North Street 1", 60, True, "1.2.0", "lamppost-s3")
SILENT = POST._replace(up=False)
AIR = records.encode(records.AIR, NOW, 300, 300, 1000, 80, 123, 150, 100, 200, 118, 0)
CLIMATE = records.encode(records.CLIMATE, NOW, 300, 300, -512, 8100, 0, 0, 0)
BEFORE_CLOCK = records.encode(records.AIR, 77, 300, 300, 1000, 0, 5, 6, 4, 6, 5, 256)


def rows(*bodies: bytes) -> list[Row]:
    return [Row(number + 1, NODE, 3, number, body) for number, body in enumerate(bodies)]


def of(*bodies: bytes) -> list[Reading]:
    return readings(rows(*bodies))
