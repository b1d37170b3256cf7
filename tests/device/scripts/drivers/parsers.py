"""The parsers under the real interpreter: frames from a file of hex lines, then any bytes."""

import random
import sys

from firmware.node.drivers import bl0942, cse7766, ld2410, sds011, sps30, vl53l1x
from firmware.node.drivers.bme280 import Calibration
from firmware.node.drivers.frames import Frames
from firmware.node.drivers.pms5003 import Parser

parser = Parser()
with open(sys.argv[1]) as file:
    for line in file:
        if parser.feed(bytes.fromhex(line.strip())):
            print(*[value // 10 for value in parser.values])
print("captured", parser.accepted, parser.rejected_sum, parser.skipped)

# One known frame each, and the data sheet's example: this interpreter's integers are good enough.
meter = bytes.fromhex("555A02F7600003AB00401002605D51A65803E9EF710B7A36")
radar = bytes.fromhex("F4F3F2F10D0002AA034F00644C006432005500F8F7F6F5")
assert cse7766.parse(meter) == (2070, 105, 209, 0x0B7A, 5351000)
assert ld2410.parse(radar) == (3, 79, 100, 76, 100, 50)
low = bytes.fromhex("706b4367 18fc7d8e43d6d00b270b8c00f9ff8c3cf8c67017004b".replace(" ", ""))
climate = Calibration(low, bytes.fromhex("6a010014040 01e".replace(" ", "")))
fine = climate.fine(519888)
assert (fine, climate.temperature(fine), climate.pressure(415148, fine)) == (128422, 2508, 100653)

random.seed(4)
parser = Parser()
others = sds011.Parser()
streams = Frames(24, cse7766._fits), Frames(23, ld2410._fits)
good = meter, radar
found = 0
taken = 0
for _ in range(2000):
    data = bytearray(random.getrandbits(8) for _ in range(random.randrange(40)))
    if data and random.getrandbits(1):
        data[:4] = b"\x42\x4d\x00\x1c"
    parser.feed(data)
    others.feed(b"\xaa\xc0" + data)
    taken += len(data)
    bl0942.parse(bytes(data))
    cse7766.parse(bytes(data))
    ld2410.parse(bytes(data))
    for index in (0, 1):
        found += streams[index].feed(data + good[index] * 2) == good[index]
    if len(data) >= 6:
        assert -1 <= sps30.tenths(data, 0) <= 60000
    if len(data) >= 33:
        climate = Calibration(bytes(data[:26]), bytes(data[26:33]))
        fine = climate.fine(519888)
        climate.pressure(415148, fine)
        assert 0 <= climate.humidity(30000, fine) <= 10000
    if len(data) == 17:
        vl53l1x.parse_result(data)
parser.clear()
assert parser.skipped <= taken <= parser.skipped + 32 * parser.accepted + 8 * parser.answers
assert parser.rejected_sum > 100
assert others.skipped > 30000
assert found == 4000, "the next good frame is found, whatever came before it"
print("fuzzed")
