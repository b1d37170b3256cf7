"""Bytes a record takes on the wire, against the same record as JSON and as SenML-JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

import cbor2

from protocol import busframe, envelope, messages, records, smp
from tests.bench.rows import Row
from tests.bench.samples import KEY, NODE, night

RECORDS = 4800
UPLINK_BATCH = 100
_TOPIC = "lamplighter/v1/cabinet-1/records"

# Our units as SenML has them (RFC 8428, RFC 8798): name and factor. SenML has none for ug/m3 but
# the secondary unit of RFC 8798; what has no unit there goes without, as the RFC allows.
_SENML_UNITS = {
    "0.1 ug/m3": ("ug/m3", 0.1), "%": ("%", 1), "0.1 V": ("V", 0.1), "mA": ("mA", 1),
    "0.1 W": ("W", 0.1), "Wh": ("Wh", 1), "s": ("s", 1), "bytes": ("B", 1),
    "per mille": ("/1000", 1),
}  # fmt: skip


def run() -> list[Row]:
    """Measure; every figure is bytes a record, in the mean over a night's mixture of kinds."""
    bodies = night(RECORDS)
    alone = sum(map(len, bodies)) / RECORDS
    bus = _bus(bodies)
    uplink = _uplink(bodies)
    plain = sum(len(_json(body, number)) for number, body in enumerate(bodies)) / RECORDS
    senml = sum(len(_senml(body)) for body in bodies) / RECORDS
    packed = _senml_batches(bodies)
    unit = "bytes/record"
    return [
        Row("wire", "record as CBOR", alone, unit, f"{RECORDS} records, a night's mixture"),
        Row("wire", "on the bus, everything counted", bus, unit,
            "sealed request and full sealed reply, SMP, frame, CRC, COBS"),
        Row("wire", "MQTT payload and topic, batches of 100", uplink, unit),
        Row("wire", "same record as JSON", plain, unit, f"{plain / alone:.1f} times CBOR"),
        Row("wire", "same record as SenML-JSON", senml, unit, f"{senml / alone:.1f} times CBOR"),
        Row("wire", "as SenML-JSON, batches of 100", packed, unit,
            f"{packed / uplink:.1f} times our MQTT payload"),
    ]  # fmt: skip


def batches(bodies: Sequence[bytes], limit: int = messages.MAX_RECORD_BYTES) -> list[list[bytes]]:
    """Records as a lamppost answers with them: as many as fit in ``limit`` bytes."""
    out: list[list[bytes]] = []
    size = limit + 1
    for body in bodies:
        if size + len(body) > limit:
            out.append([])
            size = 0
        out[-1].append(body)
        size += len(body)
    return out


def exchange(number: int, sequence: int, batch: list[bytes]) -> tuple[bytes, bytes]:
    """One sealed request for readings and the sealed reply, as frames on the line.

    Args:
        number: counter of the exchange.
        sequence: of the batch's first record.
        batch: the records.
    """
    asked = messages.readings_request(7, sequence, 1024, (7, max(0, sequence - 1)), 1_792_166_400)
    replied = messages.readings_reply(7, sequence, batch, 2000, 12, 80)
    frames: list[bytes] = []
    for direction, op, body in ((envelope.TO_NODE, 0, asked), (envelope.FROM_NODE, 1, replied)):
        inner = smp.pack(op, smp.GROUP_STREET, number & 0xFF, messages.READINGS, body)
        message = messages.sealed(envelope.seal(KEY, 1, NODE, direction, number, inner))
        outer = smp.pack(op + 2, smp.GROUP_STREET, number & 0xFF, messages.SEALED, message)
        control = busframe.RESPONSE if direction else busframe.REQUEST
        frames.append(busframe.encode(17, control, number & 0xFF, outer))
    return frames[0], frames[1]


def _bus(bodies: Sequence[bytes]) -> float:
    total = 0
    sequence = 0
    for number, batch in enumerate(batches(bodies)):
        total += sum(map(len, exchange(number + 1, sequence, batch)))
        sequence += len(batch)
    return total / len(bodies)


def _uplink(bodies: Sequence[bytes]) -> float:
    sizes = [
        len(cbor2.dumps([1, NODE, 7, first, list(bodies[first : first + UPLINK_BATCH])]))
        + len(_TOPIC)
        for first in range(0, len(bodies), UPLINK_BATCH)
    ]
    return sum(sizes) / len(bodies)


def _json(body: bytes, sequence: int) -> bytes:
    record = {"node": NODE.hex(), "epoch": 7, "seq": sequence, **records.to_dict(body)}
    return json.dumps(record, separators=(",", ":")).encode()


def _fields(body: bytes) -> tuple[int, list[dict[str, object]]]:
    kind, time, values = records.decode(body)
    name, fields = records.KINDS[kind]
    entries: list[dict[str, object]] = []
    for (field, unit, _, _), value in zip(fields, values, strict=True):
        known = _SENML_UNITS.get(unit)
        entry: dict[str, object] = {"n": f"{name}/{field}"}
        if known:
            entry["u"] = known[0]
        entry["v"] = round(value * known[1], 1) if known and known[1] != 1 else value
        entries.append(entry)
    return time, entries


def _senml(body: bytes) -> bytes:
    time, entries = _fields(body)
    entries[0] = {"bn": f"urn:dev:mac:{NODE.hex()}:", "bt": time, **entries[0]}
    return json.dumps(entries, separators=(",", ":")).encode()


def _senml_batches(bodies: Sequence[bytes]) -> float:
    total = 0
    for first in range(0, len(bodies), UPLINK_BATCH):
        pack: list[dict[str, object]] = []
        base, _ = _fields(bodies[first])
        for body in bodies[first : first + UPLINK_BATCH]:
            time, entries = _fields(body)
            # The base time is given once; each entry says how far it is from it.
            pack += [{**entry, "t": time - base} if time != base else entry for entry in entries]
        pack[0] = {"bn": f"urn:dev:mac:{NODE.hex()}:", "bt": base, **pack[0]}
        total += len(json.dumps(pack, separators=(",", ":"))) + len(_TOPIC)
    return total / len(bodies)
