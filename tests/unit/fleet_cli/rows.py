"""Records to put into a store."""

from fleet_cli.store import RecordRow
from protocol import records


def people(seq: int, towards: int = 1) -> RecordRow:
    time = 1_780_000_000 + 60 * seq
    body = records.encode(records.PEOPLE, time, 60, towards, 2, 1000, towards + 2, 0)
    return RecordRow("a0b1c2d3e4f5", 1, seq, records.PEOPLE, time, body, "cabinet-7", time + 5)
