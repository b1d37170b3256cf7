"""Home Assistant by MQTT discovery: each lamppost a device with a light and its sensors.

Topics: `<discovery prefix>/<component>/<object>/config` announces, retained; states are retained
under `lamplighter/ha/<gateway>/`. A light is switched to a level for a bounded time; switched off
there, it goes back to its control program: no light of a street goes dark by a tap on a phone.
See "MQTT" in Home Assistant's documentation, sections on discovery and the JSON light schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from gateway.documents import json_object
from gateway.outlets.dialect import Message, Override, Post
from gateway.outlets.readings import Reading, unit

MANUFACTURER = "Lamplighter"
_LARGEST_COMMAND = 1024


class _Sensor(NamedTuple):
    name: str
    device_class: str | None = None
    state_class: str | None = "measurement"


# What is announced; other fields of a record are in its state's attributes.
_SENSORS: Final[dict[tuple[str, str], _Sensor]] = {
    ("air", "pm1"): _Sensor("PM1", "pm1"),
    ("air", "pm25"): _Sensor("PM2.5", "pm25"),
    ("air", "pm10"): _Sensor("PM10", "pm10"),
    ("air", "pm25_corrected"): _Sensor("PM2.5 corrected", "pm25"),
    ("climate", "temperature"): _Sensor("Temperature", "temperature"),
    ("climate", "humidity"): _Sensor("Humidity", "humidity"),
    ("climate", "pressure"): _Sensor("Pressure", "atmospheric_pressure"),
    ("climate", "voc"): _Sensor("VOC index"),
    ("climate", "nox"): _Sensor("NOx index"),
    ("gas", "no2"): _Sensor("NO2"),
    ("people", "towards"): _Sensor("People towards"),
    ("people", "away"): _Sensor("People away"),
    ("energy", "total"): _Sensor("Energy", "energy", "total_increasing"),
    ("energy", "voltage"): _Sensor("Voltage", "voltage"),
    ("energy", "current"): _Sensor("Current", "current"),
    ("energy", "power"): _Sensor("Power", "power"),
}


class HomeAssistant:
    """The dialect for the gateway `gateway`; commands: whether lights can be switched there."""

    def __init__(self, gateway: str, prefix: str, commands: bool) -> None:
        self._prefix = prefix
        self._commands = commands
        self._base = f"lamplighter/ha/{gateway}"
        # Home Assistant takes letters, digits, "_" and "-" in an object's id.
        self._gateway = re.sub(r"[^A-Za-z0-9_-]", "_", gateway)
        self._posts: dict[bytes, Post] = {}
        self._announced: set[tuple[bytes, str, str]] = set()
        self._command = re.compile(re.escape(self._base) + r"/([0-9a-f]{12})/light/set")
        self.ready = True

    @property
    def will(self) -> Message:
        """The gateway is away: so is all it tells of."""
        return Message(f"{self._base}/status", b"offline", retain=True)

    @property
    def subscriptions(self) -> Sequence[str]:
        """Home Assistant's own birth, and commands where they are allowed."""
        status = f"{self._prefix}/status"
        return (status, f"{self._base}/+/light/set") if self._commands else (status,)

    def birth(self, posts: Sequence[Post]) -> list[Message]:
        """Announce every lamppost's light, and every sensor that has told something so far."""
        self._posts = {post.node: post for post in posts}
        messages = [self._light(post) for post in posts]
        for node, kind, field in sorted(self._announced):
            if node in self._posts:
                messages.append(self._sensor(self._posts[node], kind, field))
        messages.append(Message(f"{self._base}/status", b"online", retain=True))
        return messages + self.states(posts)

    def states(self, posts: Sequence[Post]) -> list[Message]:
        """Level and availability."""
        self._posts.update({post.node: post for post in posts})
        messages: list[Message] = []
        for post in posts:
            up = b"online" if post.up else b"offline"
            messages.append(Message(f"{self._base}/{post.id}/availability", up, retain=True))
            if post.level is not None:
                state = {"state": "ON" if post.level else "OFF", "brightness": post.level}
                messages.append(_json(f"{self._base}/{post.id}/light", state))
        return messages

    def readings(self, readings: Sequence[Reading]) -> list[Message]:
        """The newest of each lamppost and kind: Home Assistant shows how things are."""
        newest: dict[tuple[bytes, str], Reading] = {}
        for reading in readings:
            if reading.node in self._posts and any(
                (reading.kind, field) in _SENSORS for field in reading.values
            ):
                newest[reading.node, reading.kind] = reading
        messages: list[Message] = []
        for (node, kind), reading in newest.items():
            post = self._posts[node]
            for field in reading.values:
                key = (node, kind, field)
                if (kind, field) in _SENSORS and key not in self._announced:
                    self._announced.add(key)
                    messages.append(self._sensor(post, kind, field))
            messages.append(
                _json(f"{self._base}/{post.id}/{kind}", {**reading.values, "time": reading.time})
            )
        return messages

    def received(self, topic: str, payload: bytes) -> Override | str | None:
        """Home Assistant has started, or a light has been switched there."""
        if topic == f"{self._prefix}/status":
            return "birth" if payload == b"online" else None
        match = self._command.fullmatch(topic)
        if match is None or not self._commands:
            raise ValueError("no command of a lamppost's light")
        return Override(bytes.fromhex(match[1]), _level(payload))

    def _light(self, post: Post) -> Message:
        config: dict[str, Any] = {
            **self._common(post, "light"),
            # The light is what the device is: it has the device's name.
            "name": None,
            "schema": "json",
            "state_topic": f"{self._base}/{post.id}/light",
            "command_topic": f"{self._base}/{post.id}/light/set",
            "brightness": True,
            "brightness_scale": 100,
        }
        return _json(f"{self._prefix}/light/{self._object(post, 'light')}/config", config)

    def _sensor(self, post: Post, kind: str, field: str) -> Message:
        sensor = _SENSORS[kind, field]
        config: dict[str, Any] = {
            **self._common(post, f"{kind}_{field}"),
            "name": sensor.name,
            "state_topic": f"{self._base}/{post.id}/{kind}",
            "value_template": f"{{{{ value_json.{field} }}}}",
            "state_class": sensor.state_class,
        }
        if sensor.device_class is not None:
            config["device_class"] = sensor.device_class
        if unit(kind, field):
            config["unit_of_measurement"] = unit(kind, field)
        name = self._object(post, f"{kind}_{field}")
        return _json(f"{self._prefix}/sensor/{name}/config", config)

    def _common(self, post: Post, what: str) -> dict[str, Any]:
        return {
            "unique_id": self._object(post, what),
            "availability": [
                {"topic": f"{self._base}/status"},
                {"topic": f"{self._base}/{post.id}/availability"},
            ],
            "availability_mode": "all",
            "device": {
                "identifiers": [f"lamplighter_{post.id}"],
                "name": post.name,
                "manufacturer": MANUFACTURER,
                "model": post.board or "lamppost node",
                "sw_version": post.firmware or None,
                "via_device": f"lamplighter_{self._gateway}",
            },
            "origin": {"name": "lamplighter-gateway"},
        }

    def _object(self, post: Post, what: str) -> str:
        return f"lamplighter_{post.id}_{what}"


def _level(payload: bytes) -> int | None:
    wanted = json_object(payload, _LARGEST_COMMAND)
    if wanted.get("state") not in ("ON", "OFF"):
        raise ValueError('expected {"state": "ON" or "OFF", "brightness": 1..100}')
    if wanted["state"] == "OFF":
        return None
    level: Any = wanted.get("brightness", 100)
    if type(level) is not int or not 1 <= level <= 100:
        raise ValueError(f"brightness: expected an integer from 1 to 100, got {level!r}")
    return level


def _json(topic: str, value: object) -> Message:
    return Message(topic, json.dumps(value, ensure_ascii=False).encode(), retain=True)
