"""The configuration of a lamppost: one schema, as data, for both ends.

Validation, JSON Schema, documentation and the digest derive from FIELDS. Values are integers, or
lists of integers for control programs, their calendar, and a curve. A document on the link is
{"v": version, "h": digest, "c": values}; values left out have their defaults.

Programs and calendar mean what TALQ's do, from noon to noon (dayOffset 12). A control is
[kind, minutes, level]: minutes after local midnight for FIXED_TIME, an offset to the event for
those of the Sun, 0 for those of the photocell. A calendar's rule is [days, start, end, program].
days: a bit for each weekday, bit 0 is Monday. start, end: the first and last date, as month * 100 +
day each year (a range over the new year is one whose start is the later), or as
year * 10000 + month * 100 + day, or 0 for no bound. program: 0 is lamp/program, n is the nth of
lamp/programs. The first rule that the date matches on which a night began chooses its program, else
it is lamp/program.
"""

from hashlib import sha256

# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false
# pyright: reportUnknownArgumentType=false
from . import cbor
from .errors import ProtocolError

# True only to a type checker; MicroPython has no typing module and skips annotations.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

INTEGER = "integer"
PROGRAM = "program"
PROGRAMS = "programs"
CALENDAR = "calendar"
CURVE = "curve"

# A document of so many bytes, written sealed, fits a frame of the bus (busframe.MAX_PAYLOAD).
MAX_DOCUMENT = 1100

MAX_CONTROLS = 10
MAX_PROGRAMS = 7
MAX_RULES = 16
EVERY_DAY = 0x7F
DIGEST_SIZE = 8
MAX_VERSION = 0xFFFFFFFF

# Kinds of control in a program (TALQ: fixed-time and astronomical controls, and those of a sensor).
FIXED_TIME = 0
SUNSET = 1
SUNRISE = 2
CIVIL_DUSK = 3
CIVIL_DAWN = 4
PHOTOCELL_ON = 5
PHOTOCELL_OFF = 6
CONTROLS = ("fixed-time", "sunset", "sunrise", "dusk", "dawn", "photocell-on", "photocell-off")
MAX_OFFSET = 180

# Points of a curve: [burning hours, %], hours rising.
MAX_POINTS = 8
MAX_HOURS = 200_000

# The last dates without and with a year.
_LAST_YEARLY = 1231
_LAST_DATE = 20991231

DST_NONE = 0
DST_EU = 1

# name, type, unit, min, max, default, help
FIELDS: "tuple[tuple[str, str, str, int, int, Any, str], ...]" = (
    ("site/latitude", INTEGER, "1e-4 degree", -900000, 900000, 515074, "Latitude, north positive"),
    (
        "site/longitude",
        INTEGER,
        "1e-4 degree",
        -1800000,
        1800000,
        -1278,
        "Longitude, east positive",
    ),
    ("site/utc_offset", INTEGER, "min", -720, 840, 0, "Local standard time less UTC"),
    (
        "site/dst",
        INTEGER,
        "code",
        0,
        4,
        DST_NONE,
        "Daylight saving: 0 none, 1 EU and UK, 2 south-east Australia, 3 New Zealand, 4 USA",
    ),
    ("lamp/default_level", INTEGER, "%", 0, 100, 100, "Dimming level where no control applies"),
    ("lamp/minimum_level", INTEGER, "%", 0, 100, 10, "Lowest dimming level of a lamp that is on"),
    ("lamp/fade_ms", INTEGER, "ms", 0, 60000, 3000, "Time of a soft ramp between two levels"),
    (
        "lamp/program",
        PROGRAM,
        "[kind, min, %]",
        0,
        MAX_CONTROLS,
        [[SUNSET, 0, 100], [SUNRISE, 0, 0]],
        "Control program: fixed-time, astronomical and photocell controls",
    ),
    (
        "lamp/programs",
        PROGRAMS,
        "[[kind, min, %]]",
        0,
        MAX_PROGRAMS,
        [],
        "Further programs, numbered from 1, for the nights that the calendar gives them",
    ),
    (
        "lamp/calendar",
        CALENDAR,
        "[days, start, end, program]",
        0,
        MAX_RULES,
        [],
        "Rules in order, the first that matches gives the night its program, else lamp/program",
    ),
    ("lamp/groups", INTEGER, "bits", 0, 0xFFFF, 0, "Groups it is in: bit 0 is group 1"),
    ("lamp/virtual_output", INTEGER, "%", 1, 100, 100, "Light output that level 100 stands for"),
    (
        "lamp/clo",
        CURVE,
        "[h, %]",
        0,
        MAX_POINTS,
        [],
        "Constant light output: what level 100 takes of a lamp that has burnt so long, [] for none",
    ),
    (
        "lamp/fitted_at",
        INTEGER,
        "h",
        0,
        MAX_HOURS,
        0,
        "Reading of the burning hours when the present lamp was fitted",
    ),
    ("lamp/rated_power", INTEGER, "0.1 W", 0, 65535, 0, "Power at full output, 0 not known"),
    ("lamp/standby_power", INTEGER, "0.1 W", 0, 1000, 10, "Power of node and driver, lamp off"),
    ("lamp/power_tolerance", INTEGER, "%", 5, 100, 20, "Deviation from expected power allowed"),
    ("lamp/fault_delay", INTEGER, "s", 5, 3600, 60, "How long a fault stands before it is raised"),
    (
        "lamp/burn",
        INTEGER,
        "s",
        0,
        3600,
        60,
        "Full light after the power came: the installer sees it",
    ),
    ("photocell/on_lux", INTEGER, "lux", 1, 10000, 35, "Dark below: the photocell's control on"),
    ("photocell/off_lux", INTEGER, "lux", 1, 10000, 70, "Light above: the photocell's control off"),
    (
        "photocell/delay",
        INTEGER,
        "s",
        0,
        3600,
        60,
        "How long it stays dark or light before it counts",
    ),
    ("presence/level", INTEGER, "%", 0, 100, 0, "Dimming level with somebody near, 0 off"),
    (
        "presence/idle_level",
        INTEGER,
        "%",
        0,
        100,
        50,
        "Highest level of the program with nobody near",
    ),
    ("presence/hold", INTEGER, "s", 5, 3600, 60, "How long somebody counts as near"),
    ("presence/fade_ms", INTEGER, "ms", 0, 10000, 1000, "Ramp up for somebody near"),
    (
        "parts/output",
        INTEGER,
        "code",
        0,
        2,
        0,
        "Lamp driver: 0 the board's, 1 PWM or 0-10 V, 2 DALI-2",
    ),
    (
        "parts/air",
        INTEGER,
        "code",
        0,
        6,
        0,
        "Particulates: 0 the board's, 1 none, 2 PMS5003, 3 PMS3003, 4 SDS011, 5 SPS30, 6 SEN5x",
    ),
    (
        "parts/climate",
        INTEGER,
        "code",
        0,
        3,
        0,
        "Climate: 0 the board's, 1 none, 2 BME280, 3 SEN5x",
    ),
    ("parts/gas", INTEGER, "code", 0, 2, 0, "Gas: 0 the board's, 1 none, 2 NO2 pair on the ADC"),
    ("parts/people", INTEGER, "code", 0, 2, 0, "Footfall: 0 the board's, 1 none, 2 VL53L1X"),
    (
        "parts/presence",
        INTEGER,
        "code",
        0,
        4,
        0,
        "Presence: 0 the board's, 1 none, 2 PIR pair, 3 LD2410, 4 the footfall counter",
    ),
    (
        "parts/meter",
        INTEGER,
        "code",
        0,
        5,
        0,
        "Meter: 0 the board's, 1 none, 2 BL0942, 3 CSE7766, 4 HLW8012, 5 BL0937",
    ),
    ("parts/photocell", INTEGER, "code", 0, 2, 0, "Photocell: 0 the board's, 1 none, 2 on the ADC"),
    ("air/correction", INTEGER, "code", 0, 2, 0, "Of PM2.5: 0 none, 1 EPA, 2 kappa-Koehler"),
    (
        "air/kappa",
        INTEGER,
        "0.001",
        0,
        1500,
        400,
        "Hygroscopicity of the aerosol for kappa-Koehler",
    ),
    ("air/rest", INTEGER, "s", 0, 3600, 0, "Fan and laser off between two records, 0 never"),
    ("gas/we_zero", INTEGER, "0.1 mV", 0, 20000, 0, "NO2 pair: zero of the working electrode"),
    ("gas/ae_zero", INTEGER, "0.1 mV", 0, 20000, 0, "NO2 pair: zero of the auxiliary electrode"),
    (
        "gas/sensitivity",
        INTEGER,
        "uV/ppb",
        0,
        5000,
        0,
        "NO2 pair: sensitivity on its calibration sheet, 0 not calibrated and no gas records",
    ),
    ("air/period", INTEGER, "s", 60, 3600, 60, "Period of air, climate and gas records"),
    # Not below five minutes: in a quiet street a total for less is when somebody came by.
    ("people/period", INTEGER, "s", 300, 3600, 300, "Period of footfall records"),
    (
        "people/factor",
        INTEGER,
        "0.001",
        500,
        2000,
        1000,
        "People for each passage, counted by hand at the site: two side by side pass as one",
    ),
    ("energy/period", INTEGER, "s", 60, 3600, 900, "Period of energy records"),
    ("status/period", INTEGER, "s", 60, 86400, 900, "Period of status records"),
    (
        "counters/period",
        INTEGER,
        "s",
        60,
        86400,
        3600,
        "Period of burn-hour and switch counter records",
    ),
    ("link/bus", INTEGER, "flag", 0, 1, 1, "RS-485: 0 not served, 1 served"),
    ("link/ble", INTEGER, "flag", 0, 1, 0, "Bluetooth LE: 0 off, 1 adverts and SMP service"),
    ("link/lan", INTEGER, "flag", 0, 1, 0, "Local network: 0 off, 1 MQTT to the gateway"),
    ("ble/interval", INTEGER, "ms", 100, 10240, 1000, "Between two Bluetooth adverts"),
    (
        "update/confirm_timeout",
        INTEGER,
        "s",
        10,
        3600,
        300,
        "Time in which a new release must reach its gateway, else it is reverted",
    ),
)


def defaults() -> "dict[str, Any]":
    """Every field with its default."""
    return {field[0]: _copy(field[5]) for field in FIELDS}


def effective(values: "dict[str, Any]") -> "dict[str, Any]":
    """The defaults with `values` laid over them; their lists are shared, and not to be changed."""
    merged = defaults()
    for name in values:
        merged[name] = values[name]
    return merged


def validate(values: "Any") -> "list[str]":
    """What is wrong with `values`: messages naming key, value and what was expected; [] is fine."""
    if not isinstance(values, dict):
        return [f"configuration: expected a map of fields, got {values!r}"]
    problems: list[str] = []
    for name in values:
        problems.extend(field_problems(name, values[name]))
    return problems or _joint_problems(values)


def field_problems(name: "Any", value: "Any") -> "list[str]":
    """What is wrong with one field, whatever the others are; messages as those of `validate`."""
    for known, kind, unit, low, high, _, _ in FIELDS:
        if known != name:
            continue
        if kind == PROGRAM:
            return _program_problems(known, value)
        if kind == PROGRAMS:
            return _programs_problems(known, value)
        if kind == CALENDAR:
            return _calendar_problems(known, value)
        if kind == CURVE:
            return _curve_problems(known, value)
        if _is_integer(value) and low <= value <= high:
            return []
        return ["%s: expected %d to %d %s, got %r" % (known, low, high, unit, value)]
    return [f"{name}: no such field (value {value!r})"]


def digest(values: "dict[str, Any]") -> bytes:
    """First 8 bytes of SHA-256 over the effective values: [[name, value], ...] in FIELDS' order.

    Defaults count, so two documents that mean the same have the same digest.
    """
    merged = effective(values)
    # A list, since a map has no order of its own on MicroPython.
    canonical = [[field[0], merged[field[0]]] for field in FIELDS]
    return sha256(cbor.dumps(canonical)).digest()[:DIGEST_SIZE]


def document(version: int, values: "dict[str, Any]") -> bytes:
    """The CBOR document that the settings group carries under the name "configuration".

    A value that is its field's default is left out: a bus frame has little room.
    """
    plain = defaults()
    told = {name: value for name, value in values.items() if plain.get(name) != value}
    return cbor.dumps({"v": version, "h": digest(values), "c": told})


def parse_document(data: "bytes | bytearray | memoryview") -> "tuple[int, dict[str, Any]]":
    """(version, values) of a document.

    Raises ProtocolError when it is malformed or invalid, or its digest differs.
    """
    body = cbor.loads(data)
    if not isinstance(body, dict):
        raise ProtocolError("configuration: expected a map")
    version: Any = body.get("v")
    values: Any = body.get("c")
    if not _is_integer(version) or not 0 <= version <= MAX_VERSION:
        raise ProtocolError(f"configuration: version must be 0 to 4294967295, got {version!r}")
    problems = validate(values)
    if problems:
        raise ProtocolError("; ".join(problems))
    if body.get("h") != digest(values):
        raise ProtocolError("configuration: the digest does not match the values")
    return version, values


def json_schema() -> "dict[str, Any]":
    """JSON Schema (2020-12) of the values."""
    properties: dict[str, Any] = {}
    for name, kind, unit, low, high, default, help_text in FIELDS:
        entry: dict[str, Any] = {
            "description": f"{help_text} ({unit})",
            "default": _copy(default),
        }
        if kind == PROGRAM:
            entry.update(_program_schema())
        elif kind == PROGRAMS:
            entry.update({"type": "array", "maxItems": high})
            entry["items"] = dict(_program_schema(), minItems=1)
        elif kind == CALENDAR:
            entry.update({"type": "array", "maxItems": high})
            # What a date is beyond its bounds, and that the program exists, is for `validate`.
            entry["items"] = _tuple_schema(
                ((1, EVERY_DAY), (0, _LAST_DATE), (0, _LAST_DATE), (0, MAX_PROGRAMS))
            )
        elif kind == CURVE:
            entry["type"] = "array"
            entry["maxItems"] = high
            entry["items"] = {
                "type": "array",
                "prefixItems": [
                    {"type": "integer", "minimum": 0, "maximum": MAX_HOURS},
                    {"type": "integer", "minimum": 1, "maximum": 100},
                ],
                "minItems": 2,
                "maxItems": 2,
            }
        else:
            entry["type"] = "integer"
            entry["minimum"] = low
            entry["maximum"] = high
        properties[name] = entry
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Lamppost configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _program_schema() -> "dict[str, Any]":
    bounds = ((0, len(CONTROLS) - 1), (-MAX_OFFSET, 1439), (0, 100))
    return {"type": "array", "maxItems": MAX_CONTROLS, "items": _tuple_schema(bounds)}


def _tuple_schema(bounds: "tuple[tuple[int, int], ...]") -> "dict[str, Any]":
    """Schema of a list of integers, each with its own bounds."""
    return {
        "type": "array",
        "prefixItems": [
            {"type": "integer", "minimum": low, "maximum": high} for low, high in bounds
        ],
        "minItems": len(bounds),
        "maxItems": len(bounds),
    }


def _joint_problems(values: "dict[str, Any]") -> "list[str]":
    """What is wrong with fields that are fine by themselves, left out ones at their defaults."""
    merged = effective(values)
    problems: list[str] = []
    on, off = merged["photocell/on_lux"], merged["photocell/off_lux"]
    if off <= on:
        problems.append(
            "photocell/off_lux: expected more than photocell/on_lux (%d lux), got %d" % (on, off)
        )
    count = len(merged["lamp/programs"])
    for index, rule in enumerate(merged["lamp/calendar"]):
        if rule[3] > count:
            problems.append(
                "lamp/calendar rule %d: expected program 0 to %d (lamp/programs has %d), got %d"
                % (index + 1, count, count, rule[3])
            )
    return problems


def _program_problems(name: str, program: "Any") -> "list[str]":
    if not isinstance(program, (list, tuple)) or len(program) > MAX_CONTROLS:
        return [
            "%s: expected a list of at most %d controls, got %r" % (name, MAX_CONTROLS, program)
        ]
    problems: list[str] = []
    for index in range(len(program)):
        control = program[index]
        where = "%s control %d" % (name, index + 1)
        if not _are_integers(control, 3):
            problems.append(f"{where}: expected [kind, minutes, level], got {control!r}")
            continue
        kind, minutes, level = control
        low, high = -MAX_OFFSET, MAX_OFFSET
        if kind == FIXED_TIME:
            low, high = 0, 1439
        elif kind >= PHOTOCELL_ON:
            low, high = 0, 0
        if not 0 <= kind < len(CONTROLS):
            problems.append("%s: expected kind 0 to %d, got %r" % (where, len(CONTROLS) - 1, kind))
        elif not low <= minutes <= high:
            problems.append("%s: expected minutes %d to %d, got %r" % (where, low, high, minutes))
        if not 0 <= level <= 100:
            problems.append(f"{where}: expected level 0 to 100 %, got {level!r}")
    return problems


def _programs_problems(name: str, programs: "Any") -> "list[str]":
    if not isinstance(programs, (list, tuple)) or len(programs) > MAX_PROGRAMS:
        return [
            "%s: expected a list of at most %d programs, got %r" % (name, MAX_PROGRAMS, programs)
        ]
    problems: list[str] = []
    for index in range(len(programs)):
        where = "%s program %d" % (name, index + 1)
        problems.extend(_program_problems(where, programs[index]))
        if programs[index] in ([], ()):
            problems.append(where + ": expected at least one control, got none")
    return problems


def _calendar_problems(name: str, rules: "Any") -> "list[str]":
    if not isinstance(rules, (list, tuple)) or len(rules) > MAX_RULES:
        return ["%s: expected a list of at most %d rules, got %r" % (name, MAX_RULES, rules)]
    problems: list[str] = []
    for index in range(len(rules)):
        problem = _rule_problem(rules[index])
        if problem:
            problems.append("%s rule %d: %s" % (name, index + 1, problem))
    return problems


def _rule_problem(rule: "Any") -> str:
    if not _are_integers(rule, 4):
        return f"expected [days, start, end, program], got {rule!r}"
    days, start, end, program = rule
    if not 1 <= days <= EVERY_DAY:
        return "expected days 1 to %d, bit 0 for Monday, got %r" % (EVERY_DAY, days)
    for date in (start, end):
        if not is_date(date):
            return "expected a date as mmdd or yyyymmdd, or 0, got %r" % (date,)
    if start and end and (start > _LAST_YEARLY) != (end > _LAST_YEARLY):
        return "expected both dates with a year or both without, got %r and %r" % (start, end)
    if start > end > _LAST_YEARLY:
        return "expected an end at or after the start %r, got %r" % (start, end)
    if not 0 <= program <= MAX_PROGRAMS:
        return "expected program 0 to %d, got %r" % (MAX_PROGRAMS, program)
    return ""


def is_date(date: int) -> bool:
    """Whether `date` is one of a calendar's rule: mmdd, yyyymmdd of 2000 to 2099, or 0."""
    year, month, day = date // 10000, date // 100 % 100, date % 100
    if not date:
        return True
    if date < 0 or not 1 <= month <= 12 or (year and not 2000 <= year <= 2099):
        return False
    if month == 2:  # each fourth year of this century leaps, 2000 did, and each year may
        return 1 <= day <= (28 if year % 4 else 29)
    return 1 <= day <= (30 if month in (4, 6, 9, 11) else 31)


def _are_integers(value: "Any", count: int) -> bool:
    if not isinstance(value, (list, tuple)) or len(value) != count:
        return False
    return all(_is_integer(item) for item in value)


def _curve_problems(name: str, curve: "Any") -> "list[str]":
    if not isinstance(curve, (list, tuple)) or len(curve) > MAX_POINTS:
        return ["%s: expected a list of at most %d points, got %r" % (name, MAX_POINTS, curve)]
    before = -1
    for index in range(len(curve)):
        point = curve[index]
        where = "%s point %d" % (name, index + 1)
        if (
            not isinstance(point, (list, tuple))
            or len(point) != 2
            or not all(_is_integer(item) for item in point)
        ):
            return [f"{where}: expected [hours, percent], got {point!r}"]
        if not before < point[0] <= MAX_HOURS:
            return [
                "%s: expected hours %d to %d, got %r" % (where, before + 1, MAX_HOURS, point[0])
            ]
        if not 1 <= point[1] <= 100:
            return [f"{where}: expected 1 to 100 %, got {point[1]!r}"]
        before = point[0]
    return []


def _is_integer(value: "Any") -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _copy(value: "Any") -> "Any":
    if isinstance(value, (list, tuple)):
        return [_copy(item) for item in value]
    return value
