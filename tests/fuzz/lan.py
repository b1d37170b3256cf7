"""Messages of the gateway's own broker: of lampposts, of whoever has taken one apart, its log."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.adoption.unknown import MOST, UnknownLampposts
from gateway.errors import NoReply
from gateway.lan.link import LanLink
from gateway.lan.mosquitto import LOG_TOPIC
from gateway.lan.waiting import Waiting
from protocol import lantopics, smp
from tests.fuzz.data import Data, as_cbor
from tests.fuzz.harness import NODE, OTHER, STRANGER, Silent, clock, run

_KINDS = (lantopics.REQUEST, lantopics.REPLY, lantopics.STATE, "/smp/rsp/", "")
_LINES = (
    b"1795752537: Client %s disconnected, not authorised.",
    b"1795752537: Client lamplighter-%s disconnected: not authorized",
    b"1795752537: New connection from 10.0.0.1:5 on port 8883.",
)


class LocalNetwork:
    """LanLink, with a request to NODE on its way."""

    def __init__(self) -> None:
        self.log = Silent()
        self.link = LanLink(1, "gateway", "secret", [NODE, OTHER], self.log)  # type: ignore[arg-type]
        self.unknown = UnknownLampposts(clock(), lambda node: node in (NODE, OTHER))
        self.link.on_stranger = lambda node: self.unknown.seen(node, "lan")

    def feed(self, data: bytes) -> None:
        run(self._feed(Data(data)))

    async def _feed(self, data: Data) -> None:
        request = smp.pack(smp.OP_READ, smp.GROUP_OS, data.below(256), 0, {"d": "x"})
        waiting = self.link._waiting[NODE] = Waiting(request)
        loud = self.log.loud
        while data.more:
            topic = self._topic(data)
            other_on = self.link.is_on(OTHER)
            done = waiting.reply.done()
            self.link.take(topic, self._payload(data, request), retained=data.chance())
            if not topic.startswith(lantopics.ROOT + OTHER.hex()):
                assert self.link.is_on(OTHER) == other_on, "by another's word"
            if waiting.reply.done() and not done:
                assert topic.startswith(lantopics.ROOT + NODE.hex())
                self._check(waiting.reply, request)
        assert self.link._on <= {NODE, OTHER}
        assert self.log.loud - loud <= 4, "the log is flooded"
        waiting.close()
        await asyncio.sleep(0)
        later = self.link._waiting[NODE] = Waiting(request)
        answer = smp.pack(smp.OP_READ_RSP, smp.GROUP_OS, request[6], 0, {"r": "y"})
        self.link.take(lantopics.topic(NODE.hex(), lantopics.REPLY), answer)
        assert later.reply.result() == answer
        del self.link._waiting[NODE]

    def _check(self, reply: asyncio.Future[bytes], request: bytes) -> None:
        error = reply.exception()
        if error is None:
            assert reply.result()[4:8] == request[4:8]
        else:
            assert isinstance(error, NoReply)

    def _topic(self, data: Data) -> str:
        if data.below(6) == 0:
            return LOG_TOPIC
        if data.below(10) == 0:
            return data.text()
        node = data.pick(
            (NODE.hex(), OTHER.hex(), STRANGER.hex(), data.bytes(6).hex(), NODE.hex().upper())
        )
        return lantopics.topic(node, data.pick(_KINDS))

    def _payload(self, data: Data, request: bytes) -> Any:
        match data.below(7):
            case 0:
                return data.bytes(1400)
            case 1:
                return data.damaged(smp.pack(1, smp.GROUP_OS, request[6], 0, {"r": "x"}))
            case 2:
                return as_cbor({"on": data.chance(), **data.map(("on", "v", "ep", "lk"))})
            case 3:
                return data.pick((lantopics.online("1.0.0", 1, 2), lantopics.offline(), b""))
            case 4:
                who = data.pick((NODE.hex().encode(), data.bytes(6).hex().encode(), data.bytes()))
                return data.pick(_LINES).replace(b"%s", who)
            case 5:
                return data.pick((None, "text", 5, bytearray(b"x")))
            case _:
                return as_cbor(data.value())

    def sizes(self) -> dict[str, tuple[int, int]]:
        link = self.link
        return {
            "on": (len(link._on), 2),
            "waiting": (len(link._waiting), 2),
            "turned away": (len(link.turned_away), 2),
            "floods": (len(link._floods._said), 2),
            "unknown": (len(self.unknown._known), MOST),
        }
