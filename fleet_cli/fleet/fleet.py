"""All lampposts, built from messages: the retained ones first, live ones as they come."""

from dataclasses import dataclass, field
from typing import TypeVar

from aiomqtt import Client
from pydantic import BaseModel, ValidationError

from fleet_cli import topics
from fleet_cli.broker.retained import QUIET_S, read_retained
from fleet_cli.errors import BadInput
from fleet_cli.fleet.lamppost import Lamppost
from fleet_cli.fleet.messages import (
    DesiredConfiguration,
    DesiredRelease,
    GatewayStatus,
    Reported,
)

_MAX_DOCUMENT = 64 * 1024
_LAST_VERSION = 0xFFFFFFFF  # of a configuration; more does not fit on the link
_MAX_VERSION_STEP = 1_000_000
_Document = TypeVar("_Document", bound=BaseModel)


@dataclass
class Fleet:
    """Lampposts and gateways by id.

    Attributes:
        lampposts: by (gateway, node).
        gateways: by id.
        withdrawn: (gateway, node) whose desired release was seen to be taken back. One that is
            merely not known may only be late: the broker does not say where the retained end.
        unreadable: topics whose last message could not be read, with the reason.
        complete: False when reading was cut short, so that lampposts may be missing.
    """

    lampposts: dict[tuple[str, str], Lamppost] = field(
        default_factory=dict[tuple[str, str], Lamppost]
    )
    gateways: dict[str, GatewayStatus] = field(default_factory=dict[str, GatewayStatus])
    withdrawn: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    unreadable: dict[str, str] = field(default_factory=dict[str, str])
    complete: bool = True

    def absorb(self, topic: str, payload: bytes) -> Lamppost | None:
        """Take in one message; returns the lamppost it changed, None when it changed none.

        Never raises for what a message holds: an unreadable one is noted in `unreadable` and what
        was known before stands.
        """
        self.unreadable.pop(topic, None)
        try:
            if place := topics.split_lamppost(topic):
                return self._absorb_lamppost(*place, payload)
            if place := topics.split_gateway(topic):
                self._absorb_gateway(*place, payload)
        except (ValidationError, ValueError) as error:
            self.unreadable[topic] = str(error).splitlines()[0]
        return None

    def _absorb_gateway(self, gateway: str, leaf: str, payload: bytes) -> None:
        if leaf != "status":
            return
        if not payload:
            self.gateways.pop(gateway, None)
        else:
            self.gateways[gateway] = _parse(GatewayStatus, payload)
        for lamppost in self.lampposts.values():
            if lamppost.gateway == gateway:
                lamppost.gateway_online = self._online(gateway)

    def _absorb_lamppost(
        self, gateway: str, node: str, leaf: str, payload: bytes
    ) -> Lamppost | None:
        lamppost = self.lampposts.get((gateway, node))
        if lamppost is None:
            lamppost = Lamppost(gateway, node, gateway_online=self._online(gateway))
        if leaf == "reported":
            lamppost.reported = _parse(Reported, payload) if payload else None
        elif leaf == "desired/configuration":
            lamppost.configuration = _parse(DesiredConfiguration, payload) if payload else None
        elif leaf == "desired/release":
            lamppost.release = _parse(DesiredRelease, payload) if payload else None
            if lamppost.release:
                self.withdrawn.discard(lamppost.key)
            else:
                self.withdrawn.add(lamppost.key)
        else:
            return None
        if lamppost.reported or lamppost.configuration or lamppost.release:
            self.lampposts[lamppost.key] = lamppost
        else:
            self.lampposts.pop(lamppost.key, None)
        return lamppost

    def _online(self, gateway: str) -> bool:
        status = self.gateways.get(gateway)
        return status is not None and status.state == "online"

    def sorted(self) -> list[Lamppost]:
        """All lampposts, by gateway and name."""
        return sorted(
            self.lampposts.values(), key=lambda post: (post.gateway, post.label, post.node)
        )

    def find(self, named: str) -> Lamppost:
        """The lamppost with this id, this name, or an id that begins so.

        Raises:
            BadInput: there is none, or more than one.
        """
        wanted = named.strip()
        everyone = self.sorted()
        for matches in (
            [post for post in everyone if post.node == wanted.lower()],
            [post for post in everyone if post.state.name == wanted],
            [post for post in everyone if wanted and post.node.startswith(wanted.lower())],
        ):
            if len(matches) == 1:
                return matches[0]
            if matches:
                found = ", ".join(f"{post.node} on {post.gateway}" for post in matches[:5])
                raise BadInput(
                    f"{named!r} names {len(matches)} lampposts ({found}); give a whole id"
                )
        raise BadInput(f"no lamppost {named!r} is known; see: lamplighter fleet list")

    @property
    def highest_configuration_version(self) -> int:
        """The highest configuration version reported or desired anywhere, 0 when there is none.

        Versions count up by one, so one far beyond all others is none of ours: left out of account
        it does harm to nobody, followed it would use up the numbers. At most 0xFFFFFFFE, so that
        there is always a next one.
        """
        seen: set[int] = set()
        for post in self.lampposts.values():
            seen.add(post.state.configuration.version)
            if post.configuration:
                seen.add(post.configuration.version)
        highest = 0
        for version in sorted(seen):
            if version - highest > _MAX_VERSION_STEP or version >= _LAST_VERSION:
                break
            highest = version
        return highest


def _parse(model: type[_Document], payload: bytes) -> _Document:
    if len(payload) > _MAX_DOCUMENT:
        raise ValueError(f"expected at most {_MAX_DOCUMENT} bytes, got {len(payload)}")
    return model.model_validate_json(payload)


async def read_fleet(client: Client, quiet_s: float = QUIET_S) -> Fleet:
    """The fleet as the broker's retained messages tell it; the client stays subscribed.

    Raises:
        aiomqtt.MqttError: the connection was lost.
    """
    retained = await read_retained(
        client,
        topics.GATEWAY_STATUS,
        topics.REPORTED,
        topics.DESIRED_CONFIGURATION,
        topics.DESIRED_RELEASE,
        quiet_s=quiet_s,
    )
    fleet = Fleet(complete=retained.complete)
    for topic, payload in retained.messages.items():
        fleet.absorb(topic, payload)
    return fleet
