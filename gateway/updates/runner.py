"""One update of one lamppost, from wherever it stood to its end.

A state machine whose step is on disk before it is taken: after kill -9 it goes on from there. What
really happened is asked of the lamppost, so nothing is installed twice: an image that already runs
is not uploaded, one that is already there is not uploaded again, and one that was tried and given
up is not tried again for the same rollout.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from gateway.buffer.state import State, Transfer
from gateway.config import UpdatesSection
from gateway.errors import (
    BadReply,
    BufferUnavailable,
    LinkUnavailable,
    NodeRefused,
    NoReply,
    SealBroken,
    Unsettled,
)
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.updates.images import Images, ImageUnavailable, hash_of
from gateway.updates.steps import FINAL, MOST_RESETS, MOST_TRANSITIONS, Step
from protocol import messages
from protocol.errors import ProtocolError

_IMAGE_TIMEOUT_S = 60.0
_MOST_DOUBTS = 3


class Runner:
    """Takes `transfer` to a final step.

    upload_slots bounds the uploads on the lamppost's bus; changed() is called when there is
    something new to report.
    """

    def __init__(
        self,
        transfer: Transfer,
        lamppost: Lamppost,
        images: Images,
        state: State,
        upload_slots: asyncio.Semaphore,
        settings: UpdatesSection,
        changed: Callable[[], None],
    ) -> None:
        self.transfer = transfer
        self.progress = 0.0
        self.uploading = False
        self._lamppost = lamppost
        self._images = images
        self._state = state
        self._upload_slots = upload_slots
        self._trial_timeout = settings.trial_timeout_s
        self._settle = settings.settle_s
        self._retry = settings.retry_s
        self._changed = changed
        self._deadline: float | None = None
        self._doubted = 0
        self._log = lamppost.log.bind(rollout=transfer.rollout, version=transfer.version)

    @property
    def step(self) -> Step:
        """Where it stands."""
        return Step(self.transfer.step)

    async def run(self) -> None:
        """Go on until a final step is reached."""
        while self.step not in FINAL:
            try:
                try:
                    await self._advance()
                except NodeRefused as refused:
                    if not refused.passing:
                        await self._refused(refused)
                        continue
                    self._log.debug("update waits", step=self.step, why=str(refused))
                    await asyncio.sleep(self._retry)
            except (NoReply, LinkUnavailable, SealBroken, BadReply, BufferUnavailable) as error:
                self._log.debug("update waits", step=self.step, why=str(error))
                await asyncio.sleep(self._retry)
            except ImageUnavailable as error:
                if self.transfer.reason != str(error):
                    self._log.warning("update waits for its image", why=str(error))
                    self.transfer.reason = str(error)
                    self._changed()
                await asyncio.sleep(self._retry)

    async def _go(self, step: Step, reason: str = "") -> None:
        transfer = self.transfer
        if transfer.transitions >= MOST_TRANSITIONS and step not in FINAL:
            step, reason = Step.FAILED, f"given up after {transfer.transitions} steps"
        before = (transfer.step, transfer.transitions, transfer.reason)
        transfer.step, transfer.reason = step.value, reason
        transfer.transitions += 1
        try:
            await self._state.save_transfer(transfer)
        except BaseException:
            transfer.step, transfer.transitions, transfer.reason = before
            raise
        self._log.info("update", step=step.value, **({"reason": reason} if reason else {}))
        self._changed()

    async def _advance(self) -> None:
        match self.step:
            case Step.FETCH:
                await self._fetch()
            case Step.UPLOAD:
                await self._upload()
            case Step.VERIFY:
                await self._verify()
            case Step.TEST:
                await management.start_on_next_reset(
                    self._lamppost, bytes.fromhex(self.transfer.hash)
                )
                await self._go(Step.RESET)
            case Step.RESET:
                await self._reset()
            case Step.TRIAL:
                await self._trial()
            case _:
                raise AssertionError(f"{self.step} is final")

    async def _fetch(self) -> None:
        if await self._skip_if_running():
            return
        transfer = self.transfer
        data = await self._images.get(transfer.image, transfer.size, _IMAGE_TIMEOUT_S)
        try:
            found = hash_of(data)
        except ProtocolError as error:
            await self._go(Step.FAILED, str(error))
            return
        if found != transfer.hash:
            await self._go(
                Step.FAILED, f"the image has hash {found}, the release says {transfer.hash}"
            )
            return
        await self._go(Step.UPLOAD)

    async def _upload(self) -> None:
        async with self._upload_slots:
            if await self._skip_if_running():
                return
            if self._slot(await self._slots()) is not None:
                await self._go(Step.VERIFY)
                return
            data = await self._images.get(self.transfer.image, self.transfer.size, _IMAGE_TIMEOUT_S)
            upload = management.Upload(self._lamppost, data)

            def progressed() -> None:
                self.progress = upload.offset / len(data)
                self.uploading = self.uploading or upload.offset > 0
                self._changed()

            before = await self._facts()
            try:
                await upload.run(progressed)
            except NodeRefused as refused:
                if refused.passing:
                    raise
                await self._upload_refused(refused, before)
                return
        await self._go(Step.VERIFY)

    async def _upload_refused(self, refused: NodeRefused, before: dict[str, Any]) -> None:
        # Uploads are not sealed, so anyone on the line may refuse. STATUS is sealed, and decides.
        status = await self._facts()
        reason = status["update_reason"]
        if status["update_state"] == messages.UPDATE_REFUSED:
            # It may be left over from the image before; the same words again and again are not.
            fresh = (before["update_state"], before["update_reason"]) != (
                messages.UPDATE_REFUSED,
                reason,
            )
            self._doubted += 1
            if fresh or self._doubted >= _MOST_DOUBTS:
                await self._go(Step.REFUSED, reason or str(refused))
                return
        doubt = f"upload refused, but the lamppost's status does not say so: {refused}"
        if self.transfer.reason != doubt:
            self._log.warning("update waits: its upload was refused unsealed", why=str(refused))
            self.transfer.reason = doubt
            self._changed()
        raise BadReply(doubt)

    async def _verify(self) -> None:
        slot = self._slot(await self._slots())
        if slot is not None:
            await self._go(Step.TEST)
            return
        status = await self._facts()
        if status["update_state"] == messages.UPDATE_VERIFYING:
            await asyncio.sleep(min(self._retry, 1.0))
        elif status["update_state"] == messages.UPDATE_REFUSED:
            await self._go(Step.REFUSED, status["update_reason"] or "the lamppost gives no reason")
        else:
            # It lost the upload (a restart); it is uploaded again from where it says.
            await self._go(Step.UPLOAD)
            await asyncio.sleep(self._retry)

    async def _reset(self) -> None:
        transfer = self.transfer
        if transfer.resets >= MOST_RESETS:
            await self._go(Step.FAILED, f"asked to restart {transfer.resets} times, still pending")
            return
        # Counted and moved on before it is sent: whatever happens next, TRIAL finds out.
        transfer.resets += 1
        await self._go(Step.TRIAL)
        try:
            await management.reset(self._lamppost)
        except (NoReply, Unsettled, LinkUnavailable, SealBroken, BadReply) as error:
            self._log.debug("reset not answered", why=str(error))

    async def _trial(self) -> None:
        deadline = self._deadline
        if deadline is None:
            deadline = self._deadline = time.monotonic() + self._trial_timeout
            # The lamppost answers a reset before it goes: asked at once, it would show the old
            # firmware with the trial still pending, and a second reset would hit the trial.
            await asyncio.sleep(self._settle)
        try:
            slots = await self._slots()
            active = next((slot for slot in slots if slot["active"]), None)
            if active is None:
                raise BadReply("image state: no active image")
            if _hash(active) == self.transfer.hash:
                if active["confirmed"]:
                    await self._go(Step.CONFIRMED)
                    await self._facts()
                    return
            else:
                slot = self._slot(slots)
                if slot is not None and slot["pending"]:
                    self._deadline = None
                    await self._go(Step.RESET)
                    return
                status = await self._facts()
                await self._go(
                    Step.REVERTED,
                    status["update_reason"] or f"the lamppost went back to {active['version']}",
                )
                return
        except (NoReply, LinkUnavailable, SealBroken, BadReply) as error:
            if time.monotonic() >= deadline:
                await self._go(Step.FAILED, f"silent after the restart: {error}")
                return
            raise
        except NodeRefused as refused:
            # Refusing to say what it runs decides nothing about the trial; the deadline does.
            if time.monotonic() >= deadline:
                await self._go(Step.FAILED, f"gives no answer after the restart: {refused}")
                return
            raise BadReply(str(refused)) from refused
        if time.monotonic() >= deadline:
            await self._go(Step.FAILED, "not confirmed in time")
            return
        await asyncio.sleep(min(self._retry, 1.0))

    async def _skip_if_running(self) -> bool:
        active = next((slot for slot in await self._slots() if slot["active"]), None)
        if active is None or _hash(active) != self.transfer.hash:
            return False
        await self._go(Step.CONFIRMED if active["confirmed"] else Step.TRIAL)
        return True

    async def _slots(self) -> list[dict[str, Any]]:
        if self._lamppost.link != "up":
            raise NoReply("the lamppost is silent")
        return await management.images(self._lamppost)

    def _slot(self, slots: list[dict[str, Any]]) -> dict[str, Any] | None:
        """The idle slot that holds our image, whole and verified."""
        for slot in slots:
            if not slot["active"] and _hash(slot) == self.transfer.hash:
                return slot
        return None

    async def _facts(self) -> dict[str, Any]:
        status = await management.status(self._lamppost)
        self._lamppost.take_facts(status, time.monotonic())
        return status

    async def _refused(self, refused: NodeRefused) -> None:
        reason = refused.reason
        try:
            reason = reason or (await self._facts())["update_reason"]
        except (NoReply, LinkUnavailable, SealBroken, BadReply, NodeRefused) as error:
            self._log.debug("no reason for the refusal", why=str(error))
        await self._go(Step.REFUSED, reason or str(refused))


def _hash(slot: dict[str, Any]) -> str:
    value = slot["hash"]
    return value.hex() if isinstance(value, bytes) else ""
