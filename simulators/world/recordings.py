"""Reading the real recordings: footfall as Leeds City Council publishes it, air as openair has it.

Both are hourly CSV files, gzipped or not.
"""

import csv
import gzip
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NamedTuple

_EPOCH_DAY = date(1970, 1, 1).toordinal()


class RecordingError(Exception):
    """A file is not the recording it was taken for; the message is one line."""


class Footfall(NamedTuple):
    """People one camera counted in the hour from ``start`` (local time as if it were UTC)."""

    start: int
    location: str
    people: int


class Particles(NamedTuple):
    """Mean PM2.5 and PM10 in ug/m3 of the hour from ``start`` (UTC); None where not measured."""

    start: int
    pm25: float | None
    pm10: float | None


def read_footfall(path: Path) -> Iterator[Footfall]:
    """The counts of a Leeds footfall file, in its order.

    Raises:
        RecordingError: it is none, with what was expected.
        OSError: it cannot be read.
    """
    # The column "Date" changes its format in 2014; year, month and day have columns of their own.
    for row in _rows(path, {"Year", "Month", "Day", "Hour", "InCount", "LocationName"}):
        try:
            day = date(int(row["Year"]), int(row["Month"]), int(row["Day"])).toordinal()
            start = (day - _EPOCH_DAY) * 86400 + int(row["Hour"]) * 3600
            yield Footfall(start, row["LocationName"], int(float(row["InCount"])))
        except ValueError as error:
            raise RecordingError(f"{path}: expected an hourly count, got {row}: {error}") from error


def read_particles(path: Path) -> Iterator[Particles]:
    """The hours of an air quality file with columns date, pm10 and pm25, in its order.

    Raises:
        RecordingError: it is none, with what was expected.
        OSError: it cannot be read.
    """
    for row in _rows(path, {"date", "pm10", "pm25"}):
        try:
            start = datetime.fromisoformat(row["date"]).replace(tzinfo=UTC)
            yield Particles(int(start.timestamp()), _number(row["pm25"]), _number(row["pm10"]))
        except ValueError as error:
            raise RecordingError(f"{path}: expected an hour of air, got {row}: {error}") from error


def _number(text: str) -> float | None:
    return max(0.0, float(text)) if text not in ("", "NA") else None


def _rows(path: Path, wanted: set[str]) -> Iterator[dict[str, str]]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            missing = wanted - set(reader.fieldnames or ())
            if missing:
                raise RecordingError(
                    f"{path}: expected columns {', '.join(sorted(wanted))}, "
                    f"missing {', '.join(sorted(missing))}"
                )
            yield from reader
    except (gzip.BadGzipFile, UnicodeDecodeError, csv.Error) as error:
        raise RecordingError(f"{path}: expected a CSV file, got {error}") from error
