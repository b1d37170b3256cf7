"""The commissioning desk of a running gateway, put together: for its command line and its page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from gateway.adoption.adoption import Adoption
from gateway.commissioning.desk import Desk, Surroundings
from gateway.config import Configuration, LamppostSection
from gateway.lampposts.channel import Channel
from gateway.lampposts.lamppost import Lamppost
from gateway.lan.channel import LanChannel
from gateway.links import Links
from gateway.program import program_version
from gateway.streets import Streets
from gateway.web.front import Front

# It advertises every second or so.
_HEARD_S: Final = 60.0


def make(
    configuration: Configuration,
    file: Path,
    links: Links,
    streets: Streets,
    reload: Callable[[], None],
) -> Front:
    """The desk and its doors, to be run beside `links` and `streets`.

    file: the configuration file; reload: has it read again.
    """
    gateway, data = configuration.gateway.id, configuration.gateway.data_dir

    def lampposts() -> Mapping[bytes, Lamppost]:
        return streets.now.lampposts

    def ways(section: LamppostSection) -> list[Channel]:
        return _ways(section, streets.now.configuration, links)

    async def give(lamppost: Lamppost, section: LamppostSection) -> bool:
        # Not at the top: it needs smpclient, which a gateway without a local network need not have.
        from gateway.lan.giving import give_network

        broker = links.local_broker
        return broker is not None and await give_network(lamppost, broker.network_document(section))

    desk = Desk(
        Surroundings(
            gateway=gateway,
            version=program_version(),
            lampposts=lampposts,
            unknown=links.unknown,
            adoption=Adoption(file, links.storage.state, links.clock, links.log),
            ways=ways,
            buses=links.buses,
            desired=lambda node: streets.now.configurations.describe(node),
            clock=links.clock,
            folder=data,
            config_file=file,
            reload=reload,
            log=links.log,
            on_lamp=lambda node: streets.now.commands.on_lamp(node),
            signal=lambda node: _rssi(links, node),
            give=give if links.local_broker is not None else None,
        )
    )
    return Front(gateway, desk, configuration.web, data, links.clock, links.log)


def _ways(section: LamppostSection, configuration: Configuration, links: Links) -> list[Channel]:
    """To a lamppost that is none of ours yet, so that it can prove its key."""
    channels: list[Channel] = []
    if section.bus in links.buses and section.address is not None:
        channels.append(links.buses[section.bus].channel(section.address))
    if links.lan is not None and configuration.lan is not None and section.lan:
        wait = configuration.lan.reply_timeout_ms / 1000
        channels.append(LanChannel(section.node, links.lan, wait, configuration.lan.attempts))
    if links.ble is not None and section.ble:
        met = [one.address for one in links.unknown.shown() if one.node == section.node]
        for address in (*met, section.ble_address):
            channel = links.ble.stranger(address, links.log) if isinstance(address, str) else None
            if channel is not None:
                channels.append(channel)
                break
    return channels


def _rssi(links: Links, node: bytes) -> int | None:
    live = links.ble.live(node) if links.ble is not None else None
    return live.rssi if live is not None and time.monotonic() - live.heard < _HEARD_S else None
