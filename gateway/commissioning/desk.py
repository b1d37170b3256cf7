"""The commissioning of one gateway's lampposts: what its command line and its page both do.

Independent of links: each lamppost is asked through its own sealed session.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gateway.adoption.adoption import Adoption
from gateway.adoption.unknown import UnknownLamppost, UnknownLampposts
from gateway.clock import StreetClock
from gateway.commissioning import adopting, checking, light, report, sensors
from gateway.commissioning.adopting import Searchable, Wanted
from gateway.commissioning.jobs import Job, Jobs
from gateway.commissioning.journal import Journal
from gateway.commissioning.results import Result, Verdict
from gateway.commissioning.shown import lamppost_document, stranger_document
from gateway.config import LamppostSection
from gateway.errors import GatewayError
from gateway.lampposts import management
from gateway.lampposts.channel import Channel
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.turns import Traffic
from gateway.logs import Logger

SEARCH: Final = "search"
LONGEST_BLINK_S: Final = 120
_TAKEN_UP_S: Final = 30.0
_LOOK_EVERY_S: Final = 0.02


class NotTakenUp(GatewayError):
    """The gateway does not follow its configuration; the text says what to do."""


class NoSuchLamppost(GatewayError):
    """No lamppost of this gateway has the node id."""


@dataclass(frozen=True)
class Surroundings:
    """What the desk is handed by whoever puts the gateway together.

    Attributes:
        gateway: id of this gateway.
        version: of this program.
        lampposts: gives those that run, by node id.
        unknown: those that were met.
        adoption: makes one ours.
        ways: the channels to the lamppost of a section, the best first; none where no link is.
        buses: those on which free addresses can be asked.
        desired: {"state", "reason"} of the configuration desired of a node.
        clock: street time.
        folder: where reports and results are kept.
        config_file: the configuration file.
        reload: has the configuration read again.
        on_lamp: called with a node id before its lamp is overridden.
        signal: dBm of what is heard of a lamppost at the moment, None where nothing tells.
        give: gives a lamppost the local network, over a link that works; None without one.
        log: where to say what was done.
    """

    gateway: str
    version: str
    lampposts: Callable[[], Mapping[bytes, Lamppost]]
    unknown: UnknownLampposts
    adoption: Adoption
    ways: Callable[[LamppostSection], Sequence[Channel]]
    buses: Mapping[str, Searchable]
    desired: Callable[[bytes], dict[str, Any]]
    clock: StreetClock
    folder: Path
    config_file: Path
    reload: Callable[[], None]
    log: Logger
    on_lamp: Callable[[bytes], None] = field(default=lambda node: None)
    signal: Callable[[bytes], int | None] = field(default=lambda node: None)
    give: Callable[[Lamppost, LamppostSection], Awaitable[bool]] | None = None


class Desk:
    """See the module. `jobs` are what is under way."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._journal = Journal(around.folder, around.log)
        self._signals: dict[bytes, int] = {}
        self.jobs = Jobs()

    async def close(self) -> None:
        """End what is under way; lamps go back to their programmes."""
        await self.jobs.close()

    def lampposts(self) -> list[Lamppost]:
        """All, by name."""
        there = self._around.lampposts().values()
        return sorted(there, key=lambda post: (post.name, post.node))

    def state(self) -> dict[str, Any]:
        """Everything that a list shows, as JSON has it. No key is in it."""
        search = self.jobs.latest.get(SEARCH)
        return {
            "gateway": self._around.gateway,
            "time": self._around.clock.now(),
            "lampposts": [self._shown(post) for post in self.lampposts()],
            "strangers": [
                stranger_document(one, self._around.clock.now()) for one in self._strangers()
            ],
            "search": search.document() if search is not None else None,
            "lan": self._around.give is not None,
        }

    def lamppost(self, node: str) -> dict[str, Any]:
        """One lamppost, with its results. Raises NoSuchLamppost."""
        post = self._post(node)
        return {**self._shown(post), **self._sheet(post)}

    def search(self) -> Job:
        """Ask every free address who is there. Raises Busy."""
        return self.jobs.start(
            SEARCH,
            SEARCH,
            lambda job: adopting.search(self._around.buses, self._around.unknown, job),
        )

    async def adopt(self, wanted: Wanted) -> dict[str, Any]:
        """Make a lamppost ours; gives it as `lamppost` does.

        Raises NotAdopted, BadLabel, ConfigurationError, NoReply, LinkUnavailable, OSError and
        BufferUnavailable: nothing has happened then.
        """
        around = self._around
        proof = wanted.proven_by()
        section = adopting.section(wanted, proof, around.unknown.shown())
        channels = around.ways(section)
        if not channels:
            raise NoSuchLamppost("none of the links to it is set up in this gateway")
        if wanted.replace and wanted.pole:
            section = await around.adoption.replace(wanted.pole, proof, channels, wanted.address)
        else:
            await around.adoption.adopt(section, channels)
        around.unknown.adopted(proof.node)
        around.reload()
        post = await self._taken_up(proof.node)
        self._note(post, {"identity": Result(
            Verdict.PASS, "adopted; it proved its key under seal", at=around.clock.now()
        )})  # fmt: skip
        if section.lan and section.bus is not None and around.give is not None:
            await around.give(post, section)
        return self.lamppost(section.id)

    async def rename(self, node: str, name: str) -> None:
        """Raises NoSuchLamppost, NotAdopted, ConfigurationError, OSError."""
        before = self._post(node)
        adopting.rename(self._around.config_file, node, name)
        self._journal.sheet(node, name)
        self._around.reload()
        post = await self._taken_up(before.node, name)
        post.newest = before.newest

    async def blink(self, node: str, seconds: int) -> None:
        """Have its lamp blink for `seconds` (0 ends it). Raises checks.FAILURES, NoSuchLamppost."""
        post = self._post(node)
        await post.session.ask(management.identify(seconds), Traffic.COMMAND)
        if seconds:
            self._note(post, {"blink": Result(
                Verdict.WAITING, f"told to blink for {seconds} s",
                "say whether this one blinked", self._around.clock.now(),
            )})  # fmt: skip

    def light(self, node: str, levels: Sequence[int], hold_s: float) -> Job:
        """Begin the light check. Raises Busy, NoSuchLamppost."""
        post = self._post(node)

        async def work(job: Job) -> None:
            def told(text: str, level: int | None) -> None:
                job.text, job.level = text, level if level is not None else job.level

            self._around.on_lamp(post.node)
            result = await light.run(post, levels, hold_s, told, self._around.clock.now)
            self._note(post, {"light": result})

        return self.jobs.start(node, "light", work)

    def check(self, node: str) -> Job:
        """Begin all checks that need nobody. Raises Busy, NoSuchLamppost."""
        post = self._post(node)
        return self.jobs.start(node, "check", lambda job: self._check(post, job))

    def say(self, node: str, step: str, *, saw_it: bool) -> None:
        """What a person saw of the blinking ("blink") or the levels ("light").

        Raises NoSuchLamppost, NotDone.
        """
        post = self._post(node)
        result = self._journal.sheet(node, post.name).results.get(step)
        said = checking.confirmed(step, result, saw_it, self._around.clock.now())
        self._note(post, {step: said})

    def skip(self, node: str, step: str, why: str) -> None:
        """Leave a step out, and say why. Raises NoSuchLamppost."""
        post = self._post(node)
        text = "".join(c for c in why if c.isprintable())[:200] or "left out"
        self._note(post, {step: Result(Verdict.SKIPPED, text, at=self._around.clock.now())})

    async def stop(self, node: str) -> bool:
        """End what is under way at a lamppost, or the search; whether anything was."""
        return await self.jobs.stop(node)

    def report(self) -> dict[str, Any]:
        """The report, as JSON has it."""
        return report.document(
            self._around.gateway, self._around.version, self._around.clock.now(),
            [{**self._shown(post), **self._sheet(post)} for post in self.lampposts()],
            [stranger_document(one, self._around.clock.now()) for one in self._strangers()],
        )  # fmt: skip

    def write_report(self) -> list[Path]:
        """Write the report; gives its files. Raises OSError."""
        return report.write(self._around.folder / report.FOLDER, self.report())

    async def _check(self, post: Lamppost, job: Job) -> None:
        around = self._around
        found, signal = await checking.everything(post, job, around.desired, around.clock)
        if signal is not None:
            self._signals[post.node] = signal
        for step in sensors.STEPS if "clock" in found else ():
            if step not in found:
                self._journal.forget(post.id, step)
        self._note(post, found)

    def _post(self, node: str) -> Lamppost:
        for post in self.lampposts():
            if post.id == node:
                return post
        raise NoSuchLamppost(f"no lamppost of this gateway is {node[:20]}; adopt it first")

    async def _taken_up(self, node: bytes, name: str | None = None) -> Lamppost:
        """The lamppost `node`, called `name`, once the gateway has read its configuration."""
        until = time.monotonic() + _TAKEN_UP_S
        while True:
            post = self._around.lampposts().get(node)
            if post is not None and name in (None, post.name):
                return post
            if time.monotonic() > until:
                raise NotTakenUp(
                    f"{node.hex()} is in the lampposts file, but this gateway has not taken it up; "
                    "its log says why"
                )
            await asyncio.sleep(_LOOK_EVERY_S)

    def _note(self, post: Lamppost, results: dict[str, Result]) -> None:
        self._journal.note(post.id, post.name, results)
        self._around.log.info(
            "commissioning", lamppost=post.id,
            **{step: result.verdict.value for step, result in results.items()},
        )  # fmt: skip

    def _sheet(self, post: Lamppost) -> dict[str, Any]:
        kept = self._journal.sheets.get(post.id) or self._journal.sheet(post.id, post.name)
        document = kept.document()
        return {key: document[key] for key in ("verdict", "missing", "results")}

    def _shown(self, post: Lamppost) -> dict[str, Any]:
        job = self.jobs.latest.get(post.id)
        signal = self._around.signal(post.node)
        return lamppost_document(
            post, self._sheet(post)["verdict"],
            self._signals.get(post.node) if signal is None else signal,
            job.document() if job is not None else None,
        )  # fmt: skip

    def _strangers(self) -> list[UnknownLamppost]:
        ours = {post.node for post in self.lampposts()}
        return [one for one in self._around.unknown.shown() if one.node not in ours]
