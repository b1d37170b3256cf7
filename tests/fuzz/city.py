"""What the city's broker sends: commands, wishes, releases, announcements, on any topic."""

from __future__ import annotations

import asyncio
import atexit
import json
import re
import shutil
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from gateway.buffer.state import Transfer, Wish
from gateway.commands import Commands
from gateway.config import Configuration
from gateway.desired import Configurations
from gateway.groups.dimming import GroupDimming
from gateway.inbox import Inbox
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.route import Route
from gateway.lampposts.session import Session
from gateway.logs import Logger
from gateway.updates.images import Images
from gateway.updates.manager import Updates
from gateway.updates.shelf import Shelf
from gateway.uplink.presence import Presence
from gateway.uplink.topics import Topics, release
from protocol import configuration, envelope, messages, smp
from tests.fuzz.data import Data, as_json
from tests.fuzz.harness import GATEWAY, KEY, NODE, NOW, OTHER, STRANGER, Silent, clock, run
from tests.fuzz.sealed import Answers, Reservations

_IMAGE = b"an image"
_WAITED_FOR = sha256(_IMAGE).hexdigest()
_LEAVES = ("desired/configuration", "desired/release", "command", "reported", "desired/x")
_FIELDS = tuple(row[0] for row in configuration.FIELDS)
_VALUES = {"lamp/groups": 3}
_RIGHT: tuple[dict[str, Any], ...] = (
    {"command": "lamp", "level": 30, "seconds": 60, "expires": NOW + 60},
    {"command": "lamp", "level": None, "expires": NOW + 60},
    {"command": "identify", "seconds": 5},
    {"version": 3, "values": _VALUES, "digest": configuration.digest(_VALUES).hex()},
    {"rollout": "r", "version": "1.0.0", "hash": "0" * 64, "image": "1" * 64, "size": 5},
    {"ingest": "city", "since": 5},
)
_KEYS = tuple(dict.fromkeys(key for one in _RIGHT for key in one))
_CONFIGURATION = {
    "gateway": {"id": GATEWAY, "data_dir": "/nonexistent"},
    "mqtt": {"host": "localhost"},
    "bus": {"north": {"port": "/dev/null"}},
}


@cache
def _folder() -> Path:
    """Where images go: one for all, since in it there is nothing but what is checked."""
    made = Path(tempfile.mkdtemp(prefix="lamplighter-fuzz-"))
    atexit.register(shutil.rmtree, made)
    return made


class _State:
    """What is kept on disk, as JSON, as there."""

    def __init__(self) -> None:
        self.kept: dict[tuple[bytes, str], str] = {}
        self.commands: dict[bytes, int] = {}
        self.moved: dict[bytes, Transfer] = {}

    async def wishes(self, *_: object) -> dict[bytes, Wish]:
        return {}

    async def transfers(self, *_: object) -> dict[bytes, Transfer]:
        return {}

    async def save_wish(self, node: bytes, kind: str, wish: Wish) -> None:
        self.kept[node, kind] = json.dumps([wish.document, wish.outcome])

    async def drop_wish(self, node: bytes, kind: str) -> None:
        self.kept.pop((node, kind), None)

    async def save_transfer(self, transfer: Transfer) -> None:
        self.moved[transfer.node] = transfer

    async def first_time(self, digest: bytes, expires: int, now: int) -> bool:
        assert 0 <= expires <= 0xFFFFFFFF
        if digest in self.commands:
            return False
        self.commands[digest] = expires
        return True


class _Link:
    async def subscribe(self, topic: str) -> None: ...
    async def unsubscribe(self, topic: str) -> None: ...


class _Kept(Updates):
    """Updates that are begun by nobody: what they do then is no matter of bytes."""

    def _start(self, node: bytes) -> None: ...


class _Honest(Answers):
    """A lamppost that does what it is asked under its seal, and remembers it."""

    def __init__(self) -> None:
        super().__init__(insider=False)
        self.honest = True
        self.done: list[tuple[int, dict[str, Any]]] = []

    async def exchange(self, message: bytes, **options: Any) -> tuple[bytes, bool]:
        _, _, _, _, body = smp.unpack(message)
        plain = envelope.open_sealed({1: KEY}, NODE, 0, messages.parse_sealed(body))[0]
        _, _, _, command, inner = smp.unpack(plain)
        self.done.append((command, inner))
        return await super().exchange(message, **options)


class City:
    """The inbox with all that is behind it, for the lampposts NODE and OTHER."""

    def __init__(self) -> None:
        self.log = Silent()
        log = cast(Logger, self.log)
        self.state = _State()
        state = cast(Any, self.state)
        self.far = _Honest()
        self.other = _Honest()
        self.lampposts = {
            node: Lamppost(
                node,
                node.hex(),
                Session(NODE, KEY, 1, Route([far]), cast(Any, Reservations()), log),
                log,
            )
            for node, far in ((NODE, self.far), (OTHER, self.other))
        }
        self.topics = Topics(GATEWAY)
        link = cast(Any, _Link())
        self.folder = _folder()
        self.images = Images(self.folder, link, log)
        self.images._waiting[_WAITED_FOR] = asyncio.Event()
        self.shelf = Shelf(link)
        self.presence = Presence(log)
        self.configurations = Configurations(state, lambda _: None, log)
        self.commands = Commands(self.lampposts, state, clock(), log)
        self.dimming = GroupDimming(self.lampposts, {}, state, clock(), log)
        self.updates = _Kept(
            Configuration.model_validate(_CONFIGURATION), self.lampposts, self.images, state,
            lambda _: None, log,
        )  # fmt: skip
        self.inbox = Inbox(
            self.topics, self.lampposts, self.configurations, self.updates, self.commands,
            self.dimming, self.images, self.shelf, self.presence, log,
        )  # fmt: skip

    def feed(self, data: bytes) -> None:
        run(self._feed(Data(data)))

    async def _feed(self, data: Data) -> None:
        while data.more:
            topic, payload = self._topic(data), self._payload(data)
            before = len(self.far.done), len(self.other.done), dict(self.state.kept)
            await self.inbox.received(topic, payload, data.pick((None, 0, 60, 0xFFFFFFFF)))
            for _ in range(8):
                await asyncio.sleep(0)
            self._check(topic, before)
        await self.dimming.close()
        await self.commands.close()
        del self.far.done[:], self.other.done[:]
        self.dimming._orders.clear()
        self.state.commands.clear()
        await self._still_works(data)

    def _check(self, topic: str, before: tuple[int, int, dict[tuple[bytes, str], str]]) -> None:
        ours = topic.startswith(f"lamplighter/v1/{GATEWAY}/")
        group = ours and re.search(r"/group/[^/]*/command$", topic) is not None
        for node, far, count in ((NODE, self.far, before[0]), (OTHER, self.other, before[1])):
            mine = ours and f"/lamppost/{node.hex()}/" in topic
            assert mine or group or len(far.done) == count, "another's command"
            for command, body in far.done[count:]:
                assert command in (messages.LAMP, messages.IDENTIFY, messages.STATUS)
                assert body.get("l") is None or 0 <= body["l"] <= 100
            if not mine:
                kept = {key: value for key, value in self.state.kept.items() if key[0] == node}
                assert kept.items() <= before[2].items(), "another's wish"
        for (_, kind), text in self.state.kept.items():
            document, outcome = json.loads(text)
            if kind == "configuration" and document:
                assert configuration.validate(document["values"]) == []
                assert 0 <= document["version"] <= 0xFFFFFFFF
            elif kind == "configuration":
                assert outcome["state"] == "refused"
            else:
                assert re.fullmatch(r"[0-9a-f]{64}", document["image"])
        assert not {path.name for path in self.folder.iterdir()} - {f"{_WAITED_FOR}.img"}
        for node in (NODE, OTHER):
            json.dumps([self.configurations.describe(node), self.updates.describe(node)])

    async def _still_works(self, data: Data) -> None:
        values = {"lamp/groups": data.below(0xFFFF)}
        version = data.below(1 << 32)
        right = {
            "version": version, "values": values, "digest": configuration.digest(values).hex()
        }  # fmt: skip
        topic = f"lamplighter/v1/{GATEWAY}/lamppost/{NODE.hex()}/desired/configuration"
        await self.inbox.received(topic, as_json(right))
        assert self.configurations.value(NODE, "lamp/groups") == values["lamp/groups"]

    def _topic(self, data: Data) -> str:
        gateway = data.pick((GATEWAY, GATEWAY, GATEWAY, "cabinet-8", data.text()))
        node = data.pick((NODE.hex(), OTHER.hex(), STRANGER.hex(), NODE.hex().upper(), data.text()))
        base = f"lamplighter/v1/{gateway}"
        return data.pick(
            (
                f"{base}/lamppost/{node}/{data.pick(_LEAVES)}",
                f"{base}/lamppost/{node}/{data.pick(_LEAVES)}",
                f"{base}/group/{data.pick(('all', '0', '1', '16', '17', '+'))}/command",
                f"lamplighter/v1/ingest/{data.pick(('city', data.text()))}",
                release(data.pick((_WAITED_FOR, "2" * 64, "../../x", data.text()))),
                f"lamplighter/v1/releases/metadata/{data.pick(('timestamp.json', data.text()))}",
                data.text(),
            )
        )

    def _payload(self, data: Data) -> bytes:
        match data.below(8):
            case 0:
                return data.bytes(4000)
            case 1:
                return b"[" * data.below(20_000)
            case 2 | 3:
                return as_json({**data.pick(_RIGHT), **data.map(_KEYS)})
            case 4:
                return data.damaged(as_json(data.pick(_RIGHT)))
            case 5:
                values = data.map(_FIELDS)
                return as_json({"version": data.value(), "values": values, "digest": data.text()})
            case 6:
                return data.pick((_IMAGE, b""))
            case _:
                return as_json({**data.pick(_RIGHT), "expires": NOW + data.below(100_000)})

    def sizes(self) -> dict[str, tuple[int, int]]:
        return {
            "wishes": (len(self.state.kept), 4),
            "transfers": (len(self.state.moved), 2),
            "held wishes": (len(self.configurations._wishes), 2),
            "bad": (len(self.updates._bad) + len(self.updates._next), 4),
            "commands": (len(self.commands._tasks), 16),
            "orders": (len(self.dimming._orders), 16),
            "ingests": (len(self.presence._deadlines), 1000),
            "images": (len(self.images._waiting), 1),
        }
