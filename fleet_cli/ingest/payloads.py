"""What a gateway publishes, turned into rows; every byte of it is hostile until checked here.

A payload is CBOR [1, node id bstr6, epoch, first seq, [bstr record, ...]]. A record of a kind that
this version does not know is kept: a newer release wrote it, and it cannot be measured again.
"""

from dataclasses import dataclass, field
from typing import Any, Final, cast

from pydantic import ValidationError

from fleet_cli import topics
from fleet_cli.fleet.messages import Reported
from fleet_cli.store.rows import LamppostRow, RecordRow, RejectedRow
from protocol import cbor, records
from protocol.errors import ProtocolError

SCHEMA: Final = 1
MAX_PAYLOAD: Final = 1024 * 1024
_MAX_NUMBER: Final = 2**53
_MAX_KIND: Final = 2**15 - 1
_KEPT_BYTES: Final = 4096


@dataclass
class Batch:
    """Rows to be written as one transaction."""

    records: list[RecordRow] = field(default_factory=list[RecordRow])
    rejected: list[RejectedRow] = field(default_factory=list[RejectedRow])
    lampposts: list[LamppostRow] = field(default_factory=list[LamppostRow])
    messages: int = 0

    def add(self, topic: str, payload: bytes, received: int) -> None:
        """Take in one message; never raises for what it holds."""
        self.messages += 1
        try:
            gateway = topics.split_gateway(topic)
            lamppost = topics.split_lamppost(topic)
            if gateway and gateway[1] == "records":
                self._add_records(gateway[0], topic, payload, received)
            elif lamppost and lamppost[2] == "reported":
                # An empty one removes what the broker retained; what we last knew stands.
                if payload:
                    self.lampposts.append(_lamppost(*lamppost[:2], payload, received))
            else:
                raise ProtocolError("topic: not one of a gateway or a lamppost")
        except (ProtocolError, ValidationError) as error:
            self._reject(topic, payload, str(error).splitlines()[0], received)

    def _add_records(self, gateway: str, topic: str, payload: bytes, received: int) -> None:
        node, epoch, first, bodies = parse_records(payload)
        for seq, body in enumerate(bodies, start=first):
            try:
                kind, time = _kind_and_time(body)
            except ProtocolError as error:
                reason = f"record {node} {epoch}/{seq}: {error}"
                self._reject(topic, body, reason, received)
                continue
            self.records.append(RecordRow(node, epoch, seq, kind, time, body, gateway, received))

    def _reject(self, topic: str, payload: bytes, reason: str, received: int) -> None:
        self.rejected.append(
            RejectedRow(received, topic[:200], reason[:500], len(payload), payload[:_KEPT_BYTES])
        )


def parse_records(payload: bytes) -> tuple[str, int, int, list[bytes]]:
    """(node id, epoch, first seq, bodies) of a `<gateway>/records` payload.

    Raises:
        ProtocolError: it is anything else.
    """
    if len(payload) > MAX_PAYLOAD:
        raise ProtocolError(f"records: {len(payload)} bytes, at most {MAX_PAYLOAD}")
    document: Any = cbor.loads(payload)
    if not isinstance(document, list):
        raise ProtocolError("records: expected [schema, node, epoch, seq, bodies]")
    parts = cast(list[Any], document)
    if len(parts) != 5 or parts[0] is True or parts[0] != SCHEMA:
        raise ProtocolError(f"records: expected 5 members, the first {SCHEMA}")
    node, epoch, first, bodies = parts[1:]
    if not isinstance(node, bytes) or len(node) != 6:
        raise ProtocolError("records: expected a node id of 6 bytes")
    for name, number in (("epoch", epoch), ("seq", first)):
        if type(number) is not int or not 0 <= number < _MAX_NUMBER:
            raise ProtocolError(f"records: {name} must be 0 to 2**53 - 1, got {number!r:.40}")
    if not isinstance(bodies, list):
        raise ProtocolError("records: expected a list of bodies")
    for body in cast(list[Any], bodies):
        if not isinstance(body, bytes):
            raise ProtocolError(f"records: expected bytes, got a {type(body).__name__}")
    return node.hex(), epoch, first, cast(list[bytes], bodies)


def _kind_and_time(body: bytes) -> tuple[int, int]:
    """Kind and time of one record, checked as far as this version knows the kind."""
    if len(body) > records.MAX_SIZE:
        raise ProtocolError(f"{len(body)} bytes, at most {records.MAX_SIZE}")
    document: Any = cbor.loads(body)
    if isinstance(document, list):
        parts = cast(list[Any], document)
        kind, time = [*parts, None, None][:2]
        if type(kind) is int and kind not in records.KINDS and 0 <= kind <= _MAX_KIND:
            if type(time) is not int or not 0 <= time <= records.MAX_TIME:
                raise ProtocolError(f"record of kind {kind}: time {time!r:.40}")
            return kind, time
    kind, time, _ = records.decode(body)
    return kind, time


def _lamppost(gateway: str, node: str, payload: bytes, received: int) -> LamppostRow:
    if len(payload) > MAX_PAYLOAD:
        raise ProtocolError(f"reported: {len(payload)} bytes, at most {MAX_PAYLOAD}")
    state = Reported.model_validate_json(payload)
    return LamppostRow(
        gateway,
        node,
        state.name,
        state.firmware.version,
        state.link.state,
        state.time or 0,
        received,
        payload.decode("utf-8", "replace"),
    )
