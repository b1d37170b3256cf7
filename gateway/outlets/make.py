"""The outlets that the configuration names, put together."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import aiomqtt

from gateway.buffer.records import Records
from gateway.clock import StreetClock
from gateway.commands import Commands
from gateway.config.outlet import HomeAssistantSection, OutletSection, SparkplugSection
from gateway.lampposts.lamppost import Lamppost
from gateway.logs import Logger
from gateway.outlets.dialect import Dialect, Post
from gateway.outlets.outlet import Client, Command, Outlet
from gateway.uplink.credentials import password, tls_context

# A tap on a screen that finds no lamppost for this long is no wish any more.
_EXPIRES_S = 30


def outlets(
    gateway: str,
    sections: Mapping[str, OutletSection],
    lampposts: Mapping[bytes, Lamppost],
    records: Records,
    commands: Commands,
    clock: StreetClock,
    log: Logger,
) -> list[Outlet]:
    """An Outlet for each of `sections`, by the names that `records` has cursors for."""

    def posts() -> Sequence[Post]:
        return [post_of(lamppost) for lamppost in lampposts.values()]

    return [
        Outlet(
            name, records, _client(gateway, name, section), _dialect(gateway, section), posts,
            _command(section, commands, clock), log,
        )
        for name, section in sections.items()
    ]  # fmt: skip


def post_of(lamppost: Lamppost) -> Post:
    """What outlets tell of a lamppost."""
    facts = lamppost.facts or {}
    return Post(
        lamppost.node, lamppost.name, lamppost.level, lamppost.link == "up",
        str(facts.get("version") or ""), str(facts.get("board") or ""),
    )  # fmt: skip


def _dialect(gateway: str, section: OutletSection) -> Callable[[], Dialect]:
    # Not at the top: a gateway needs one of them at most, and Sparkplug takes 3 MB for protobuf.
    if isinstance(section, HomeAssistantSection):
        from gateway.outlets.homeassistant import HomeAssistant

        prefix = section.discovery_prefix
        return lambda: HomeAssistant(gateway, prefix, section.commands)
    if isinstance(section, SparkplugSection):
        from gateway.outlets.sparkplug import Sparkplug

        group, host = section.group, section.primary_host
        return lambda: Sparkplug(gateway, group, host, section.commands)
    from gateway.outlets.thingsboard import ThingsBoard

    return lambda: ThingsBoard(gateway, section.commands)


def _client(gateway: str, name: str, section: OutletSection) -> Client:
    def make(will: aiomqtt.Will) -> aiomqtt.Client:
        return aiomqtt.Client(
            section.host,
            section.port,
            username=section.username,
            password=password(section.password_file),
            identifier=f"lamplighter-{gateway}-{name}",
            will=will,
            keepalive=section.keepalive,
            timeout=max(10, section.keepalive),
            tls_context=tls_context(section.tls),
            max_queued_incoming_messages=_INCOMING,
        )

    return make


# More than anybody says to a street's lamps at once; what comes beyond is lost, not kept.
_INCOMING = 256


def _command(section: OutletSection, commands: Commands, clock: StreetClock) -> Command:
    async def command(node: bytes, level: int | None) -> None:
        wish = {
            "command": "lamp",
            "level": level,
            "seconds": section.override_s,
            "expires": clock.now() + _EXPIRES_S,
        }
        await commands.received(node, json.dumps(wish).encode())

    return command
