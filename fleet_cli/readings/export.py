"""Writing readings out, one at a time: the memory needed does not grow with the store."""

import csv
import json
from collections.abc import Iterable
from typing import Final, TextIO

from fleet_cli.errors import BadInput
from fleet_cli.readings.columns import KEY_COLUMNS, columns_of, reading
from fleet_cli.store.rows import RecordRow
from protocol.errors import ProtocolError

FORMATS: Final = ("csv", "jsonl")


def export(
    rows: Iterable[RecordRow], out: TextIO, form: str, kinds: tuple[int, ...]
) -> tuple[int, int]:
    """Write `rows` to `out` as `form` ("csv" or "jsonl").

    Returns (readings written, records passed over because this version does not know their kind).

    Raises:
        BadInput: the format is unknown, or CSV is asked for other than exactly one kind, as each
            kind has columns of its own.
    """
    if form not in FORMATS:
        raise BadInput(f"--format {form}: expected one of {', '.join(FORMATS)}")
    if form == "jsonl":
        return _jsonl(rows, out)
    if len(kinds) != 1:
        raise BadInput("--format csv: expected exactly one --kind; each has columns of its own")
    return _csv(rows, out, kinds[0])


def _jsonl(rows: Iterable[RecordRow], out: TextIO) -> tuple[int, int]:
    written = passed_over = 0
    for row in rows:
        try:
            out.write(json.dumps(reading(row), separators=(",", ":")) + "\n")
            written += 1
        except ProtocolError:
            passed_over += 1
    return written, passed_over


def _csv(rows: Iterable[RecordRow], out: TextIO, kind: int) -> tuple[int, int]:
    names = [*KEY_COLUMNS, *(column.name for column in columns_of(kind))]
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    written = passed_over = 0
    for row in rows:
        try:
            writer.writerow(reading(row))
            written += 1
        except ProtocolError:
            passed_over += 1
    return written, passed_over
