"""Records as named values in units; what is none is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.outlets.readings import readings, unit
from protocol import records
from tests.unit.gateway.outlets.street import AIR, BEFORE_CLOCK, CLIMATE, NODE, NOW, of, rows


def test_values_are_in_their_units() -> None:
    (air, climate) = of(AIR, CLIMATE)
    assert (air.node, air.kind, air.time) == (NODE, "air", NOW)
    assert air.values["pm25"] == 12.3
    assert unit("air", "pm25") == "µg/m³"
    assert climate.values["temperature"] == -5.12
    assert unit("climate", "temperature") == "°C"
    assert unit("lamp", "reason") == ""


def test_what_a_part_does_not_measure_is_no_zero() -> None:
    (climate,) = of(CLIMATE)
    assert not {"pressure", "voc", "nox"} & climate.values.keys()
    (air,) = of(BEFORE_CLOCK)
    assert "pm1" not in air.values
    assert air.time is None


@given(st.lists(st.binary(max_size=64)))
def test_whatever_a_record_is_it_is_told_or_left_out(bodies: list[bytes]) -> None:
    for reading in readings(rows(*bodies)):
        assert reading.kind in {name for name, _ in records.KINDS.values()}
