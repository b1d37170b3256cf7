"""ThingsBoard's gateway API: devices, telemetry in bounded messages, RPCs with an answer."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.outlets.dialect import Override
from gateway.outlets.thingsboard import LARGEST_PAYLOAD, ThingsBoard
from tests.unit.gateway.outlets.street import AIR, BEFORE_CLOCK, NODE, NOW, POST, SILENT, of


def dialect(commands: bool = True) -> ThingsBoard:
    made = ThingsBoard("cabinet-1", commands)
    made.birth([POST])
    return made


def rpc(**data: object) -> bytes:
    return json.dumps({"device": POST.name, "data": {"id": 7, **data}}).encode()


def test_telemetry_is_dated_by_the_lamppost() -> None:
    (message,) = dialect().readings(of(AIR, BEFORE_CLOCK))
    assert message.topic == "v1/gateway/telemetry"
    (entry,) = json.loads(message.payload)[POST.name]
    assert entry["ts"] == NOW * 1000
    assert entry["values"]["air_pm25"] == 12.3


def test_a_backlog_goes_in_messages_that_a_server_takes() -> None:
    messages = dialect().readings(of(*[AIR] * 2000))
    assert all(len(message.payload) <= LARGEST_PAYLOAD for message in messages)
    assert sum(len(json.loads(m.payload)[POST.name]) for m in messages) == 2000


def test_links_connect_and_disconnect_a_device_once() -> None:
    made = dialect()
    assert [m.topic for m in made.states([POST])] == ["v1/gateway/attributes"]
    gone = [m.topic for m in made.states([SILENT])]
    assert gone == ["v1/gateway/disconnect", "v1/gateway/attributes"]


def test_a_level_is_set_and_answered() -> None:
    wish = dialect().received("v1/gateway/rpc", rpc(method="setLevel", params={"level": 40}))
    assert isinstance(wish, Override)
    assert (wish.node, wish.level) == (NODE, 40)
    answer = json.loads(wish.answer[0].payload)
    assert answer == {"device": POST.name, "id": 7, "data": {"success": True}}
    assert not json.loads(wish.refusal[0].payload)["data"]["success"]


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        rpc(method="setLevel", params={"level": 101}),
        rpc(method="setLevel", params={"level": True}),
        rpc(method="reboot"),
        rpc(method="setLevel", params=3).replace(b"North", b"South"),
    ],
)
def test_what_is_no_command_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|no lamppost"):
        dialect().received("v1/gateway/rpc", payload)


@given(st.binary())
def test_anything_received_is_a_wish_or_a_value_error(payload: bytes) -> None:
    try:
        wish = dialect().received("v1/gateway/rpc", payload)
    except ValueError:
        return
    assert isinstance(wish, Override)
