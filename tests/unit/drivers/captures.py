"""Frames that real sensors sent, from the recordings beside the project."""

import csv
from pathlib import Path
from typing import Any

import pytest
from pms.core.sensor import Sensor

FILE = Path(__file__).resolve().parents[4] / "shared" / "data" / "pypms_uart_captures.csv"


def frames(*sensors: str) -> list[bytes]:
    """Captured frames of the named sensors; skips the test where there is no recording."""
    if not FILE.exists():
        pytest.skip(f"no recordings at {FILE}")
    with FILE.open(newline="") as file:
        found = [
            bytes.fromhex(row["hex"]) for row in csv.DictReader(file) if row["sensor"] in sensors
        ]
    assert found, sensors
    return found


def decoded(data: bytes, sensor: str = "PMSx003") -> Any:
    """A frame as PyPMS reads it: ``pm01``, ``pm25``, ``pm10``, ``raw25``, ``n0_3`` and so on."""
    return Sensor[sensor].decode(data)
