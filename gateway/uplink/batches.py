"""Rows of the buffer packed into the payloads of `<gateway>/records`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import cbor2
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.buffer.records import Row

SCHEMA = 1
CONTENT_TYPE = "application/cbor"
# Few enough that one lost message costs little, many enough that its head costs nothing.
MOST_RECORDS = 256
MOST_BYTES = 16_384
# Of a message beside its topic and its records' own bytes: fixed header, packet identifier,
# properties, and CBOR's heads of the array, the numbers and the list.
_HEAD_BYTES = 128
# CBOR's head of one record.
_RECORD_HEAD = 3


def room(largest_packet: int | None, topic: str) -> int:
    """Bytes for records in a message on `topic` to a broker that takes such packets (None: any)."""
    if largest_packet is None:
        return MOST_BYTES
    return max(0, min(MOST_BYTES, largest_packet - len(topic.encode()) - _HEAD_BYTES))


def size(rows: Iterable[Row]) -> int:
    """Bytes that `rows` take in a message."""
    return sum(len(row.body) + _RECORD_HEAD for row in rows)


def pack(rows: Iterable[Row], most_bytes: int = MOST_BYTES) -> Iterator[list[Row]]:
    """Rows grouped so that each group is one run of consecutive records of one lamppost and epoch.

    Rows of several lampposts may be interleaved; the order within each is kept. most_bytes: that a
    group may take in its message; a single record that takes more is a group by itself.
    """
    open_groups: dict[bytes, list[Row]] = {}
    sizes: dict[bytes, int] = {}
    for row in rows:
        group = open_groups.get(row.node)
        if group and (
            (row.epoch, row.seq) != (group[-1].epoch, group[-1].seq + 1)
            or len(group) >= MOST_RECORDS
            or sizes[row.node] + len(row.body) + _RECORD_HEAD > most_bytes
        ):
            yield group
            group = None
        if not group:
            group = open_groups[row.node] = []
            sizes[row.node] = 0
        group.append(row)
        sizes[row.node] += len(row.body) + _RECORD_HEAD
    yield from open_groups.values()


def payload(group: list[Row]) -> bytes:
    """CBOR [1, node id, epoch, first seq, [record, ...]]."""
    first = group[0]
    return cbor2.dumps([SCHEMA, first.node, first.epoch, first.seq, [row.body for row in group]])


@cache
def properties() -> Properties:
    """The MQTT properties of such a message; the same for all, and not to be changed."""
    made = Properties(PacketTypes.PUBLISH)
    made.ContentType = CONTENT_TYPE
    made.UserProperty = ("schema", str(SCHEMA))
    return made
