"""The configuration of a lamppost: one schema, as data, for both ends.

Validation, JSON Schema, documentation and the digest derive from FIELDS. Values are integers, or a
list of controls for the control program. A document on the link is
{"v": version, "h": digest, "c": values}; values left out have their defaults.
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

MAX_CONTROLS = 10
DIGEST_SIZE = 8

# Kinds of control in a program (TALQ: fixed-time and astronomical controls). A control is
# [kind, minutes, level]: minutes after local midnight for FIXED_TIME, else an offset to the event.
FIXED_TIME = 0
SUNSET = 1
SUNRISE = 2
CIVIL_DUSK = 3
CIVIL_DAWN = 4
CONTROLS = ("fixed-time", "sunset", "sunrise", "dusk", "dawn")
MAX_OFFSET = 180

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
    ("site/dst", INTEGER, "code", 0, 1, DST_NONE, "Daylight saving: 0 none, 1 European Union rule"),
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
        "Control program: fixed-time and astronomical controls",
    ),
    ("lamp/groups", INTEGER, "bits", 0, 0xFFFF, 0, "Groups it is in: bit 0 is group 1"),
    ("lamp/virtual_output", INTEGER, "%", 1, 100, 100, "Light output that level 100 stands for"),
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
    ("air/period", INTEGER, "s", 60, 3600, 60, "Period of air quality records"),
    ("people/period", INTEGER, "s", 60, 3600, 300, "Period of footfall records"),
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
    """The defaults with `values` laid over them."""
    merged = defaults()
    for name in values:
        merged[name] = _copy(values[name])
    return merged


def validate(values: "Any") -> "list[str]":
    """What is wrong with `values`: messages naming key, value and what was expected; [] is fine."""
    if not isinstance(values, dict):
        return [f"configuration: expected a map of fields, got {values!r}"]
    problems: list[str] = []
    known = {field[0]: field for field in FIELDS}
    for name in values:
        field = known.get(name) if isinstance(name, str) else None
        value = values[name]
        if field is None:
            problems.append(f"{name}: no such field (value {value!r})")
        elif field[1] == PROGRAM:
            problems.extend(_program_problems(name, value))
        elif not _is_integer(value) or not field[3] <= value <= field[4]:
            problems.append(
                "%s: expected %d to %d %s, got %r" % (name, field[3], field[4], field[2], value)
            )
    return problems


def digest(values: "dict[str, Any]") -> bytes:
    """First 8 bytes of SHA-256 over the effective values: [[name, value], ...] in FIELDS' order.

    Defaults count, so two documents that mean the same have the same digest.
    """
    merged = effective(values)
    # A list, since a map has no order of its own on MicroPython.
    canonical = [[field[0], merged[field[0]]] for field in FIELDS]
    return sha256(cbor.dumps(canonical)).digest()[:DIGEST_SIZE]


def document(version: int, values: "dict[str, Any]") -> bytes:
    """The CBOR document that the settings group carries under the name "configuration"."""
    return cbor.dumps({"v": version, "h": digest(values), "c": values})


def parse_document(data: "bytes | bytearray | memoryview") -> "tuple[int, dict[str, Any]]":
    """(version, values) of a document.

    Raises ProtocolError when it is malformed or invalid, or its digest differs.
    """
    body = cbor.loads(data)
    if not isinstance(body, dict):
        raise ProtocolError("configuration: expected a map")
    version: Any = body.get("v")
    values: Any = body.get("c")
    if not _is_integer(version) or not 0 <= version <= 0xFFFFFFFF:
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
            entry["type"] = "array"
            entry["maxItems"] = high
            entry["items"] = {
                "type": "array",
                "prefixItems": [
                    {"type": "integer", "minimum": 0, "maximum": len(CONTROLS) - 1},
                    {"type": "integer", "minimum": -MAX_OFFSET, "maximum": 1439},
                    {"type": "integer", "minimum": 0, "maximum": 100},
                ],
                "minItems": 3,
                "maxItems": 3,
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


def _program_problems(name: str, program: "Any") -> "list[str]":
    if not isinstance(program, (list, tuple)) or len(program) > MAX_CONTROLS:
        return [
            "%s: expected a list of at most %d controls, got %r" % (name, MAX_CONTROLS, program)
        ]
    problems: list[str] = []
    for index in range(len(program)):
        control = program[index]
        where = "%s control %d" % (name, index + 1)
        if (
            not isinstance(control, (list, tuple))
            or len(control) != 3
            or not all(_is_integer(item) for item in control)
        ):
            problems.append(f"{where}: expected [kind, minutes, level], got {control!r}")
            continue
        kind, minutes, level = control
        low, high = (0, 1439) if kind == FIXED_TIME else (-MAX_OFFSET, MAX_OFFSET)
        if not 0 <= kind < len(CONTROLS):
            problems.append("%s: expected kind 0 to %d, got %r" % (where, len(CONTROLS) - 1, kind))
        elif not low <= minutes <= high:
            problems.append("%s: expected minutes %d to %d, got %r" % (where, low, high, minutes))
        if not 0 <= level <= 100:
            problems.append(f"{where}: expected level 0 to 100 %, got {level!r}")
    return problems


def _is_integer(value: "Any") -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _copy(value: "Any") -> "Any":
    if isinstance(value, (list, tuple)):
        return [_copy(item) for item in value]
    return value
