"""What brokers of second outlets send, and records of any content told to them."""

from __future__ import annotations

import json
from typing import ClassVar

from gateway.buffer.rows import Row
from gateway.outlets.dialect import Dialect, Override, Post
from gateway.outlets.homeassistant import HomeAssistant
from gateway.outlets.readings import readings
from gateway.outlets.sparkplug import LEVEL, REBIRTH, Sparkplug
from gateway.outlets.sparkplug_payload import BOOLEAN, DOUBLE, INT32, INT64, STRING, Metric, encode
from gateway.outlets.thingsboard import ThingsBoard
from protocol import records
from tests.fuzz.data import Data, as_cbor, as_json
from tests.fuzz.harness import GATEWAY, NODE, NOW, OTHER

_POSTS = [
    Post(NODE, "Canal St 1", 40, True, "1.0.0", "esp32s3-ref"),
    Post(OTHER, "Canal St 2", None, False, "", ""),
]
_KEYS = ("device", "data", "id", "method", "params", "level", "state", "brightness", "online")
_RIGHT: tuple[dict[str, object], ...] = (
    {"device": "Canal St 1", "data": {"id": 1, "method": "setLevel", "params": {"level": 3}}},
    {"device": "Canal St 1", "data": {"id": 1, "method": "setLevel", "params": 200}},
    {"state": "ON", "brightness": 50},
    {"state": "OFF"},
    {"online": True, "timestamp": 1},
)


class Outlets:
    """All dialects, each with commands allowed."""

    topics: ClassVar = (
        "v1/gateway/rpc", "v1/gateway/telemetry", "homeassistant/status",
        f"lamplighter/ha/{GATEWAY}/{NODE.hex()}/light/set",
        f"lamplighter/ha/{GATEWAY}/{'f' * 12}/light/set",
        "spBv1.0/street/NCMD/cabinet-7", f"spBv1.0/street/DCMD/cabinet-7/{NODE.hex()}",
        "spBv1.0/street/DCMD/cabinet-7/x", "spBv1.0/STATE/scada",
    )  # fmt: skip

    def __init__(self) -> None:
        self.dialects: tuple[Dialect, ...] = (
            ThingsBoard(GATEWAY, True),
            HomeAssistant(GATEWAY, "homeassistant", True),
            Sparkplug(GATEWAY, "street", "scada", True, lambda: float(NOW)),
        )
        for dialect in self.dialects:
            dialect.birth(_POSTS)

    def feed(self, data: bytes) -> None:
        read = Data(data)
        while read.more:
            dialect = read.pick(self.dialects)
            if read.below(3) == 0:
                self._told(dialect, read)
            else:
                self._received(dialect, read)

    def _received(self, dialect: Dialect, data: Data) -> None:
        topic = data.pick(self.topics) if data.below(8) else data.text()
        try:
            wish = dialect.received(topic, self._payload(data))
        except (ValueError, RecursionError) as error:
            str(error)  # what Outlet takes for a message that cannot be used
            return
        if isinstance(wish, Override):
            assert wish.node in (NODE, OTHER) or isinstance(dialect, HomeAssistant)
            assert wish.level is None or (type(wish.level) is int and 0 <= wish.level <= 100)
            assert all(isinstance(said.payload, bytes) for said in (*wish.answer, *wish.refusal))
        else:
            assert wish in ("birth", None)

    def _payload(self, data: Data) -> bytes:
        match data.below(6):
            case 0:
                return data.bytes(2000)
            case 1:
                return as_json({**data.pick(_RIGHT), **data.map(_KEYS)})
            case 2:
                return as_json(data.pick(_RIGHT))
            case 3:
                return b"[" * data.below(5000)
            case 4:
                return data.damaged(encode(NOW, self._metrics(data), 1))
            case _:
                return encode(NOW, self._metrics(data), 1)

    def _metrics(self, data: Data) -> list[Metric]:
        values = ((INT32, 5), (INT32, -1), (INT64, 1 << 62), (BOOLEAN, True), (STRING, "x"))
        return [
            Metric(data.pick((LEVEL, REBIRTH, "x")), *data.pick((*values, (DOUBLE, 0.5))), NOW)
            for _ in range(data.below(4))
        ]

    def _told(self, dialect: Dialect, data: Data) -> None:
        rows = [
            Row(number, data.pick((NODE, OTHER, bytes(6))), 1, number, self._record(data))
            for number in range(data.below(5))
        ]
        for message in dialect.readings(readings(rows)):
            assert isinstance(message.payload, bytes)
            if not isinstance(dialect, Sparkplug):
                json.loads(message.payload, parse_constant=_no_number)

    def _record(self, data: Data) -> bytes:
        if data.below(4) == 0:
            return data.bytes(256)
        kind = data.pick(tuple(records.KINDS))
        time = data.pick((0, NOW, records.MAX_TIME, data.number()))
        fields = [
            data.pick((least, most, data.number())) for _, _, least, most in records.KINDS[kind][1]
        ]
        return as_cbor([kind, time, *fields])

    def sizes(self) -> dict[str, tuple[int, int]]:
        tb, ha, sp = self.dialects
        assert isinstance(tb, ThingsBoard)
        assert isinstance(ha, HomeAssistant)
        assert isinstance(sp, Sparkplug)
        return {
            "thingsboard": (len(tb._posts) + len(tb._up), 4),
            "announced": (len(ha._announced), 2 * 40),
            "sparkplug": (len(sp._posts) + len(sp._born), 4),
        }


def _no_number(text: str) -> float:
    raise AssertionError(f"{text} is not JSON")
