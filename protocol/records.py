"""What a lamppost writes down: record kinds with their fields, units and bounds.

A record is a CBOR array [kind, time, field...] of integers. `time` is the end of what it covers:
Unix seconds (UTC), or, below CLOCK_EPOCH, seconds since start of a lamppost whose clock has not
been set. Its key everywhere is (node, epoch, sequence), which its log adds.
"""

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from . import cbor
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# Times below this are seconds since start. (1,000,000,000 s = 2001-09-09, before any lamppost.)
CLOCK_EPOCH = 1_000_000_000
MAX_TIME = 0xFFFFFFFF
# The largest record: kind, time and seven 32-bit fields.
MAX_SIZE = 48

BOOT = 1
AIR = 2
PEOPLE = 3
ENERGY = 4
LAMP = 5
EVENT = 6
STATUS = 7
CLIMATE = 8
GAS = 9
COUNTERS = 10
FAULT = 11
MEMORY = 12
RESETS = 13

_U8 = 0xFF
_U16 = 0xFFFF
_U32 = 0xFFFFFFFF

# kind: (name, ((field, unit, lowest, highest), ...))
KINDS: "dict[int, tuple[str, tuple[tuple[str, str, int, int], ...]]]" = {
    BOOT: (
        "boot",
        (
            ("reset_cause", "code", 0, _U8),
            ("version", "packed", 0, _U32),  # major << 24 | minor << 16 | revision
            ("slot", "number", 0, 1),
            ("trial", "flag", 0, 1),
            ("boots", "count", 0, _U32),
        ),
    ),
    AIR: (
        "air",
        (
            ("period", "s", 1, 86400),
            ("count", "samples", 1, _U16),
            ("coverage", "per mille", 0, 1000),
            ("pm1", "0.1 ug/m3", 0, _U16),
            ("pm25", "0.1 ug/m3", 0, _U16),
            ("pm10", "0.1 ug/m3", 0, _U16),
            ("pm25_min", "0.1 ug/m3", 0, _U16),
            ("pm25_max", "0.1 ug/m3", 0, _U16),
            ("pm25_corrected", "0.1 ug/m3", 0, _U16),
            ("flags", "bits", 0, _U16),
        ),
    ),
    PEOPLE: (
        "people",
        (
            ("period", "s", 1, 86400),
            ("towards", "people", 0, _U16),
            ("away", "people", 0, _U16),
            ("coverage", "per mille", 0, 1000),
            ("counted", "people", 0, _U16),  # told apart; towards and away estimate all who came
            ("flags", "bits", 0, _U16),
        ),
    ),
    ENERGY: (
        "energy",
        (
            ("period", "s", 1, 86400),
            ("total", "Wh", 0, _U32),
            ("voltage", "0.1 V", 0, _U16),
            ("current", "mA", 0, _U16),
            ("power", "0.1 W", 0, _U16),
        ),
    ),
    LAMP: (
        "lamp",
        (
            # As commanded: the driver's share (virtual output, constant light) is not in them, nor
            # is what somebody near makes of them: when people came by leaves no lamppost.
            ("level", "%", 0, 100),
            ("reason", "code", 0, _U8),
            ("wanted", "%", 0, 100),
        ),
    ),
    EVENT: (
        "event",
        (
            ("code", "code", 0, _U16),
            ("value", "number", -(1 << 31), _U32),
        ),
    ),
    STATUS: (
        "status",
        (
            ("uptime", "s", 0, _U32),
            ("heap_free", "bytes", 0, _U32),
            ("heap_low", "bytes", 0, _U32),
            ("rejected_frames", "count", 0, _U32),
            ("task_restarts", "count", 0, _U32),
            ("overwritten", "records", 0, _U32),
        ),
    ),
    CLIMATE: (
        "climate",
        (
            ("period", "s", 1, 86400),
            ("count", "samples", 1, _U16),
            ("temperature", "0.01 C", -10000, 10000),
            ("humidity", "0.01 %", 0, 10000),
            ("pressure", "Pa", 0, 200000),  # 0: the part does not measure it
            ("voc", "0.1 index", 0, 5000),  # the same; indices are 1 to 500
            ("nox", "0.1 index", 0, 5000),
        ),
    ),
    GAS: (
        "gas",
        (
            ("period", "s", 1, 86400),
            ("count", "samples", 1, _U16),
            ("coverage", "per mille", 0, 1000),
            ("no2", "0.1 ppb", -32768, 32767),
            ("no2_min", "0.1 ppb", -32768, 32767),
            ("no2_max", "0.1 ppb", -32768, 32767),
            ("flags", "bits", 0, _U16),
        ),
    ),
    COUNTERS: (
        "counters",
        (
            ("burn_minutes", "min", 0, _U32),
            ("switch_on", "count", 0, _U32),
        ),
    ),
    FAULT: (
        "fault",
        (
            ("fault", "code", 0, _U8),
            ("raised", "flag", 0, 1),
            ("level", "%", 0, 100),
            ("power", "0.1 W", 0, _U16),
            ("expected", "0.1 W", 0, _U16),
            ("voltage", "0.1 V", 0, _U16),
        ),
    ),
    MEMORY: (
        "memory",
        (
            ("heap_free", "bytes", 0, _U32),
            ("heap_largest", "bytes", 0, _U32),
            ("idf_free", "bytes", 0, _U32),
            ("idf_largest", "bytes", 0, _U32),
            ("idf_low", "bytes", 0, _U32),
            ("flash_free", "bytes", 0, _U32),
        ),
    ),
    RESETS: (
        "resets",
        (
            ("power_on", "count", 0, _U32),
            ("brown_out", "count", 0, _U32),
            ("hard", "count", 0, _U32),
            ("watchdog", "count", 0, _U32),
            ("soft", "count", 0, _U32),
            ("crashes", "count", 0, _U32),
        ),
    ),
}

# Data quality flags of AIR, GAS and PEOPLE records: why a value should be read with care.
FLAG_LOW_COVERAGE = 1  # fewer than three quarters of the samples expected
FLAG_FROZEN = 2  # the part said the same to the last digit for too long
FLAG_OUT_OF_RANGE = 4  # samples beyond what the part can measure were left out
FLAG_NO_HUMIDITY = 8  # corrected without a humidity, so not corrected
FLAG_RESTARTED = 16  # the part started anew within the period
FLAG_PART_FAULT = 32  # the part itself reports a fault (fan, laser)
FLAG_CROWDED = 64  # somebody was below for more than half the time: newcomers mostly estimated
FLAG_NO_TEMPERATURE = 128  # corrected as if it were 20 C, without a temperature
FLAG_NO_PM1 = 256  # the part does not measure PM1, which is 0

# Faults of a lamp (TALQ: lampFailure, lampUnexpectedOn, cyclingFailure, ...). A BOOT record ends
# all that stand: what is still wrong after a start is raised again.
FAULT_LAMP = 1
FAULT_DAY_BURNER = 2
FAULT_CYCLING = 3
FAULT_DIMMING = 4
FAULT_POWER_HIGH = 5
FAULT_POWER_LOW = 6
FAULT_RELAY = 7
FAULT_SUPPLY = 8
FAULTS = {
    FAULT_LAMP: "lamp failure",
    FAULT_DAY_BURNER: "day burner",
    FAULT_CYCLING: "cycling",
    FAULT_DIMMING: "dimming failure",
    FAULT_POWER_HIGH: "power too high",
    FAULT_POWER_LOW: "power too low",
    FAULT_RELAY: "relay failure",
    FAULT_SUPPLY: "supply loss",
}

# Reasons of a dimming level, from weakest to strongest (TALQ: default, program, sensor, override).
REASON_DEFAULT = 0
REASON_PROGRAM = 1
REASON_SENSOR = 2
REASON_OVERRIDE = 3
REASON_FAILSAFE = 4
REASON_IDENTIFY = 5
REASONS = ("default", "program", "sensor", "override", "failsafe", "identify")

# Reset causes, those of MicroPython's machine.reset_cause() on the ESP32.
RESET_CAUSES = {
    0: "unknown",
    1: "power on",
    2: "hard reset",
    3: "watchdog",
    4: "deep sleep",
    5: "soft reset",
}

# Event codes; the value's meaning stands beside each.
EVENT_CLOCK_SET = 1  # seconds since start when the clock was first set
EVENT_CLOCK_STEPPED = 2  # correction in s
EVENT_TASK_RESTARTED = 3  # index of the task in the supervisor's order
EVENT_TASK_HUNG = 4  # index of the task
EVENT_LOG_OVERWRITTEN = 5  # records lost since the last such event
EVENT_CONFIGURATION_APPLIED = 6  # its version
EVENT_CONFIGURATION_REFUSED = 7  # its version
EVENT_UPDATE_VERIFIED = 8  # security counter of the image
EVENT_UPDATE_REFUSED = 9  # refusal code
EVENT_UPDATE_CONFIRMED = 10  # slot
EVENT_UPDATE_REVERTED = 11  # slot gone back to
EVENT_SENSOR_LOST = 12  # kind of record that is missing
EVENT_SENSOR_BACK = 13  # kind of record that is back
EVENT_OVERRIDE_SET = 14  # level
EVENT_OVERRIDE_ENDED = 15  # level it had
EVENT_REPLAY_REFUSED = 16  # refusals so far
EVENT_LOG_FAILED = 17  # records that could not be written since the last such event
EVENT_CRASHED = 18  # CRC-32 of the traceback, which CRASH has
EVENT_SAFE_MODE = 19  # crashes in a row that led to it
# Rung of the ladder entered: 2 the photocell instead of the clock, 3 no clock, 4 no configuration,
# 5 a configuration that makes no sense; 0 for none any more.
EVENT_FAIL_SAFE = 20
EVENT_FLASH_MENDED = 21  # what the boot stage had to mend, a code
EVENT_FLASH_FULL = 22  # bytes free
EVENT_LINK_CHOSEN = 23  # link code
EVENT_KEY_CHANGED = 24  # key id now in force
EVENT_SENSOR_SUSPECT = 25  # kind of record whose part babbles, freezes or lies out of range
EVENT_BURN = 26  # seconds of commissioning burn begun
EVENT_DELTA_REFUSED = 27  # refusal code; the whole image is asked for instead
EVENT_MULTICAST_TAKEN = 28  # bytes received by multicast
EVENTS = {
    EVENT_CLOCK_SET: "clock set",
    EVENT_CLOCK_STEPPED: "clock stepped",
    EVENT_TASK_RESTARTED: "task restarted",
    EVENT_TASK_HUNG: "task hung",
    EVENT_LOG_OVERWRITTEN: "log overwritten",
    EVENT_CONFIGURATION_APPLIED: "configuration applied",
    EVENT_CONFIGURATION_REFUSED: "configuration refused",
    EVENT_UPDATE_VERIFIED: "update verified",
    EVENT_UPDATE_REFUSED: "update refused",
    EVENT_UPDATE_CONFIRMED: "update confirmed",
    EVENT_UPDATE_REVERTED: "update reverted",
    EVENT_SENSOR_LOST: "sensor lost",
    EVENT_SENSOR_BACK: "sensor back",
    EVENT_OVERRIDE_SET: "override set",
    EVENT_OVERRIDE_ENDED: "override ended",
    EVENT_REPLAY_REFUSED: "replay refused",
    EVENT_LOG_FAILED: "log failed",
    EVENT_CRASHED: "crashed",
    EVENT_SAFE_MODE: "safe mode",
    EVENT_FAIL_SAFE: "fail-safe",
    EVENT_FLASH_MENDED: "flash mended",
    EVENT_FLASH_FULL: "flash full",
    EVENT_LINK_CHOSEN: "link chosen",
    EVENT_KEY_CHANGED: "key changed",
    EVENT_SENSOR_SUSPECT: "sensor suspect",
    EVENT_BURN: "commissioning burn",
    EVENT_DELTA_REFUSED: "delta refused",
    EVENT_MULTICAST_TAKEN: "multicast taken",
}


def encode(kind: int, time: int, *values: int) -> bytes:
    """The bytes of one record. Raises ProtocolError when a field is missing or out of bounds."""
    check(kind, time, values)
    return cbor.dumps([kind, time] + list(values))


def decode(data: "bytes | bytearray | memoryview") -> "tuple[int, int, tuple[int, ...]]":
    """(kind, time, values) of the bytes of one record. Raises ProtocolError for anything else."""
    if len(data) > MAX_SIZE:
        raise ProtocolError("record: %d bytes, at most %d" % (len(data), MAX_SIZE))
    record = cbor.loads(data)
    if not isinstance(record, list) or len(record) < 2:
        raise ProtocolError("record: must be an array of kind, time and fields")
    kind = record[0]
    time = record[1]
    values = tuple(record[2:])
    check(kind, time, values)
    return kind, time, values


def to_dict(data: "bytes | bytearray | memoryview") -> "dict[str, int | str]":
    """A record's bytes as {"kind": name, "time": s, field: value, ...}. Raises ProtocolError."""
    kind, time, values = decode(data)
    name, fields = KINDS[kind]
    out: dict[str, int | str] = {"kind": name, "time": time}
    for index in range(len(fields)):
        out[fields[index][0]] = values[index]
    return out


def field(kind: int, name: str) -> int:
    """Which of a record's values is the field `name`. Raises KeyError where there is none."""
    fields = KINDS[kind][1]
    for index in range(len(fields)):
        if fields[index][0] == name:
            return index
    raise KeyError(name)


def clamp(kind: int, values: "Sequence[int]") -> "list[int]":
    """`values` brought inside the bounds of their fields: a node must not fail to log."""
    fields = KINDS[kind][1]
    return [min(max(values[i], fields[i][2]), fields[i][3]) for i in range(len(fields))]


def check(kind: "Any", time: "Any", values: "Sequence[Any]") -> None:
    """Raise ProtocolError unless these, read from anywhere, are a record's."""
    if not isinstance(kind, int) or isinstance(kind, bool) or kind not in KINDS:
        raise ProtocolError(f"record: unknown kind {kind!r}")
    name, fields = KINDS[kind]
    if not isinstance(time, int) or isinstance(time, bool) or not 0 <= time <= MAX_TIME:
        raise ProtocolError("record %s: time must be 0 to %d, got %r" % (name, MAX_TIME, time))
    if len(values) != len(fields):
        raise ProtocolError(
            "record %s: %d fields expected, got %d" % (name, len(fields), len(values))
        )
    for index in range(len(fields)):
        field, unit, low, high = fields[index]
        value = values[index]
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ProtocolError(
                "record %s: %s must be %d to %d %s, got %r" % (name, field, low, high, unit, value)
            )
