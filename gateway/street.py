"""The lampposts of one configuration, and all that is done with them.

Composition: every part receives what it needs. Put together anew when the configuration changes;
the links stay, and so do the lampposts that are the same in both.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from gateway import data_dir
from gateway.buffer.records import Position
from gateway.bus.bus import Bus
from gateway.commands import Commands
from gateway.config import BusSection, Configuration, LamppostSection
from gateway.desired import Configurations
from gateway.errors import BufferUnavailable
from gateway.groups.broadcast import Broadcaster
from gateway.groups.dimming import GroupDimming
from gateway.groups.escort import Escort
from gateway.groups.keys import GroupKeys
from gateway.groups.streets import habits, streets
from gateway.groups.watch import Watch, dims_by_presence
from gateway.groups.waves import Waves
from gateway.inbox import Inbox
from gateway.lampposts.channel import Channel, LinkKind
from gateway.lampposts.lamppost import Lamppost
from gateway.lampposts.poller import Poller
from gateway.lampposts.route import Route
from gateway.lampposts.session import Session
from gateway.lampposts.visits import Visits
from gateway.lan.channel import LanChannel
from gateway.links import Links
from gateway.news import News
from gateway.outlets.make import outlets
from gateway.reported import Reporter
from gateway.updates.images import Images
from gateway.updates.manager import Updates
from gateway.updates.shelf import Shelf
from gateway.updates.sources import make_trust
from gateway.updates.voice import Voice
from gateway.vitals import PATIENCE_S, Vitals

# Between attempts at a lamppost that is heard by Bluetooth and does not answer.
_SILENT_MOST_S = 60.0
# One visit by a radio with room for one connection may wait for that, and be connected three times
# over, at each of its requests: that is no reason to start the gateway again.
_RADIO_S = 900.0


class Street:
    """What `configuration` makes of `links`; `before` is the street whose place it takes.

    `load` comes before `run`.
    """

    def __init__(
        self,
        configuration: Configuration,
        links: Links,
        vitals: Vitals,
        before: Street | None = None,
    ) -> None:
        self.configuration = configuration
        self._links = links
        self._vitals = vitals
        state, log, clock = links.storage.state, links.log, links.clock
        self._buses = {name: _line(links, name) for name in links.buses}
        self._sections = self._within_reach()
        self.lampposts = self._take_lampposts(before)
        self.configurations = Configurations(state, self._touch, log)
        data = configuration.gateway.data_dir
        shelf = Shelf(links.uplink)
        trust, web = make_trust(configuration.updates, data / data_dir.TRUST, shelf, log)
        images = Images(data / data_dir.RELEASES, links.uplink, log, web.get if web else None)
        self._broadcasters = {
            name: Broadcaster(bus.line, bus.turns, self._group_keys(name))
            for name, bus in links.buses.items()
        }
        voices = {
            name: Voice(bus.line, bus.turns, bus.section.baud, self._broadcasters[name].keys)
            for name, bus in links.buses.items()
        }
        self.updates = Updates(
            configuration, self.lampposts, images, state, self._touch, log, trust, voices
        )
        self.commands = Commands(self.lampposts, state, clock, log)
        self._dimming = GroupDimming(self.lampposts, self._broadcasters, state, clock, log)
        self.commands.on_lamp = self._dimming.overridden
        if before is not None:
            self._dimming.follow(before._dimming)
        # Others are those of the next start: nothing is kept for them yet.
        kept_for = links.storage.records.added_for
        known = {name: way for name, way in configuration.outlet.items() if name in kept_for}
        self._outlets = outlets(
            configuration.gateway.id, known, self.lampposts, links.storage.records,
            self.commands, clock, log,
        )  # fmt: skip
        ways = configuration.presence
        waves = Waves(streets(configuration.lamppost, ways.spacing_m), habits(ways))
        self._escort = Escort(waves, self.lampposts, self._broadcasters, log)
        self.reporter = Reporter(
            self.lampposts.values(), links.uplink, links.topics, clock,
            self.configurations.describe, self.updates.describe,
            configuration.mqtt.report_interval_s,
        )  # fmt: skip
        self.inbox = Inbox(
            links.topics, self.lampposts, self.configurations, self.updates, self.commands,
            self._dimming, images, shelf, links.presence, log,
        )  # fmt: skip
        self._news = News(
            state, self.lampposts, self.configurations, self.updates, self.reporter
        )  # fmt: skip
        self.pollers: dict[str, Poller] = {}

    async def load(
        self, positions: Mapping[bytes, Position], facts: Mapping[bytes, dict[str, Any]]
    ) -> None:
        """Take up what was under way; where to read on is in `positions`, by node id.

        facts: the last that each lamppost told, for those that have told none since the start.
        """
        for lamppost in self.lampposts.values():
            start = positions.get(lamppost.node, Position(0, 0))
            lamppost.position = lamppost.committed = start
            lamppost.facts = lamppost.facts or facts.get(lamppost.node)
            lamppost.changed = lambda node=lamppost.node: self._news.changed(node)
            if self.configuration.presence.enabled:
                lamppost.saw = lambda seen, lamppost=lamppost: self._escort.saw(lamppost, seen)
        await self.configurations.load(self.lampposts.values())
        await self.updates.load()
        for broadcaster in self._broadcasters.values():
            try:
                await broadcaster.keys.load()
            except BufferUnavailable as error:
                # A disk without room for a key of its own is no reason to read nothing.
                self._links.log.warning("no group key yet", why=str(error))

    async def run(self) -> None:
        """Serve the lampposts until cancelled; what is on its way to the disk gets there."""
        self._dimming.go_on()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.updates.run())
                group.create_task(self._news.run())
                for name in self._links.buses:
                    self._run_bus(group, name)
                self._run_local_network(group)
                self._run_bluetooth(group)
                for outlet in self._outlets:
                    group.create_task(outlet.run())
        finally:
            # At once: who is told a second time to stop leaves none of them running.
            await asyncio.gather(self.commands.close(), self._dimming.close(), self._escort.close())

    async def finish(self, seconds: float) -> None:
        """Let commands that are on their way get there; at most `seconds` (machine time)."""
        under_way = self.commands.under_way | self._dimming.under_way
        if under_way:
            await asyncio.wait(under_way, timeout=seconds)

    def leave(self) -> dict[bytes, Position]:
        """Let go of the lampposts; gives up to where each is committed. `run` has ended."""
        for part in self.pollers:
            self._vitals.gone(part)
        for lamppost in self.lampposts.values():
            lamppost.on_due.clear()
            lamppost.changed = lambda: None
            lamppost.saw = lambda sightings: None
        return {node: lamppost.committed for node, lamppost in self.lampposts.items()}

    def update_states(self) -> Counter[str]:
        """Number of lampposts by the state of their update."""
        return Counter(self.updates.describe(node)["state"] for node in self.lampposts)

    def _touch(self, node: bytes) -> None:
        self.reporter.touch(node)

    def _run_bus(self, group: asyncio.TaskGroup, name: str) -> None:
        bus = self._links.buses[name]
        mine = [lamppost for lamppost in self.lampposts.values() if lamppost.bus == name]
        bus.expect({post.address: post.node for post in mine if post.address is not None})
        section = bus.section
        visits = self._visits(section.idle_poll_ms / 1000, section.silent_poll_max_s)
        visits.doubted = bus.doubted
        poller = self._poller(f"bus {name}", mine, "bus", bus.port.opened, visits)
        broadcaster = self._broadcasters[name]
        group.create_task(poller.run())
        group.create_task(self.configurations.run(mine))
        group.create_task(broadcaster.keys.run())
        ways = self.configuration.presence
        if ways.enabled:
            watch = Watch(name, mine, broadcaster, self._escort, ways, self._dims(mine))
            group.create_task(watch.run())
            group.create_task(self._escort.run(name))

    def _run_local_network(self, group: asyncio.TaskGroup) -> None:
        link, settings = self._links.lan, self.configuration.lan
        if link is None or settings is None:
            return
        mine = self._reached_by("lan")
        visits = self._visits(settings.idle_poll_ms / 1000, settings.silent_poll_max_s)
        poller = self._poller("lan", mine, "lan", link.ready, visits, settings.at_once)
        link.on_state = _visited_at_once(poller, mine)
        group.create_task(poller.run())
        only = [post for post in mine if post.bus is None]
        group.create_task(self.configurations.run(only))

    def _run_bluetooth(self, group: asyncio.TaskGroup) -> None:
        link, settings = self._links.ble, self.configuration.ble
        if link is None or settings is None:
            return
        mine = self._reached_by("ble")
        visits = self._visits(settings.visit_s, min(settings.visit_s, _SILENT_MOST_S))
        poller = self._poller("ble", mine, "ble", link.ready, visits, link.at_once, _RADIO_S)
        link.on_news(_visited_at_once(poller, mine))
        group.create_task(poller.run())
        others = self._reached_by("lan")
        only = [post for post in mine if post.bus is None and post not in others]
        group.create_task(self.configurations.run(only))

    def _visits(self, idle_s: float, silent_most_s: float) -> Visits:
        links = self._links
        return Visits(links.storage.records, links.clock, idle_s, silent_most_s, links.log)

    def _poller(
        self,
        part: str,
        lampposts: list[Lamppost],
        kind: LinkKind,
        ready: asyncio.Event,
        visits: Visits,
        at_once: int = 1,
        patience_s: float = PATIENCE_S,
    ) -> Poller:
        def ours(lamppost: Lamppost) -> bool:
            return lamppost.session.route.best.kind == kind

        poller = self.pollers[part] = Poller(lampposts, ours, ready, visits, at_once)
        poller.on_progress = self._vitals.part(part, patience_s).made
        return poller

    def _reached_by(self, kind: LinkKind) -> list[Lamppost]:
        return [
            lamppost
            for lamppost in self.lampposts.values()
            if any(channel.kind == kind for channel in lamppost.session.route.channels)
        ]

    def _dims(self, lampposts: list[Lamppost]) -> Callable[[], bool]:
        wanted = self.configurations.value
        return lambda: any(dims_by_presence(lamppost, wanted) for lamppost in lampposts)

    def _group_keys(self, bus: str) -> GroupKeys:
        mine = [lamppost for lamppost in self.lampposts.values() if lamppost.bus == bus]
        return GroupKeys(bus, mine, self._links.storage.group_keys, self._links.log.bind(bus=bus))

    def _within_reach(self) -> dict[bytes, LamppostSection]:
        """Sections by node id, of all that a link leads to."""
        links, lan = self._links, self.configuration.lan
        found: dict[bytes, LamppostSection] = {}
        for section in self.configuration.lamppost:
            by_lan = section.lan and links.lan is not None and lan is not None
            by_ble = section.ble and links.ble is not None
            if section.bus is not None or by_lan or by_ble:
                found[section.node] = section
            else:
                # Its link is new and begins with the next start, or is switched off.
                links.log.warning("lamppost left out: no link to it runs", lamppost=section.id)
        return found

    def _take_lampposts(self, before: Street | None) -> dict[bytes, Lamppost]:
        kept = {} if before is None else before.same(self._sections, self._links)
        if before is not None and self._links.ble is not None:
            for node, lamppost in before.lampposts.items():
                if node not in kept and before.sections[node].ble:
                    self._links.ble.remove(lamppost.node)
        return {
            node: kept.get(node) or self._lamppost(section)
            for node, section in self._sections.items()
        }

    @property
    def sections(self) -> Mapping[bytes, LamppostSection]:
        """The lampposts' sections, by node id."""
        return self._sections

    def same(
        self, sections: Mapping[bytes, LamppostSection], links: Links
    ) -> dict[bytes, Lamppost]:
        """The lampposts that are the same in `sections`, on links that are still there."""
        return {
            node: lamppost
            for node, lamppost in self.lampposts.items()
            if sections.get(node) == self._sections[node]
            and (
                lamppost.bus is None or self._buses.get(lamppost.bus) == _line(links, lamppost.bus)
            )
        }

    def _line(self, bus: str) -> tuple[Bus, BusSection] | None:
        return self._buses.get(bus)

    def _lamppost(self, section: LamppostSection) -> Lamppost:
        links, lan = self._links, self.configuration.lan
        log = links.log.bind(lamppost=section.id, bus=section.bus)
        key = section.key.get_secret_value()
        channels: list[Channel] = []
        if section.bus is not None and section.address is not None:
            channels.append(links.buses[section.bus].channel(section.address))
        if links.lan is not None and lan is not None and section.lan:
            channels.append(
                LanChannel(section.node, links.lan, lan.reply_timeout_ms / 1000, lan.attempts)
            )
        if links.ble is not None and section.ble:
            channels.append(links.ble.add(section.node, key, section.ble_address, log))
        session = Session(
            section.node, key, section.key_id, Route(channels), links.storage.state, log
        )
        return Lamppost(
            section.node, section.name, session, log, section.bus, section.address, section.place
        )


def _line(links: Links, bus: str) -> tuple[Bus, BusSection] | None:
    found = links.buses.get(bus)
    return None if found is None else (found, found.section)


def _visited_at_once(poller: Poller, lampposts: list[Lamppost]) -> Callable[[bytes], None]:
    known = {lamppost.node: lamppost for lamppost in lampposts}

    def visit(node: bytes) -> None:
        lamppost = known.get(node)
        if lamppost is not None:
            # However long it was silent.
            lamppost.next_due = 0.0
            poller.wake()

    return visit
