"""Sparkplug B payloads: the parts of the specification's Protocol Buffers schema that are used.

Eclipse Sparkplug 3.0, section 6.4: message Payload {timestamp = 1, metrics = 2, seq = 3} with
Metric {name = 1, alias = 2, timestamp = 3, datatype = 4, is_historical = 5, is_transient = 6,
is_null = 7, and one of int_value = 10, long_value = 11, float_value = 12, double_value = 13,
boolean_value = 14, string_value = 15}. Whatever else a payload holds is passed over.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

INT32: Final = 3
INT64: Final = 4
DOUBLE: Final = 10
BOOLEAN: Final = 11
STRING: Final = 12

_FIELD_OF = {
    INT32: "int_value", INT64: "long_value", DOUBLE: "double_value", BOOLEAN: "boolean_value",
    STRING: "string_value",
}  # fmt: skip
_BITS = {"int_value": 32, "long_value": 64}
_LARGEST = 65_536
_MASK64 = (1 << 64) - 1


class Metric(NamedTuple):
    """One value. time: Unix milliseconds; value None is null; historical: not the present one."""

    name: str
    datatype: int
    value: int | float | bool | str | None
    time: int
    historical: bool = False


def encode(time: int, metrics: list[Metric], seq: int | None) -> bytes:
    """A payload of `time` (Unix milliseconds); seq 0..255, None in a death certificate."""
    payload: Any = _PAYLOAD()
    payload.timestamp = time
    if seq is not None:
        payload.seq = seq
    for metric in metrics:
        entry = payload.metrics.add()
        entry.name, entry.timestamp, entry.datatype = metric.name, metric.time, metric.datatype
        if metric.historical:
            entry.is_historical = True
        value = metric.value
        if value is None:
            entry.is_null = True
        else:
            # Negative numbers are carried in their two's complement (section 6.4.16).
            if metric.datatype == INT32:
                value = int(value) & 0xFFFFFFFF
            elif metric.datatype == INT64:
                value = int(value) & _MASK64
            setattr(entry, _FIELD_OF[metric.datatype], value)
    return payload.SerializeToString()


def decode(data: bytes) -> dict[str, int | float | bool | str | None]:
    """The metrics of a payload by name. Raises ValueError for what is none."""
    if len(data) > _LARGEST:
        raise ValueError(f"{len(data)} bytes, at most {_LARGEST}")
    payload: Any = _PAYLOAD()
    try:
        payload.ParseFromString(data)
    except DecodeError as error:
        raise ValueError(f"not a Sparkplug B payload: {error}") from error
    found: dict[str, int | float | bool | str | None] = {}
    for metric in payload.metrics:
        field = metric.WhichOneof("value")
        value: Any = None if field is None else getattr(metric, field)
        if field in _BITS and value >> (_BITS[field] - 1):
            value -= 1 << _BITS[field]
        found[metric.name] = value
    return found


def _make() -> Any:
    kinds = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(
        name="lamplighter/sparkplug_b.proto", package="lamplighter.sparkplug", syntax="proto2"
    )
    metric: Any = file.message_type.add(name="Metric")
    metric.oneof_decl.add(name="value")
    plain = [
        ("name", 1, kinds.TYPE_STRING), ("alias", 2, kinds.TYPE_UINT64),
        ("timestamp", 3, kinds.TYPE_UINT64), ("datatype", 4, kinds.TYPE_UINT32),
        ("is_historical", 5, kinds.TYPE_BOOL), ("is_transient", 6, kinds.TYPE_BOOL),
        ("is_null", 7, kinds.TYPE_BOOL),
    ]  # fmt: skip
    values = [
        ("int_value", 10, kinds.TYPE_UINT32), ("long_value", 11, kinds.TYPE_UINT64),
        ("float_value", 12, kinds.TYPE_FLOAT), ("double_value", 13, kinds.TYPE_DOUBLE),
        ("boolean_value", 14, kinds.TYPE_BOOL), ("string_value", 15, kinds.TYPE_STRING),
    ]  # fmt: skip
    for name, number, kind in plain:
        metric.field.add(name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL)
    for name, number, kind in values:
        metric.field.add(
            name=name, number=number, type=kind, label=kinds.LABEL_OPTIONAL, oneof_index=0
        )
    payload: Any = file.message_type.add(name="Payload")
    payload.field.add(
        name="timestamp", number=1, type=kinds.TYPE_UINT64, label=kinds.LABEL_OPTIONAL
    )
    payload.field.add(
        name="metrics", number=2, type=kinds.TYPE_MESSAGE, label=kinds.LABEL_REPEATED,
        type_name=".lamplighter.sparkplug.Metric",
    )  # fmt: skip
    payload.field.add(name="seq", number=3, type=kinds.TYPE_UINT64, label=kinds.LABEL_OPTIONAL)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("lamplighter.sparkplug.Payload")
    )


_PAYLOAD = _make()
