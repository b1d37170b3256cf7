"""Rows of the buffer packed into the payloads of `<gateway>/records`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cbor2
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from gateway.buffer.records import Row

SCHEMA = 1
CONTENT_TYPE = "application/cbor"
# Few enough that one lost message costs little, many enough that its head costs nothing.
MOST_RECORDS = 256
MOST_BYTES = 16_384


def pack(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows grouped so that each group is one run of consecutive records of one lamppost and epoch.

    Rows of several lampposts may be interleaved; the order within each is kept.
    """
    open_groups: dict[bytes, list[Row]] = {}
    sizes: dict[bytes, int] = {}
    for row in rows:
        group = open_groups.get(row.node)
        if group and (
            (row.epoch, row.seq) != (group[-1].epoch, group[-1].seq + 1)
            or len(group) >= MOST_RECORDS
            or sizes[row.node] + len(row.body) > MOST_BYTES
        ):
            yield group
            group = None
        if not group:
            group = open_groups[row.node] = []
            sizes[row.node] = 0
        group.append(row)
        sizes[row.node] += len(row.body)
    yield from open_groups.values()


def payload(group: list[Row]) -> bytes:
    """CBOR [1, node id, epoch, first seq, [record, ...]]."""
    first = group[0]
    return cbor2.dumps([SCHEMA, first.node, first.epoch, first.seq, [row.body for row in group]])


def properties() -> Properties:
    """The MQTT properties of such a message."""
    made = Properties(PacketTypes.PUBLISH)
    made.ContentType = CONTENT_TYPE
    made.UserProperty = ("schema", str(SCHEMA))
    return made
