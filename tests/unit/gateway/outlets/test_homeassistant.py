"""Home Assistant: announced once, told the newest, obeyed within bounds, never dark."""

from __future__ import annotations

import json

import pytest
from ha_mqtt_discoverable.sensors import LightInfo, SensorInfo
from hypothesis import given
from hypothesis import strategies as st

from gateway.outlets.dialect import Message, Override
from gateway.outlets.homeassistant import HomeAssistant
from tests.unit.gateway.outlets.street import AIR, CLIMATE, NODE, POST, SILENT, of

SET = "lamplighter/ha/cabinet-1/a0b1c2d3e4f5/light/set"


def dialect(commands: bool = True) -> HomeAssistant:
    made = HomeAssistant("cabinet-1", "homeassistant", commands)
    made.birth([POST])
    return made


def by_topic(messages: list[Message]) -> dict[str, dict[str, object]]:
    return {
        message.topic: json.loads(message.payload)
        for message in messages
        if message.payload.startswith(b"{")
    }


def test_a_lamppost_is_a_device_with_a_light() -> None:
    messages = HomeAssistant("cabinet-1", "homeassistant", True).birth([POST])
    assert all(message.retain for message in messages)
    light = by_topic(messages)["homeassistant/light/lamplighter_a0b1c2d3e4f5_light/config"]
    info = LightInfo.model_validate({**light, "name": light["name"] or POST.name})
    assert info.brightness
    assert info.device is not None
    assert info.device.name == POST.name
    assert light["brightness_scale"] == 100
    state = by_topic(messages)[str(light["state_topic"])]
    assert state == {"state": "ON", "brightness": 60}


def test_a_sensor_is_announced_with_its_first_value_and_once() -> None:
    made = dialect()
    first = by_topic(made.readings(of(AIR)))
    configs = {topic: value for topic, value in first.items() if topic.endswith("/config")}
    for config in configs.values():
        info = SensorInfo.model_validate(config)
        assert info.state_class in ("measurement", "total_increasing")
    pm25 = configs["homeassistant/sensor/lamplighter_a0b1c2d3e4f5_air_pm25/config"]
    assert pm25["unit_of_measurement"] == "µg/m³"
    state = first[str(pm25["state_topic"])]
    assert state["pm25"] == 12.3
    assert list(by_topic(made.readings(of(AIR)))) == [pm25["state_topic"]]
    again = by_topic(made.birth([POST]))
    assert set(configs) <= set(again)


def test_of_a_backlog_the_newest_of_each_kind_is_told() -> None:
    made = dialect()
    states = [
        message.topic
        for message in made.readings(of(AIR, AIR, CLIMATE, AIR))
        if not message.topic.endswith("/config")
    ]
    assert len(states) == len(set(states)) == 2


def test_a_silent_lamppost_is_unavailable() -> None:
    (availability, _) = dialect().states([SILENT])
    assert (availability.topic.rpartition("/")[2], availability.payload) == (
        "availability",
        b"offline",
    )


def test_switched_off_there_it_goes_back_to_its_program() -> None:
    made = dialect()
    wish = made.received(SET, b'{"state": "ON", "brightness": 30}')
    assert wish == Override(NODE, 30)
    assert made.received(SET, b'{"state": "OFF"}') == Override(NODE, None)
    assert made.received("homeassistant/status", b"online") == "birth"


@pytest.mark.parametrize(
    "payload", [b"", b"ON", b'{"state": "ON", "brightness": 101}', b'{"brightness": 3}', b"[" * 999]
)
def test_what_is_no_command_is_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|not JSON"):
        dialect().received(SET, payload)


def test_without_leave_nothing_is_switched() -> None:
    made = dialect(commands=False)
    assert made.subscriptions == ("homeassistant/status",)
    with pytest.raises(ValueError, match="no command"):
        made.received(SET, b'{"state": "OFF"}')


@given(st.text(), st.binary())
def test_anything_received_is_a_wish_or_a_value_error(topic: str, payload: bytes) -> None:
    try:
        wish = dialect().received(topic, payload)
    except ValueError:
        return
    assert wish in (None, "birth") or isinstance(wish, Override)
