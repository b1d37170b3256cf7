"""Sparkplug B: certificates in order, sequence numbers, history, commands, a host that is away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outlets.dialect import Override
from gateway.outlets.sparkplug import LEVEL, REBIRTH, Sparkplug
from gateway.outlets.sparkplug_payload import BOOLEAN, INT32, INT64, Metric, decode, encode
from tests.unit.gateway.outlets.street import AIR, NODE, NOW, POST, SILENT, of

BASE = "spBv1.0/lamplighter"
COMMAND = f"{BASE}/DCMD/cabinet-1/{POST.id}"


def dialect(host: str | None = None, commands: bool = True, now: int = NOW) -> Sparkplug:
    return Sparkplug("cabinet-1", "lamplighter", host, commands, lambda: float(now))


def test_births_come_first_and_carry_the_number_of_the_will() -> None:
    made = dialect()
    death = decode(made.will.payload)
    node, device = made.birth([POST, SILENT._replace(node=b"\1" * 6)])
    assert (made.will.topic, made.will.qos) == (f"{BASE}/NDEATH/cabinet-1", 1)
    assert (node.topic, node.qos, node.retain) == (f"{BASE}/NBIRTH/cabinet-1", 0, False)
    assert decode(node.payload)["bdSeq"] == death["bdSeq"]
    assert device.topic == f"{BASE}/DBIRTH/cabinet-1/{POST.id}"
    metrics = decode(device.payload)
    assert metrics[LEVEL] == 60
    assert metrics["air/pm25"] is None


def test_readings_name_metrics_of_the_birth_and_old_ones_are_historical() -> None:
    made = dialect(now=NOW + 3600)
    birth = decode(made.birth([POST])[1].payload)
    (data,) = made.readings(of(AIR))
    assert data.topic == f"{BASE}/DDATA/cabinet-1/{POST.id}"
    found = decode(data.payload)
    assert found["air/pm25"] == 12.3
    assert found.keys() <= birth.keys()
    assert b"\x28\x01" in data.payload  # is_historical, field 5, true


def test_the_sequence_runs_over_all_messages_and_starts_again_at_a_birth() -> None:
    made = dialect()
    numbers = [m.payload[-1] for m in [*made.birth([POST]), *made.readings(of(AIR))]]
    assert numbers == [0, 1, 2]
    assert made.birth([POST])[0].payload[-2:] == b"\x18\x00"


def test_a_lamppost_that_falls_silent_dies_and_is_born_again() -> None:
    made = dialect()
    made.birth([POST])
    kinds = [
        [message.topic.split("/")[2] for message in made.states([post])]
        for post in (SILENT, SILENT, POST, POST)
    ]
    assert kinds == [["DDEATH"], [], ["DBIRTH"], ["DDATA"]]


def test_commands_are_obeyed_within_bounds() -> None:
    made = dialect()
    made.birth([POST])
    level = encode(1, [Metric(LEVEL, INT32, 35, 1)], None)
    assert made.received(COMMAND, level) == Override(NODE, 35)
    rebirth = encode(1, [Metric(REBIRTH, BOOLEAN, True, 1)], None)
    assert made.received(f"{BASE}/NCMD/cabinet-1", rebirth) == "birth"
    for wrong in (101, -1):
        with pytest.raises(ValueError, match="expected an Int32 from 0 to 100"):
            made.received(COMMAND, encode(1, [Metric(LEVEL, INT32, wrong, 1)], None))
    with pytest.raises(ValueError, match="no lamppost"):
        made.received(COMMAND[:-1] + "0", level)


def test_nothing_is_sent_while_the_primary_host_is_away() -> None:
    made = dialect(host="scada")
    assert not made.ready
    state = "spBv1.0/STATE/scada"
    assert state in made.subscriptions
    assert made.received(state, b'{"online": true, "timestamp": 1}') == "birth"
    assert made.ready
    assert made.received(state, b'{"online": false, "timestamp": 2}') is None
    assert not made.ready
    with pytest.raises(ValueError, match="expected"):
        made.received(state, b'{"online": "yes"}')


@given(st.integers(-(1 << 31), (1 << 31) - 1), st.integers(-(1 << 63), (1 << 63) - 1))
def test_negative_numbers_survive(small: int, large: int) -> None:
    payload = encode(5, [Metric("a", INT32, small, 5), Metric("b", INT64, large, 5)], 3)
    assert decode(payload) == {"a": small, "b": large}


@given(st.binary(max_size=200))
def test_anything_received_is_a_wish_or_a_value_error(payload: bytes) -> None:
    made = dialect()
    made.birth([POST])
    for topic in (COMMAND, f"{BASE}/NCMD/cabinet-1"):
        try:
            wish = made.received(topic, payload)
        except ValueError:
            continue
        assert wish in (None, "birth") or isinstance(wish, Override)
