"""The parsers under the real interpreter: frames from a file of hex lines, then any bytes."""

import random
import sys

from firmware.node.drivers import bl0942, sds011, vl53l1x
from firmware.node.drivers.pms5003 import Parser

parser = Parser()
with open(sys.argv[1]) as file:
    for line in file:
        if parser.feed(bytes.fromhex(line.strip())):
            print(*[value // 10 for value in parser.values])
print("captured", parser.accepted, parser.rejected_sum, parser.skipped)

random.seed(4)
parser = Parser()
others = sds011.Parser()
taken = 0
for _ in range(2000):
    data = bytearray(random.getrandbits(8) for _ in range(random.randrange(40)))
    if data and random.getrandbits(1):
        data[:4] = b"\x42\x4d\x00\x1c"
    parser.feed(data)
    others.feed(b"\xaa\xc0" + data)
    taken += len(data)
    bl0942.parse(bytes(data))
    if len(data) == 17:
        vl53l1x.parse_result(data)
parser.clear()
assert parser.skipped <= taken <= parser.skipped + 32 * parser.accepted + 8 * parser.answers
assert parser.rejected_sum > 100
assert others.skipped > 30000
print("fuzzed")
