"""What a new configuration changes of the old one."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from gateway.config import Configuration
from gateway.reload import Difference, difference

KEY = "00112233445566778899aabbccddeeff"
BASE: dict[str, Any] = {
    "gateway": {"id": "cabinet-1", "data_dir": "/var/lib/lamplighter"},
    "mqtt": {"host": "broker"},
    "bus": {"north": {"port": "/dev/ttyAMA0"}, "south": {"port": "/dev/ttyAMA1"}},
    "lamppost": [
        {"id": "a0b1c2d3e4f5", "name": "one", "bus": "north", "address": 1, "key": KEY,
         "key_id": 1},
        {"id": "a0b1c2d3e4f6", "name": "two", "bus": "south", "address": 1, "key": KEY,
         "key_id": 1},
    ],
}  # fmt: skip


def changed(change: Callable[[dict[str, Any]], object]) -> Difference:
    data = copy.deepcopy(BASE)
    change(data)
    return difference(Configuration.model_validate(BASE), Configuration.model_validate(data))


def test_the_same_file_changes_nothing() -> None:
    same = changed(lambda data: None)
    assert not same
    assert same.lines() == []


@pytest.mark.parametrize(
    ("fields", "reopen"),
    [
        ({"idle_poll_ms": 20}, False),
        ({"reply_timeout_ms": 100, "attempts": 5}, False),
        ({"baud": 9600}, True),
        ({"port": "/dev/ttyAMA9"}, True),
        ({"rs485": True, "idle_poll_ms": 20}, True),
    ],
)
def test_a_bus_keeps_its_port_open_unless_the_port_itself_changes(
    fields: dict[str, Any], reopen: bool
) -> None:
    found = changed(lambda data: data["bus"]["north"].update(fields))
    assert set(found.buses_changed) == {"north"}
    change = found.buses_changed["north"]
    assert (set(change.fields), change.reopen) == (set(fields), reopen)
    assert (found.restart, found.uplink, found.lampposts_changed) == ((), False, {})


def test_buses_and_lampposts_come_and_go() -> None:
    def change(data: dict[str, Any]) -> None:
        data["bus"]["west"] = data["bus"].pop("south")
        data["lamppost"][1].update(id="a0b1c2d3e4f7", bus="west")

    found = changed(change)
    assert (list(found.buses_added), found.buses_removed) == (["west"], ("south",))
    assert [section.id for section in found.lampposts_added] == ["a0b1c2d3e4f7"]
    assert found.lampposts_removed == ("a0b1c2d3e4f6",)
    assert found.restart == ()


@pytest.mark.parametrize(
    ("fields", "rekeyed", "moved"),
    [
        ({"name": "the first"}, False, False),
        ({"key": KEY[::-1]}, True, False),
        ({"key_id": 2}, True, False),
        ({"address": 9}, False, True),
        ({"bus": "south", "address": 9}, False, True),
        ({"pole": "P 1"}, False, False),
    ],
)
def test_a_lamppost_changes(fields: dict[str, Any], rekeyed: bool, moved: bool) -> None:
    found = changed(lambda data: data["lamppost"][0].update(fields))
    change = found.lampposts_changed["a0b1c2d3e4f5"]
    assert (set(change.fields), change.rekeyed, change.moved) == (set(fields), rekeyed, moved)
    assert not any(KEY in line for line in found.lines())


def test_the_order_of_lampposts_is_no_change() -> None:
    assert not changed(lambda data: data["lamppost"].reverse())


@pytest.mark.parametrize(
    ("change", "restart"),
    [
        (lambda data: data["gateway"].update(id="cabinet-2"), ("gateway.id",)),
        (lambda data: data["gateway"].update(data_dir="/srv"), ("gateway.data_dir",)),
        (lambda data: data.update(metrics={"listen": "127.0.0.1:1234"}), ("metrics",)),
        (
            lambda data: data.update(
                clock={"source": "simulated", "real_origin": 10**18, "street_origin": 10**9}
            ),
            ("clock",),
        ),
    ],
)
def test_what_only_a_restart_brings(
    change: Callable[[dict[str, Any]], object], restart: tuple[str, ...]
) -> None:
    found = changed(change)
    assert found.restart == restart
    assert found.lines() == [f"{restart[0]}: takes effect at the next start"]


def test_uplink_and_further_sections() -> None:
    assert changed(lambda data: data["mqtt"].update(port=8883, tls={})).uplink
    assert changed(lambda data: data.update(lan={"address": "192.168.4.1"})).lan
    assert changed(lambda data: data.update(log={"level": "debug"})).sections == ("log",)
    assert changed(lambda data: data.update(buffer={"max_age_days": 9})).sections == ("buffer",)


def test_every_section_is_somebodys() -> None:
    """A section that is new in the configuration is at least told of."""
    data = copy.deepcopy(BASE)
    before = Configuration.model_validate(data)
    for name in Configuration.model_fields:
        after = before.model_copy(update={name: _other(getattr(before, name))})
        found = difference(before, after)
        assert found.lines(), name
        assert {key.partition(".")[0] for key in found.places()} == {name}


def _other(value: Any) -> Any:
    if isinstance(value, dict):
        return {} if value else {"another": next(iter(BASE["bus"].values()))}
    if isinstance(value, list):
        return []
    if value is None:
        return "there"
    field, old = next(
        (field, getattr(value, field))
        for field in type(value).model_fields
        if field not in ("source",)
    )
    return value.model_copy(update={field: f"not {old}"})
