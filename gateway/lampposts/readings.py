"""From a lamppost's reply to a batch for the buffer: nothing in it is believed unchecked."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from gateway.buffer.records import Batch, Position, Reject
from gateway.errors import BadReply
from gateway.lampposts.integers import integers
from protocol import cbor, messages
from protocol.errors import ProtocolError

# Records of kinds that this gateway does not know yet go through, so that the city can be newer;
# their size is bounded all the same.
LONGEST_RECORD = 256


class Reply(NamedTuple):
    """A checked reply: `batch` is None when it holds no new records."""

    batch: Batch | None
    waiting: int
    generation: int
    level: int
    sightings: int  # told to neighbours, and to nobody beyond the gateway


def batch_of(node: bytes, asked: Position, body: dict[str, Any]) -> Reply:
    """Check the reply `body` to a poll from position `asked`. Raises BadReply."""
    try:
        epoch, first, bodies, waiting, generation, level = messages.parse_readings_reply(body)
        sightings = messages.parse_sightings(body)
    except ProtocolError as error:
        raise BadReply(f"readings: {error}") from error
    if first + len(bodies) > 0xFFFFFFFF:
        raise BadReply(f"readings: sequence {first} with {len(bodies)} records goes beyond 32 bits")
    following = Position(epoch, first + len(bodies))
    if following <= asked:
        # Nothing, or only what was read before.
        return Reply(None, waiting if not bodies else 0, generation, level, sightings)
    records: list[tuple[int, bytes]] = []
    rejected: list[Reject] = []
    repeated = 0
    for seq, record in enumerate(bodies, first):
        if (epoch, seq) < asked:
            repeated += 1
            continue
        problem = _problem(record)
        if problem:
            rejected.append(Reject(seq, record[:LONGEST_RECORD], problem))
        else:
            records.append((seq, record))
    if not bodies:
        return Reply(None, waiting, generation, level, sightings)
    missed = max(0, first - asked.seq) if epoch == asked.epoch else 0
    batch = Batch(node, asked, following, epoch, records, rejected, repeated, missed)
    return Reply(batch, waiting, generation, level, sightings)


def _problem(record: bytes) -> str:
    if len(record) > LONGEST_RECORD:
        return f"{len(record)} bytes, at most {LONGEST_RECORD}"
    if (integers(record) or 0) >= 2:
        return ""
    try:
        value: Any = cbor.loads(record)
    except ProtocolError as error:
        return str(error)
    if not isinstance(value, list):
        return "not an array of kind, time and fields"
    items = cast("list[Any]", value)
    if len(items) < 2 or not all(type(item) is int for item in items[:2]):
        return "does not begin with kind and time as integers"
    return ""
