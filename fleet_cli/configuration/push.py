"""Publishing a configuration and watching what each lamppost makes of it."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from aiomqtt import Client

from fleet_cli import topics
from fleet_cli.broker import publish
from fleet_cli.broker.retained import as_bytes, next_message
from fleet_cli.configuration.document import Document
from fleet_cli.fleet import Fleet, Lamppost

_POLL_S = 1.0

PENDING = "pending"
APPLIED = "applied"
REFUSED = "refused"


@dataclass
class Outcome:
    """What became of a push on one lamppost: state is pending, applied or refused."""

    lamppost: Lamppost
    state: str = PENDING
    reason: str = ""

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "node": self.lamppost.node,
            "gateway": self.lamppost.gateway,
            "name": self.lamppost.state.name,
            "state": self.state,
            "reason": self.reason,
        }


class Push:
    """One configuration on its way to the lampposts chosen.

    Attributes:
        version: the new version number, above any seen in the fleet.
        outcomes: by (gateway, node).
    """

    def __init__(self, fleet: Fleet, chosen: Iterable[Lamppost], document: Document) -> None:
        self._fleet = fleet
        self._document = document
        self.version = fleet.highest_configuration_version + 1
        self.outcomes = {post.key: Outcome(post) for post in chosen}
        # A refusal told before the push is not an answer to it; afterwards, one must be new.
        self._before = {
            post.key: post.state.configuration.model_copy() for post in fleet.lampposts.values()
        }

    async def publish(
        self, client: Client, on_published: Callable[[Lamppost], None] = lambda _: None
    ) -> None:
        """Desire the configuration of each lamppost; the broker retains it for those away.

        Raises:
            aiomqtt.MqttError: the broker did not acknowledge it.
        """
        body = {
            "version": self.version,
            "digest": self._document.digest,
            "values": self._document.values,
        }
        for gateway, node in self.outcomes:
            topic = topics.lamppost(gateway, node, "desired/configuration")
            await publish(client, topic, body, retain=True)
            on_published(self.outcomes[gateway, node].lamppost)

    async def wait(
        self,
        client: Client,
        timeout_s: float,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        """Follow the reports until no lamppost is pending, or for `timeout_s` at most.

        Raises:
            aiomqtt.MqttError: the connection was lost.
        """
        end = asyncio.get_running_loop().time() + timeout_s
        while self.pending:
            left = end - asyncio.get_running_loop().time()
            if left <= 0:
                return
            message = await next_message(client, min(left, _POLL_S))
            if message is None:
                continue
            lamppost = self._fleet.absorb(str(message.topic), as_bytes(message))
            outcome = self.outcomes.get(lamppost.key) if lamppost else None
            if outcome and outcome.state == PENDING and self._judge(outcome):
                on_outcome(outcome)

    def _judge(self, outcome: Outcome) -> bool:
        outcome.lamppost = self._fleet.lampposts.get(outcome.lamppost.key, outcome.lamppost)
        reported = outcome.lamppost.state.configuration
        if reported.state == APPLIED and (
            reported.version == self.version and reported.digest == self._document.digest
        ):
            outcome.state = APPLIED
        elif reported.state == REFUSED and reported != self._before.get(outcome.lamppost.key):
            outcome.state, outcome.reason = REFUSED, reported.reason or "no reason given"
        else:
            # Remembered so that the same refusal, after anything else in between, counts as new.
            self._before[outcome.lamppost.key] = reported
            return False
        return True

    @property
    def pending(self) -> list[Outcome]:
        """Those that have not answered yet."""
        return [outcome for outcome in self.outcomes.values() if outcome.state == PENDING]

    @property
    def refused(self) -> list[Outcome]:
        """Those that keep what they had."""
        return [outcome for outcome in self.outcomes.values() if outcome.state == REFUSED]
