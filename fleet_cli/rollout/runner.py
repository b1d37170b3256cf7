"""Driving a rollout: ask a wave, follow the reports, ask the next, stop when too many fail.

Everything needed to go on is retained at the broker, so a desk that is switched off half way loses
nothing: the lampposts asked go on by themselves, and `rollout resume` takes up the rest.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from aiomqtt import Client

from fleet_cli import topics
from fleet_cli.broker import publish, read_retained
from fleet_cli.broker.retained import as_bytes, next_message
from fleet_cli.errors import BadInput, FleetError
from fleet_cli.fleet import Fleet
from fleet_cli.fleet.messages import DesiredRelease
from fleet_cli.rollout.judge import judge, wave_is_over
from fleet_cli.rollout.state import FINAL, Rollout, Target, parse_rollout

_POLL_S: Final = 1.0
_SAVE_EVERY_S: Final = 2.0
AWAY_PATIENCE_S: Final = 60.0
"""A gateway that restarts is back well within it; a lamppost cut from power is not waited for."""


class Runner:
    """One rollout and the connection that drives it; the fleet must have been read with it."""

    def __init__(
        self,
        client: Client,
        fleet: Fleet,
        rollout: Rollout,
        *,
        now: Callable[[], float] = time.time,
        on_change: Callable[[Rollout, Target], None] = lambda rollout, target: None,
    ) -> None:
        self._client = client
        self._fleet = fleet
        self.rollout = rollout
        self._now = now
        self._on_change = on_change
        self._saved: bytes = b""
        self._saved_at = float("-inf")

    async def begin(self, image: bytes) -> None:
        """Publish the image and ask the first wave.

        Raises:
            aiomqtt.MqttError: the broker did not acknowledge something; resume takes it up.
        """
        await publish(self._client, topics.release(self.rollout.image), image, retain=True)
        await self._save(force=True)
        await self.step()
        await self._save(force=True)

    async def run(self, timeout_s: float | None = None) -> bool:
        """Go on until nothing more can be done; False when `timeout_s` came first.

        Lampposts that are away stay queued and are not waited for; those that went away while it
        was under way, as all do when their gateway restarts, get AWAY_PATIENCE_S to be back.

        Raises:
            aiomqtt.MqttError: the connection was lost; resume takes it up.
        """
        await self._client.subscribe(topics.rollout(self.rollout.id), qos=1)
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_s if timeout_s is not None else float("inf")
        there: set[tuple[str, str]] = set()
        away_since: float | None = None
        while True:
            done = await self.step()
            targets = self.rollout.targets
            there |= {t.key for t in targets if t.state in ("asked", "updating")}
            gone = any(t.state == "queued" and t.key in there for t in targets)
            if done and not (gone and self.rollout.state == "running"):
                break
            away_since = (away_since or loop.time()) if done else None
            if away_since is not None and loop.time() - away_since >= AWAY_PATIENCE_S:
                break
            if loop.time() >= end:
                await self._save(force=True)
                return False
            await self._save()
            await self._listen(min(_POLL_S, max(0.0, end - loop.time())))
        await self._save(force=True)
        return True

    async def stop(self, reason: str) -> None:
        """Withdraw the release from every lamppost that has not succeeded.

        Also from those given up, which would else update when nobody looks. To be called again
        after a failure: a rollout stopped before keeps its reason.

        Raises:
            aiomqtt.MqttError: the broker did not acknowledge something; stop it again.
        """
        if self.rollout.state != "stopped":
            self.rollout.state = "stopped"
            self.rollout.reason = reason
        for target in self.rollout.targets:
            if target.state not in FINAL and target.state != "withdrawn":
                target.state, target.reason = "withdrawn", "rollout stopped"
                self._on_change(self.rollout, target)
        # First of all: a desk that waits for it would take the withdrawals for the end of a wave,
        # and ask the next.
        await self._save(force=True)
        for target in self.rollout.targets:
            release = self._release_of(target)
            if target.state == "succeeded" or (release and release.rollout != self.rollout.id):
                continue
            # What is desired of it may not have been read yet; what is not there does no harm.
            if release or (target.asked is not None and not target.superseded_by):
                await self._withdraw(target)

    async def _withdraw(self, target: Target) -> None:
        await publish(self._client, _desired(target), None, retain=True)
        if lamppost := self._fleet.lampposts.get(target.key):
            lamppost.release = None

    def _release_of(self, target: Target) -> DesiredRelease | None:
        lamppost = self._fleet.lampposts.get(target.key)
        return lamppost.release if lamppost else None

    async def _listen(self, timeout_s: float) -> None:
        message = await next_message(self._client, timeout_s)
        while message is not None:
            topic, payload = str(message.topic), as_bytes(message)
            if topic == topics.rollout(self.rollout.id):
                self.heed(payload)
            else:
                self._fleet.absorb(topic, payload)
            # Whatever else is here already is taken in before the next step looks at it all.
            more = len(self._client.messages) > 0
            message = await next_message(self._client, 0.1) if more else None

    def heed(self, payload: bytes) -> None:
        """Take in what is retained of this rollout: another desk may have stopped it."""
        if not payload or payload == self._saved:
            return
        try:
            other = parse_rollout(payload, self.rollout.id)
        except FleetError:
            return  # ours is written over it at the next save
        if other.state == "stopped":
            self.rollout = other

    async def step(self) -> bool:
        """Judge, and do what follows from it; True when nothing is left to do here."""
        rollout = self.rollout
        if rollout.state == "stopped":
            await self._end_asking()
        if rollout.state != "running":
            return True
        self._judge()
        if rollout.counts["failed"] > rollout.max_failures:
            failed = [target for target in rollout.targets if target.state == "failed"]
            await self.stop(
                f"{len(failed)} failed, at most {rollout.max_failures} may; "
                f"the last: {failed[-1].label}: {failed[-1].reason}"
            )
            return True
        while wave_is_over(rollout, rollout.current_wave) and rollout.counts["waiting"]:
            await self._ask(min(t.wave for t in rollout.targets if t.state == "waiting"))
            self._judge()
        counts = rollout.counts
        if not (counts["waiting"] or counts["asked"] or counts["updating"] or counts["queued"]):
            rollout.state = "finished"
        return not (counts["waiting"] or counts["asked"] or counts["updating"])

    async def _end_asking(self) -> None:
        """Take back what was asked here while another desk was stopping it."""
        for target in self.rollout.targets:
            release = self._release_of(target)
            if target.state != "succeeded" and release and release.rollout == self.rollout.id:
                await self._withdraw(target)

    def _judge(self) -> None:
        fleet = self._fleet
        for target in judge(self.rollout, fleet.lampposts, int(self._now()), fleet.withdrawn):
            self._on_change(self.rollout, target)

    async def _ask(self, wave: int) -> None:
        rollout = self.rollout
        desired = DesiredRelease(
            rollout=rollout.id,
            version=rollout.version,
            hash=rollout.hash,
            image=rollout.image,
            size=rollout.size,
        )
        for target in rollout.targets:
            if target.wave != wave or target.state != "waiting":
                continue
            await publish(self._client, _desired(target), desired.model_dump(), retain=True)
            if lamppost := self._fleet.lampposts.get(target.key):
                lamppost.release = desired
            self._fleet.withdrawn.discard(target.key)
            target.state, target.asked = "asked", int(self._now())
        await self._save(force=True)

    async def _save(self, *, force: bool = False) -> None:
        document = self.rollout.to_bytes()
        now = time.monotonic()
        if document == self._saved or (not force and now - self._saved_at < _SAVE_EVERY_S):
            return
        await publish(self._client, topics.rollout(self.rollout.id), document, retain=True)
        self._saved, self._saved_at = document, now


def _desired(target: Target) -> str:
    return topics.lamppost(target.gateway, target.node, "desired/release")


async def read_rollouts(client: Client) -> dict[str, Rollout]:
    """All rollouts the broker retains, the newest last; unreadable ones are left out.

    Raises:
        aiomqtt.MqttError: the connection was lost.
    """
    found: dict[str, Rollout] = {}
    for topic, payload in (await read_retained(client, topics.ROLLOUTS)).messages.items():
        identifier = topic.rsplit("/", 1)[1]
        if not payload:
            continue
        try:
            found[identifier] = parse_rollout(payload, identifier)
        except BadInput:
            continue
    return dict(sorted(found.items(), key=lambda item: (item[1].created, item[0])))


def choose_rollout(rollouts: dict[str, Rollout], identifier: str | None) -> Rollout:
    """The rollout named, or the newest.

    Raises:
        BadInput: there is none.
    """
    if not rollouts:
        raise BadInput("the broker holds no rollout; begin one with: lamplighter rollout start")
    if identifier is None:
        return next(reversed(rollouts.values()))
    if identifier not in rollouts:
        raise BadInput(f"no rollout {identifier!r}; there are: {', '.join(rollouts)}")
    return rollouts[identifier]
