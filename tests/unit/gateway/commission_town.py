"""A desk over scripted lampposts that really seal, with the gateway's own adoption behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import tomli_w

from gateway import logs
from gateway.adoption.adoption import Adoption
from gateway.adoption.unknown import UnknownLampposts
from gateway.buffer.state import State
from gateway.bus.identities import Found
from gateway.commissioning.adopting import Searchable
from gateway.commissioning.desk import Desk, Surroundings
from gateway.config import LamppostSection, load
from gateway.lampposts.channel import Channel
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.route import Route
from gateway.lampposts.session import Session
from protocol import configuration, messages, records, smp
from tests.integration.gateway.fake_node import KEY_ID, FakeNode
from tests.unit.gateway.test_adoption import Clock, Way

GATEWAY = "cabinet-1"


@dataclass
class LitNode(FakeNode):
    """Its lamp does what it is told, unless it is `stuck` at a level; its clock is right."""

    stuck: int | None = None
    now: Callable[[], int] = lambda: 0

    def _do(
        self, op: int, group: int, command: int, body: dict[str, Any], sealed: bool
    ) -> dict[str, Any] | None:
        if (group, command) == (smp.GROUP_STREET, messages.LAMP) and op == smp.OP_READ:
            level = self.override[0] if self.override and self.override[0] is not None else 55
            reason = records.REASON_OVERRIDE if level != 55 else records.REASON_PROGRAM
            level = level if self.stuck is None else self.stuck
            return messages.lamp_reply(level, reason, level)
        if (group, command) == (smp.GROUP_STREET, messages.IDENTIFY) and op == smp.OP_READ:
            return messages.identify_reply(self.id, "esp32s3-ref", "1.0.0", self.address)
        if group == smp.GROUP_SETTINGS and op == smp.OP_READ and "name" in body:
            if body["name"] != "configuration":
                return super()._do(op, group, command, body, sealed)
            return {"val": configuration.document(self.version, self.values)}
        answer = super()._do(op, group, command, body, sealed)
        if (group, command) == (smp.GROUP_STREET, messages.STATUS) and answer is not None:
            answer["tm"] = self.now()
        return answer

    @property
    def label(self) -> str:
        """The text of its QR code."""
        return f"LAMPLIGHTER:1:{self.hex}:{KEY_ID}:{self.key.hex()}".upper()


class _Identities:
    def __init__(self, nodes: Sequence[FakeNode]) -> None:
        self.expected: dict[int, bytes] = {}
        self.nodes = nodes

    async def ask(self, address: int, times: int = 1) -> Found:
        return Found({node.id for node in self.nodes if node.address == address})


class _Bus:
    def __init__(self, nodes: Sequence[FakeNode]) -> None:
        self.identities = _Identities(nodes)


@dataclass
class Town:
    """What there is around a desk in `folder`."""

    folder: Path
    state: State
    nodes: list[LitNode]
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.file = self.folder / "gateway.toml"
        self.file.touch(mode=0o600)
        document = {
            "gateway": {"id": GATEWAY, "data_dir": str(self.folder)},
            "mqtt": {"host": "localhost"},
            "bus": {"north": {"port": "/dev/ttyAMA0"}},
        }
        self.file.write_text(tomli_w.dumps(document))
        self.lampposts: dict[bytes, Lamppost] = {}
        self.unknown = UnknownLampposts(self.clock, lambda node: node in self.lampposts)
        self.overridden: list[bytes] = []
        for node in self.nodes:
            node.now = self.clock.now
        self.desk = self.make_desk()

    def make_desk(self) -> Desk:
        """Another one over the same folder, as after a restart."""
        buses: Mapping[str, Any] = {"north": _Bus(self.nodes)}
        return Desk(
            Surroundings(
                gateway=GATEWAY,
                version="0",
                lampposts=lambda: self.lampposts,
                unknown=self.unknown,
                adoption=Adoption(self.file, self.state, self.clock, logs.get()),
                ways=self.ways,
                buses=cast("Mapping[str, Searchable]", buses),
                desired=lambda node: {"state": "applied", "reason": ""},
                clock=self.clock,
                folder=self.folder,
                config_file=self.file,
                reload=self.reload,
                log=logs.get(),
                on_lamp=self.overridden.append,
            )
        )

    def ways(self, section: LamppostSection) -> list[Channel]:
        """To whoever is at the section's address."""
        return [Way(node) for node in self.nodes if node.address == section.address]

    def reload(self) -> None:
        """As the gateway does when it reads its configuration again."""
        before, self.lampposts = self.lampposts, {}
        for section in load(self.file)[0].lamppost:
            key = section.key.get_secret_value()
            session = Session(
                section.node, key, section.key_id, Route(self.ways(section)), self.state, logs.get()
            )
            known = before.get(section.node)
            self.lampposts[section.node] = (
                known
                if known is not None and known.name == section.name
                else Lamppost(
                    section.node, section.name, session, logs.get(), section.bus, section.address
                )
            )

    async def ended(self, about: str) -> dict[str, Any]:
        """What became of the job about `about`, once it has ended."""
        job = self.desk.jobs.latest[about]
        assert job.task is not None
        try:
            await job.task
        finally:
            assert not job.running
        return job.document()
