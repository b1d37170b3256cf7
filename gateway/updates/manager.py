"""Desired releases: which update each lamppost is on, started, resumed, replaced, described."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from gateway.buffer.state import State, Transfer, Wish
from gateway.config import Configuration
from gateway.documents import json_object
from gateway.errors import BufferUnavailable
from gateway.lampposts.lamppost import Lamppost
from gateway.logs import Logger
from gateway.updates.figures import Figures
from gateway.updates.images import LARGEST, Images
from gateway.updates.means import Means
from gateway.updates.multicast import Multicasts
from gateway.updates.runner import Runner
from gateway.updates.shown import shown
from gateway.updates.slots import Slots
from gateway.updates.steps import FINAL, REPLACEABLE, Step
from gateway.updates.trusted import Trust
from gateway.updates.voice import Voice

_Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_LARGEST_DOCUMENT = 4096


class Release(BaseModel):
    """The desired document of a release."""

    model_config = ConfigDict(extra="ignore", strict=True)
    rollout: Annotated[str, Field(min_length=1, max_length=100)]
    version: Annotated[str, Field(min_length=1, max_length=40)]
    hash: _Hash
    image: _Hash
    size: Annotated[int, Field(ge=1, le=LARGEST)]


class Updates:
    """All updates. `changed(node)` is called when there is something new to report.

    trust: asked before anything is sent, None where the city signs no metadata. voices: by name of
    the bus, for multicasts; a bus without has none.

    Attributes:
        figures: what updates have cost since the start.
    """

    def __init__(
        self,
        configuration: Configuration,
        lampposts: Mapping[bytes, Lamppost],
        images: Images,
        state: State,
        changed: Callable[[bytes], None],
        log: Logger,
        trust: Trust | None = None,
        voices: Mapping[str, Voice] | None = None,
    ) -> None:
        settings = configuration.updates
        slots = Slots(
            {name: bus.uploads_at_once for name, bus in configuration.bus.items()},
            settings.lan_uploads_at_once,
            settings.ble_uploads_at_once,
        )
        self.figures = Figures()
        multicasts = {
            name: Multicasts(
                voice,
                slots.of_bus(name),
                settings.multicast_gather_s,
                self.figures,
                log.bind(bus=name),
                lambda name=name: sum(post.bus == name for post in lampposts.values()) > 1,
            )
            for name, voice in (voices or {}).items()
            if settings.multicast
        }
        self._means = Means(images, state, slots, multicasts, trust, settings, self.figures)
        self._lampposts = lampposts
        self._images = images
        self._state = state
        self._changed = changed
        self._log = log
        self._transfers: dict[bytes, Transfer] = {}
        self._runners: dict[bytes, Runner] = {}
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._next: dict[bytes, Release] = {}
        self._bad: dict[bytes, str] = {}
        self._failed: asyncio.Future[None] | None = None

    async def load(self) -> None:
        """Take up what was under way. To be done before the broker says anything new."""
        self._failed = asyncio.get_running_loop().create_future()
        self._transfers = await self._state.transfers(lambda transfer: Step(transfer.step))
        wishes = await self._state.wishes("release", Release.model_validate)
        for node, transfer in self._transfers.items():
            if node not in wishes and Step(transfer.step) in REPLACEABLE:
                # Killed between the two halves of a withdrawal.
                await self._end_withdrawn(transfer)
        for node, wish in wishes.items():
            # Kept on disk but not begun when the gateway was killed.
            if node in self._lampposts:
                await self._consider(node, Release.model_validate(wish.document))
        for node in list(self._transfers):
            self._start(node)

    async def run(self) -> None:
        """Until cancelled; raises what no update should raise. `load` comes first."""
        if self._failed is None:
            raise AssertionError("load() comes first")
        try:
            await self._failed
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            for multicasts in self._means.multicasts.values():
                await multicasts.close()

    async def received(self, node: bytes, payload: bytes) -> None:
        """The city says which release it wants `node` to run; an empty payload withdraws it."""
        self._bad.pop(node, None)
        if not payload:
            await self._withdraw(node)
            return
        try:
            release = Release.model_validate(json_object(payload, _LARGEST_DOCUMENT))
        except ValueError as error:  # pydantic's errors are
            self._log.warning("desired release refused", node=node.hex(), why=str(error))
            self._bad[node] = f"desired release refused: {error}"[:500]
            self._changed(node)
            return
        await self._state.save_wish(node, "release", Wish(release.model_dump(), {}))
        await self._consider(node, release)

    def describe(self, node: bytes) -> dict[str, Any]:
        """The `update` part of the reported document."""
        return shown(self._transfers.get(node), self._runners.get(node), self._bad.get(node))

    async def reconcile(self, node: bytes) -> None:
        """A lamppost gave new facts: one given up as silent may have made it after all."""
        transfer = self._transfers.get(node)
        facts = self._lampposts[node].facts
        if (
            transfer is not None
            and facts is not None
            and transfer.step == Step.FAILED
            and facts["hash"] == transfer.hash
            and facts["confirmed"]
        ):
            transfer.step, transfer.reason = Step.CONFIRMED.value, ""
            await self._state.save_transfer(transfer)
            self._changed(node)

    async def _consider(self, node: bytes, release: Release) -> None:
        current = self._transfers.get(node)
        if (
            current is not None
            and current.rollout == release.rollout
            and (current.hash == release.hash)
        ):
            return  # retained, and sent again after each reconnect; or done already
        if current is not None and Step(current.step) not in FINAL | REPLACEABLE:
            # Its lamppost may be in the middle of a trial: let that end first.
            self._next[node] = release
            return
        await self._stop(node)
        transfer = Transfer(
            node, release.rollout, release.version, release.hash, release.image, release.size,
            Step.FETCH.value,
        )  # fmt: skip
        await self._state.save_transfer(transfer)
        self._transfers[node] = transfer
        self._start(node)
        self._changed(node)
        await self._images.keep_only(
            {
                name
                for transfer in self._transfers.values()
                if Step(transfer.step) not in FINAL
                for name in (transfer.image, transfer.file)
            }
        )

    async def _withdraw(self, node: bytes) -> None:
        self._next.pop(node, None)
        await self._state.drop_wish(node, "release")
        current = self._transfers.get(node)
        if current is None or Step(current.step) not in REPLACEABLE:
            return
        await self._stop(node)
        await self._end_withdrawn(current)
        self._changed(node)

    async def _end_withdrawn(self, transfer: Transfer) -> None:
        transfer.step, transfer.reason = Step.FAILED.value, "withdrawn"
        await self._state.save_transfer(transfer)

    async def _stop(self, node: bytes) -> None:
        task = self._tasks.pop(node, None)
        self._runners.pop(node, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _start(self, node: bytes) -> None:
        transfer = self._transfers[node]
        lamppost = self._lampposts.get(node)
        if lamppost is None or Step(transfer.step) in FINAL or node in self._tasks:
            return
        runner = Runner(transfer, lamppost, self._means, lambda: self._changed(node))
        self._runners[node] = runner
        task = asyncio.create_task(self._run(node, runner))
        self._tasks[node] = task
        task.add_done_callback(self._ended)

    async def _run(self, node: bytes, runner: Runner) -> None:
        await runner.run()
        if self._tasks.get(node) is asyncio.current_task():
            del self._tasks[node]
        while node in self._next:
            following = self._next[node]
            try:
                await self._consider(node, following)
            except BufferUnavailable:
                await asyncio.sleep(self._means.settings.retry_s)
            else:
                # Unless a still newer one came meanwhile.
                if self._next.get(node) is following:
                    del self._next[node]

    def _ended(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or self._failed is None or self._failed.done():
            return
        error = task.exception()
        if error is not None:
            self._failed.set_exception(error)
