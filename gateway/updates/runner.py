"""One update of one lamppost, from wherever it stood to its end.

A state machine whose step is on disk before it is taken: after kill -9 it goes on from there. What
really happened is asked of the lamppost, so nothing is installed twice: an image that already runs
is not sent, one that is already there is not sent again, and one that was tried and given up is not
tried again for the same rollout.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from gateway.buffer.state import Transfer
from gateway.errors import (
    BadReply,
    BufferUnavailable,
    GatewayError,
    LinkUnavailable,
    NodeRefused,
    NoReply,
    SealBroken,
    Unsettled,
)
from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost
from gateway.updates.images import ImageUnavailable
from gateway.updates.installed import active, facts, hash_in, idle_with, image_slots
from gateway.updates.means import Means
from gateway.updates.sending import LinkChanged, Next, NotTheImage, Sending
from gateway.updates.steps import FINAL, MOST_RESETS, MOST_TRANSITIONS, Step
from gateway.updates.trial import Trial
from gateway.updates.trusted import NotTrusted, TrustUnavailable
from protocol import messages


class Runner:
    """Takes `transfer` of `lamppost` to a final step; changed() is called when there is news."""

    def __init__(
        self, transfer: Transfer, lamppost: Lamppost, means: Means, changed: Callable[[], None]
    ) -> None:
        self.transfer = transfer
        self._lamppost = lamppost
        self._means = means
        self._changed = changed
        self._retry = means.settings.retry_s
        self._log = lamppost.log.bind(rollout=transfer.rollout, version=transfer.version)
        self._sending = Sending(transfer, lamppost, means, changed)
        self._trial = Trial(
            lamppost, transfer.hash, means.settings.trial_timeout_s, means.settings.settle_s
        )

    @property
    def step(self) -> Step:
        """Where it stands."""
        return Step(self.transfer.step)

    @property
    def progress(self) -> float:
        """Share of the file that the lamppost has, 0..1."""
        return self._sending.progress

    @property
    def uploading(self) -> bool:
        """Whether the lamppost has taken a chunk."""
        return self._sending.uploading

    async def run(self) -> None:
        """Go on until a final step is reached."""
        while self.step not in FINAL:
            try:
                await self._once()
            except (NoReply, LinkUnavailable, SealBroken, BadReply, BufferUnavailable) as error:
                self._log.debug("update waits", step=self.step, why=str(error))
                await asyncio.sleep(self._retry)
            except (ImageUnavailable, TrustUnavailable) as error:
                self._wait_for(error)
                await asyncio.sleep(self._retry)
            except LinkChanged as changed:
                self._log.info("update goes on by another link", why=str(changed))

    async def _once(self) -> None:
        try:
            following = await self._advance()
        except NodeRefused as refused:
            if refused.passing:
                raise BadReply(str(refused)) from refused
            following = Next(Step.REFUSED, await self._reason(refused))
        except NotTrusted as error:
            following = Next(Step.REFUSED, str(error))
        except NotTheImage as error:
            following = Next(Step.FAILED, str(error))
        if following is not None:
            await self._go(following)

    def _wait_for(self, error: GatewayError) -> None:
        if self.transfer.reason != str(error):
            self._log.warning("update waits", step=self.step, why=str(error))
            self.transfer.reason = str(error)
            self._changed()

    async def _go(self, following: Next) -> None:
        step, reason = following
        transfer = self.transfer
        if transfer.transitions >= MOST_TRANSITIONS and step not in FINAL:
            step, reason = Step.FAILED, f"given up after {transfer.transitions} steps"
        before = (transfer.step, transfer.transitions, transfer.reason)
        transfer.step, transfer.reason = step.value, reason
        transfer.transitions += 1
        try:
            await self._means.state.save_transfer(transfer)
        except BaseException:
            transfer.step, transfer.transitions, transfer.reason = before
            raise
        self._log.info("update", step=step.value, **({"reason": reason} if reason else {}))
        self._changed()

    async def _advance(self) -> Next | None:
        match self.step:
            case Step.FETCH:
                return await self._sending.choose()
            case Step.MULTICAST:
                return await self._sending.multicast()
            case Step.UPLOAD:
                return await self._sending.upload()
            case Step.VERIFY:
                return await self._verify()
            case Step.TEST:
                return await self._test()
            case Step.RESET:
                return await self._reset()
            case Step.TRIAL:
                following = await self._trial.look()
                if following is None:
                    await asyncio.sleep(min(self._retry, 1.0))
                elif following.step is Step.CONFIRMED:
                    await self._tell_what_runs()
                return following
            case _:
                raise AssertionError(f"{self.step} is final")

    async def _verify(self) -> Next | None:
        slots = await image_slots(self._lamppost)
        if idle_with(slots, self.transfer.hash) is not None:
            return Next(Step.TEST)
        running = active(slots)
        if running is not None and hash_in(running) == self.transfer.hash:
            return Next(Step.CONFIRMED if running["confirmed"] else Step.TRIAL)
        status = await facts(self._lamppost)
        if status["update_state"] == messages.UPDATE_VERIFYING:
            await asyncio.sleep(min(self._retry, 1.0))
            return None
        if status["update_state"] == messages.UPDATE_REFUSED and not self.transfer.multicast:
            return Next(Step.REFUSED, status["update_reason"] or "the lamppost gives no reason")
        # It lost the upload (a restart), which goes on from where it says; or it was not ours: that
        # it has a multicast is said unsealed.
        await asyncio.sleep(self._retry)
        self.transfer.multicast = False
        return Next(Step.UPLOAD)

    async def _test(self) -> Next:
        slots = await image_slots(self._lamppost)
        running = active(slots)
        if running is not None and hash_in(running) == self.transfer.hash:
            # Marked before this gateway was killed, and started by a power cut since.
            return Next(Step.TRIAL)
        if idle_with(slots, self.transfer.hash) is None:
            return Next(Step.UPLOAD)
        await management.start_on_next_reset(self._lamppost, bytes.fromhex(self.transfer.hash))
        return Next(Step.RESET)

    async def _reset(self) -> Next | None:
        transfer = self.transfer
        if transfer.resets >= MOST_RESETS:
            return Next(Step.FAILED, f"asked to restart {transfer.resets} times, still pending")
        # Counted and moved on before it is sent: whatever happens next, TRIAL finds out.
        transfer.resets += 1
        try:
            await self._go(Next(Step.TRIAL))
        except BaseException:
            transfer.resets -= 1
            raise
        try:
            await management.reset(self._lamppost)
        except (NoReply, Unsettled, LinkUnavailable, SealBroken, BadReply) as error:
            self._log.debug("reset not answered", why=str(error))
        return None

    async def _tell_what_runs(self) -> None:
        try:
            await facts(self._lamppost)
        except (NoReply, LinkUnavailable, SealBroken, BadReply, NodeRefused) as error:
            self._lamppost.wants_facts = True
            self._log.debug("confirmed, but it does not tell its facts", why=str(error))

    async def _reason(self, refused: NodeRefused) -> str:
        reason = refused.reason
        try:
            reason = reason or (await facts(self._lamppost))["update_reason"]
        except (NoReply, LinkUnavailable, SealBroken, BadReply, NodeRefused) as error:
            self._log.debug("no reason for the refusal", why=str(error))
        return reason or str(refused)
