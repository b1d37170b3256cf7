"""ThingsBoard by its MQTT gateway API: each lamppost a device, each record telemetry.

Topics `v1/gateway/connect`, `disconnect`, `telemetry`, `attributes` and `rpc`, as "MQTT Gateway API
reference" of ThingsBoard's documentation has them. The access token is the MQTT user name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from gateway.documents import json_object
from gateway.outlets.dialect import Message, Override, Post
from gateway.outlets.readings import Reading

DEVICE_TYPE = "lamppost"
# A cloud server cuts the connection for larger ones.
LARGEST_PAYLOAD = 60_000
_LARGEST_RPC = 4096
_RPC = "v1/gateway/rpc"
_NEVER = Message("v1/devices/me/attributes", b'{"online": false}')


class ThingsBoard:
    """The dialect; commands: whether the server may set levels, by the RPC `setLevel`.

    Its params: {"level": 0..100 or null}, null ends the override.
    """

    def __init__(self, gateway: str, commands: bool) -> None:
        self._gateway = gateway
        self._commands = commands
        self._posts: dict[bytes, Post] = {}
        self._up: dict[bytes, bool] = {}
        self.ready = True

    @property
    def will(self) -> Message:
        """The gateway, itself a device there, is away."""
        return _NEVER

    @property
    def subscriptions(self) -> Sequence[str]:
        """RPCs for lampposts."""
        return (_RPC,) if self._commands else ()

    def birth(self, posts: Sequence[Post]) -> list[Message]:
        """Connect every lamppost that answers, with its attributes."""
        self._posts = {}
        self._up = {}
        about = {"online": True, "gateway": self._gateway}
        return [_json("v1/devices/me/attributes", about), *self.states(posts)]

    def states(self, posts: Sequence[Post]) -> list[Message]:
        """Connect, disconnect, and attributes that have changed."""
        messages: list[Message] = []
        attributes: dict[str, dict[str, Any]] = {}
        for post in posts:
            if self._up.get(post.node) != post.up:
                self._up[post.node] = post.up
                if post.up:
                    about = {"device": post.name, "type": DEVICE_TYPE}
                    messages.append(_json("v1/gateway/connect", about))
                else:
                    messages.append(_json("v1/gateway/disconnect", {"device": post.name}))
            attributes[post.name] = {
                "node": post.id,
                "link": "up" if post.up else "silent",
                "level": post.level,
                "firmware": post.firmware,
                "board": post.board,
            }
            self._posts[post.node] = post
        if attributes:
            messages.append(_json("v1/gateway/attributes", attributes))
        return messages

    def readings(self, readings: Sequence[Reading]) -> list[Message]:
        """Telemetry, several lampposts to a message; keys are `<kind>_<field>`.

        What a lamppost measured before it knew the time is left out: the server would date it now.
        """
        return [_json("v1/gateway/telemetry", part) for part in _parts(self._entries(readings))]

    def received(self, topic: str, payload: bytes) -> Override | str | None:
        """An RPC; what is an answer to ours does not come, since we ask nothing."""
        if topic != _RPC or not self._commands:
            raise ValueError("no RPC of the gateway API")
        call = json_object(payload, _LARGEST_RPC)
        if not isinstance(call.get("data"), dict):
            raise ValueError('expected {"device": name, "data": {"id", "method", "params"}}')
        device: Any = call.get("device")
        data = cast("dict[str, Any]", call["data"])
        post = next((post for post in self._posts.values() if post.name == device), None)
        if post is None:
            raise ValueError("an RPC for no lamppost of ours")
        if data.get("method") != "setLevel":
            raise ValueError('method: expected "setLevel"')
        params: Any = data.get("params")
        if isinstance(params, dict):
            params = cast("dict[str, Any]", params).get("level")
        level: Any = params
        if level is not None and (type(level) is not int or not 0 <= level <= 100):
            raise ValueError("params: expected a level from 0 to 100, or null")

        def reply(success: bool) -> tuple[Message]:
            said = {"device": device, "id": data.get("id"), "data": {"success": success}}
            return (_json(_RPC, said),)

        return Override(post.node, level, reply(True), reply(False))

    def _entries(self, readings: Sequence[Reading]) -> Iterator[tuple[str, dict[str, Any]]]:
        for reading in readings:
            if reading.time is None or reading.node not in self._posts:
                continue
            values = {f"{reading.kind}_{field}": value for field, value in reading.values.items()}
            yield (
                self._posts[reading.node].name,
                {"ts": reading.time * 1000, "values": values},
            )


def _parts(
    entries: Iterator[tuple[str, dict[str, Any]]],
) -> Iterator[dict[str, list[dict[str, Any]]]]:
    part: dict[str, list[dict[str, Any]]] = {}
    size = 0
    for name, entry in entries:
        more = len(json.dumps(entry)) + len(name) + 8
        if part and size + more > LARGEST_PAYLOAD:
            yield part
            part, size = {}, 0
        part.setdefault(name, []).append(entry)
        size += more
    if part:
        yield part


def _json(topic: str, value: object) -> Message:
    return Message(topic, json.dumps(value, ensure_ascii=False).encode())
