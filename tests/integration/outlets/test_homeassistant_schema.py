"""What is announced to Home Assistant is what its own code takes."""

from __future__ import annotations

import json

import pytest

from gateway.outlets.homeassistant import HomeAssistant
from protocol import records
from tests.integration.outlets.clients import line, run
from tests.unit.gateway.outlets.street import NOW, POST, of

# The last that runs on Python 3.11; its schemas of MQTT lights and sensors are the present ones.
REQUIREMENT = "homeassistant==2024.3.3 paho-mqtt==1.6.1"

CHECK = """
import json, sys
from homeassistant.components.mqtt.light import DISCOVERY_SCHEMA as light
from homeassistant.components.mqtt.sensor import DISCOVERY_SCHEMA as sensor
from homeassistant.components.sensor.const import DEVICE_CLASS_UNITS
wrong = []
for topic, config in json.load(sys.stdin):
    try:
        taken = (light if topic.split("/")[1] == "light" else sensor)(config)
        units = DEVICE_CLASS_UNITS.get(taken.get("device_class"))
        if units is not None and taken.get("unit_of_measurement") not in units:
            raise ValueError(f"unit {taken.get('unit_of_measurement')!r} of {set(units)}")
    except Exception as error:
        wrong.append(f"{topic}: {error}")
print(json.dumps(wrong))
"""


@pytest.mark.soak  # Home Assistant takes minutes to install
async def test_home_assistants_own_schemas_take_all_of_it() -> None:
    dialect = HomeAssistant("cabinet-1", "homeassistant", True)
    messages = dialect.birth([POST])
    for kind, (_, fields) in records.KINDS.items():
        values = [max(low, min(high, 7)) for _, _, low, high in fields]
        messages += dialect.readings(of(records.encode(kind, NOW, *values)))
    configs = [
        (message.topic, json.loads(message.payload))
        for message in messages
        if message.topic.endswith("/config")
    ]
    assert len(configs) > 15
    async with run("homeassistant", REQUIREMENT, CHECK) as process:
        assert process.stdin is not None
        process.stdin.write(json.dumps(configs).encode())
        process.stdin.write_eof()
        assert await line(process) == []
