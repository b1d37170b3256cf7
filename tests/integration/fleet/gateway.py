"""A gateway as the city sees it: it reports, and answers what is desired by a script."""

import asyncio
import json
from types import TracebackType
from typing import Any, Self

from aiomqtt import Client, ProtocolVersion

from protocol import cbor

PREFIX = "lamplighter/v1"


class FakeGateway:
    """Lampposts behind it obey at once, save those that a test has told otherwise.

    refuse: nodes that refuse a configuration, with the reason.
    revert: nodes whose trial of a release ends in going back, with the reason.
    mute: nodes that never answer. groups: lamp/groups by node.
    """

    def __init__(self, port: int, name: str) -> None:
        self.name = name
        self.states: dict[str, dict[str, Any]] = {}
        self.commands: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[str] = []
        self.refuse: dict[str, str] = {}
        self.revert: dict[str, str] = {}
        self.mute: set[str] = set()
        self.groups: dict[str, int] = {}
        self.images: dict[str, bytes] = {}
        self.client = Client("127.0.0.1", port, protocol=ProtocolVersion.V5)
        self.client.pending_calls_threshold = 1000
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        base = f"{PREFIX}/{self.name}/lamppost/+"
        for topic in (
            f"{base}/desired/#",
            f"{base}/command",
            f"{PREFIX}/releases/+",
            f"{PREFIX}/{self.name}/group/+/command",
        ):
            await self.client.subscribe(topic, qos=1)
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._task is not None
        failed = self._task.done()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=not failed)
        await self.client.__aexit__(kind, error, trace)

    def add(self, node: str, name: str, **changes: Any) -> None:
        self.states[node] = {
            "node": node,
            "name": name,
            "address": len(self.states) + 1,
            "board": "esp32s3-ref",
            "time": 1_780_000_000,
            "link": {"state": "up", "last_heard": 1_780_000_000, "backlog": 0, "rejected": 0},
            "firmware": {
                "version": "1.3.0",
                "slot": 0,
                "hash": "11" * 32,
                "confirmed": True,
                "security_counter": 1,
            },
            "update": {"state": "idle", "progress": 0},
            "configuration": {"version": 0, "digest": None, "state": "applied", "reason": None},
            "lamp": {"level": 0, "reason": "program"},
            "epoch": 1,
            "uptime": 100,
            **changes,
        }

    async def announce(self, state: str = "online") -> None:
        status = {"state": state, "since": 1_780_000_000, "version": "0.1.0"}
        await self._publish(f"{PREFIX}/{self.name}/status", status)
        for node in self.states:
            await self.report(node)

    async def report(self, node: str) -> None:
        await self._publish(f"{PREFIX}/{self.name}/lamppost/{node}/reported", self.states[node])

    async def records(
        self, node: str, epoch: int, seq: int, bodies: list[bytes], topic: str = "records"
    ) -> None:
        payload = cbor.dumps([1, bytes.fromhex(node), epoch, seq, bodies])
        await self.client.publish(f"{PREFIX}/{self.name}/{topic}", payload, qos=1)

    async def _publish(self, topic: str, body: dict[str, Any]) -> None:
        await self.client.publish(topic, json.dumps(body), qos=1, retain=True)

    async def _serve(self) -> None:
        async for message in self.client.messages:
            parts = str(message.topic).split("/")
            payload = bytes(message.payload)
            if parts[2] == "releases":
                self.images[parts[3]] = payload
                continue
            if parts[3] == "group":
                await self._obey_group(parts[4], json.loads(payload))
                continue
            node, leaf = parts[4], "/".join(parts[5:])
            if not payload or node in self.mute:
                continue
            body = json.loads(payload)
            if leaf == "command":
                self.commands.append((node, body))
                await self._obey(node, body)
            elif leaf == "desired/configuration":
                await self._configure(node, body)
            else:
                await self._update(node, body)

    async def _obey_group(self, group: str, body: dict[str, Any]) -> None:
        self.commands.append((f"group {group}", body))
        for node in self.states:
            mask = self.groups.get(node, 0)
            if node not in self.mute and (group == "all" or mask >> (int(group) - 1) & 1):
                await self._obey(node, body)

    async def _obey(self, node: str, body: dict[str, Any]) -> None:
        if body["command"] == "lamp":
            cleared = body["level"] is None
            self.states[node]["lamp"] = {
                "level": 0 if cleared else body["level"],
                "reason": "program" if cleared else "override",
            }
            await self.report(node)

    async def _configure(self, node: str, body: dict[str, Any]) -> None:
        state = self.states[node]["configuration"]
        state["state"], state["reason"] = "pending", None
        await self.report(node)
        if node in self.refuse:
            state.update(state="refused", reason=self.refuse[node])
        else:
            state.update(state="applied", version=body["version"], digest=body["digest"])
        await self.report(node)

    async def _update(self, node: str, body: dict[str, Any]) -> None:
        self.asked.append(node)
        state = self.states[node]
        told = {"rollout": body["rollout"], "version": body["version"], "hash": body["hash"]}
        for phase, progress in (("uploading", 0.5), ("verifying", 1), ("trial", 1)):
            state["update"] = {**told, "state": phase, "progress": progress}
            await self.report(node)
        if node in self.revert:
            state["update"] = {**told, "state": "reverted", "reason": self.revert[node]}
        else:
            state["update"] = {**told, "state": "confirmed", "progress": 1}
            state["firmware"].update(version=body["version"], hash=body["hash"], confirmed=True)
        await self.report(node)
