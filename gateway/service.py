"""The gateway, put together. Nothing else here: every part receives what it needs."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from gateway import data_dir, logs
from gateway.adoption.adoption import Adoption
from gateway.adoption.unknown import UnknownLampposts
from gateway.alarms import Alarms
from gateway.buffer.database import Database
from gateway.buffer.disk import Disk
from gateway.buffer.groupkeys import GroupKeyStore
from gateway.buffer.housekeeping import Housekeeping
from gateway.buffer.records import Position, Records
from gateway.buffer.state import State
from gateway.buffer.writer import Writer
from gateway.bus.bus import Bus
from gateway.clock import StreetClock
from gateway.commands import Commands
from gateway.commissioning.desk import Desk, Surroundings
from gateway.config import BleSection, Configuration, LamppostSection, LanSection
from gateway.desired import Configurations
from gateway.errors import BufferUnavailable, GatewayError
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
from gateway.lan.broker import LocalBroker
from gateway.lan.channel import LanChannel
from gateway.lan.giving import give_network
from gateway.lan.link import LanLink
from gateway.logs import Logger
from gateway.metrics.sources import Sources
from gateway.notify import Notifier
from gateway.opening import opened
from gateway.outlets.make import outlets
from gateway.reload import Difference
from gateway.reloading import Reloads
from gateway.reported import Reporter
from gateway.supervision import Supervision, bus_figures
from gateway.updates.images import Images
from gateway.updates.manager import Updates
from gateway.updates.shelf import Shelf
from gateway.updates.sources import make_trust
from gateway.updates.voice import Voice
from gateway.uplink.drain import Drain
from gateway.uplink.link import Link
from gateway.uplink.presence import Presence
from gateway.uplink.topics import Topics
from gateway.web.front import Front

if TYPE_CHECKING:
    from gateway.ble.adapter import OpenAdapter
    from gateway.ble.link import BleLink

# Between attempts at a lamppost that is heard by Bluetooth and does not answer.
_SILENT_MOST_S = 60.0


class DatabaseDamaged(GatewayError):
    """The database turned out damaged while running; a restart sets it aside."""


def program_version() -> str:
    """The version of this program."""
    try:
        return version("lamplighter")
    except PackageNotFoundError:
        return "0"


async def run(
    configuration: Configuration, file: Path, open_adapter: OpenAdapter | None = None
) -> None:
    """Run until SIGTERM or SIGINT; on SIGHUP read `file`, which it is of, again.

    open_adapter: gives Bluetooth adapters by name, None for those of this machine.
    Raises OSError and GatewayError when it cannot go on.
    """
    log = logs.get()
    async with opened(configuration, program_version(), Notifier(log), log) as database:
        await _run(configuration, file, open_adapter, database, log)


async def _run(
    configuration: Configuration,
    file: Path,
    open_adapter: OpenAdapter | None,
    database: Database,
    log: Logger,
) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    damaged: asyncio.Future[None] = loop.create_future()

    def on_damage(why: str) -> None:
        loop.call_soon_threadsafe(
            lambda: damaged.done() or damaged.set_exception(DatabaseDamaged(why))
        )

    path = configuration.gateway.data_dir / data_dir.DATABASE
    writer = Writer(database, on_damage)
    writer.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        records = _records(configuration, writer, path)
        try:
            keys = GroupKeyStore(writer)
            await _serve(
                configuration, file, open_adapter, records, writer, State(writer), keys, stop,
                damaged, log,
            )  # fmt: skip
        finally:
            records.close()
    finally:
        writer.close()
        damaged.cancel()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
    log.info("stopped")


def _records(configuration: Configuration, writer: Writer, path: Path) -> Records:
    buffer = configuration.buffer
    return Records(
        writer, path, buffer.max_bytes, tuple(configuration.outlet), buffer.outlet_max_bytes,
        Disk(path.parent, buffer.keep_free_bytes),
    )  # fmt: skip


async def _serve(
    configuration: Configuration,
    file: Path,
    open_adapter: OpenAdapter | None,
    records: Records,
    writer: Writer,
    state: State,
    group_keys: GroupKeyStore,
    stop: asyncio.Event,
    damaged: asyncio.Future[None],
    log: Logger,
) -> None:
    clock = configuration.clock.make()
    topics = Topics(configuration.gateway.id)
    mqtt = configuration.mqtt
    presence = Presence(log)
    drain = Drain(
        records, topics.records, mqtt.in_flight, presence if mqtt.require_ingest else None, log
    )
    link = Link(configuration.gateway.id, program_version(), mqtt, clock, drain, log)
    alarms = Alarms(clock, log)
    unknown = UnknownLampposts(clock, lambda node: node in lampposts)
    buses = {
        name: Bus(name, section, alarms, unknown, log.bind(bus=name))
        for name, section in configuration.bus.items()
    }
    local_broker, lan = _local_network(configuration, clock, log.bind(link="lan"))
    if lan is not None:
        lan.on_stranger = lambda node: unknown.seen(node, "lan")
    lines = {name: (bus.line, bus.turns) for name, bus in buses.items()}
    ble = _bluetooth(configuration, open_adapter, unknown, alarms, log.bind(link="ble"))
    lampposts = _lampposts(configuration, buses, lan, ble, state, log)

    reporter: Reporter

    def changed(node: bytes) -> None:
        reporter.touch(node)

    configurations = Configurations(state, changed, log)
    data = configuration.gateway.data_dir
    shelf = Shelf(link)
    trust, web = make_trust(configuration.updates, data / data_dir.TRUST, shelf, log)
    images = Images(data / data_dir.RELEASES, link, log, web.get if web else None)
    broadcasters = {
        name: Broadcaster(*lines[name], _group_keys(name, lampposts, group_keys, log))
        for name in configuration.bus
    }
    voices = {
        name: Voice(*lines[name], bus.baud, broadcasters[name].keys)
        for name, bus in configuration.bus.items()
    }
    updates = Updates(configuration, lampposts, images, state, changed, log, trust, voices)
    commands = Commands(lampposts, state, clock, log)
    dimming = GroupDimming(lampposts, broadcasters, state, clock, log)
    commands.on_lamp = dimming.overridden
    seconds = outlets(
        configuration.gateway.id, configuration.outlet, lampposts, records, commands, clock, log
    )
    ways = configuration.presence
    waves = Waves(streets(configuration.lamppost, ways.spacing_m), habits(ways))
    escort = Escort(waves, lampposts, broadcasters, log)
    reporter = Reporter(
        lampposts.values(),
        link,
        topics,
        clock,
        configurations.describe,
        updates.describe,
        mqtt.report_interval_s,
    )
    inbox = Inbox(
        topics, lampposts, configurations, updates, commands, dimming, images, shelf, presence, log
    )

    housekeeping = Housekeeping(
        records, configuration.gateway.data_dir / data_dir.DATABASE,
        configuration.buffer.max_age_days, alarms, log,
    )  # fmt: skip
    positions = await records.load()
    # What `reconcile` goes by; a row without is of no use.
    facts = await state.facts(lambda known: (known["hash"], known["confirmed"]))
    await configurations.load(lampposts.values())
    news = _News(state, lampposts, configurations, updates, reporter)
    for lamppost in lampposts.values():
        start = positions.get(lamppost.node, Position(0, 0))
        lamppost.position = lamppost.committed = start
        lamppost.facts = facts.get(lamppost.node)
        lamppost.changed = lambda node=lamppost.node: news.changed(node)
        if ways.enabled:
            lamppost.saw = lambda seen, lamppost=lamppost: escort.saw(lamppost, seen)
    await updates.load()
    for broadcaster in broadcasters.values():
        await broadcaster.keys.load()
    link.on_message = inbox.received
    link.on_connected = presence.forget
    link.publishers = [reporter.run, lambda: alarms.publish(link.publish_status)]
    link.alarms = alarms.documents
    sources = Sources(
        gateway=configuration.gateway.id,
        version=program_version(),
        data_dir=data,
        buffer=records,
        max_bytes=configuration.buffer.max_bytes,
        commits=writer,
        uplink=link,
        alarms=alarms,
        lampposts=lambda: list(lampposts.values()),
        documents=lambda: [reporter.document(lamppost) for lamppost in lampposts.values()],
        buses=lambda: {name: bus_figures(bus.port, bus.line) for name, bus in buses.items()},
        updates=lambda: Counter(updates.describe(node)["state"] for node in lampposts),
        counters=lambda: {"transfers": asdict(updates.figures)},
    )
    supervision = Supervision(lambda: reloads.configuration, sources, alarms, clock, log)
    reloads = Reloads(
        file, configuration, _apply, supervision.notifier, supervision.status, alarms, log
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloads.asked.set)

    def leads_to(section: LamppostSection) -> list[Channel]:
        return _ways_to_a_stranger(section, reloads.configuration, buses, lan, ble, unknown, log)

    async def give(lamppost: Lamppost, section: LamppostSection) -> bool:
        if local_broker is None:
            return False
        return await give_network(lamppost, local_broker.network_document(section))

    desk = Desk(
        Surroundings(
            gateway=configuration.gateway.id,
            version=program_version(),
            lampposts=lampposts,
            unknown=unknown,
            adoption=Adoption(file, state, clock, log),
            ways=leads_to,
            buses=buses,
            desired=configurations.describe,
            clock=clock,
            state=state,
            folder=data,
            config_file=file,
            reload=reloads.asked.set,
            log=log,
            on_lamp=dimming.overridden,
            signal=lambda node: _rssi(ble, node),
            give=give,
        )
    )
    for lamppost in lampposts.values():
        lamppost.read = lambda bodies, node=lamppost.node: desk.took(node, bodies)
    front = Front(configuration.gateway.id, desk, configuration.web, data, clock, log)
    log.info("started", lampposts=len(lampposts), buffered=records.rows)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(coroutine)
                for coroutine in (
                    link.run(), updates.run(), news.run(), housekeeping.run(),
                    supervision.run(), reloads.run(), front.run(),
                )
            ]  # fmt: skip
            for name, bus in buses.items():
                mine = [lamppost for lamppost in lampposts.values() if lamppost.bus == name]
                bus.expect({post.address: post.node for post in mine if post.address is not None})
                poller = _poller(bus, mine, records, clock, log.bind(bus=name))
                poller.on_progress = supervision.vitals.part(f"bus {name}").made
                tasks.append(group.create_task(bus.run()))
                tasks.append(group.create_task(poller.run()))
                tasks.append(group.create_task(configurations.run(mine)))
                tasks.append(group.create_task(broadcasters[name].keys.run()))
                if ways.enabled:
                    watch = Watch(
                        name, mine, broadcasters[name], escort, ways, _dims(mine, configurations)
                    )
                    tasks.append(group.create_task(watch.run()))
                    tasks.append(group.create_task(escort.run(name)))
            if configuration.lan is not None and local_broker is not None and lan is not None:
                mine = [post for post in lampposts.values() if _reached_by(post, "lan")]
                poller = _lan_poller(configuration.lan, mine, lan, records, clock, log)
                poller.on_progress = supervision.vitals.part("lan").made
                only = [lamppost for lamppost in mine if lamppost.bus is None]
                tasks += [
                    group.create_task(coroutine)
                    for coroutine in (
                        local_broker.run(), lan.run(), poller.run(), configurations.run(only)
                    )
                ]  # fmt: skip
            if configuration.ble is not None and ble is not None:
                mine = [post for post in lampposts.values() if _reached_by(post, "ble")]
                poller = _ble_poller(configuration.ble, mine, ble, records, clock, log)
                poller.on_progress = supervision.vitals.part("ble").made
                only = [post for post in mine if post.bus is None and not _reached_by(post, "lan")]
                tasks += [
                    group.create_task(coroutine)
                    for coroutine in (ble.run(), poller.run(), configurations.run(only))
                ]
            tasks += [group.create_task(outlet.run()) for outlet in seconds]
            await asyncio.wait(
                [asyncio.ensure_future(stop.wait()), damaged], return_when=asyncio.FIRST_COMPLETED
            )
            if damaged.done():
                damaged.result()
            log.info("stopping")
            for task in tasks:
                task.cancel()
    finally:
        await commands.close()
        await dimming.close()
        await escort.close()


async def _apply(changes: Difference, fresh: Configuration) -> list[str]:
    """Take over what can be while everything runs; gives what waits for the next start."""
    if "log" in changes.sections:
        logs.set_up(fresh.log.level, fresh.log.format)
    return [key for key in changes.places() if key != "log"]


def _group_keys(
    bus: str, lampposts: dict[bytes, Lamppost], store: GroupKeyStore, log: Logger
) -> GroupKeys:
    mine = [lamppost for lamppost in lampposts.values() if lamppost.bus == bus]
    return GroupKeys(bus, mine, store, log.bind(bus=bus))


def _dims(lampposts: list[Lamppost], configurations: Configurations) -> Callable[[], bool]:
    return lambda: any(dims_by_presence(post, configurations.value) for post in lampposts)


def _local_network(
    configuration: Configuration, clock: StreetClock, log: Logger
) -> tuple[LocalBroker | None, LanLink | None]:
    settings = configuration.lan
    if settings is None or not settings.enabled:
        return None, None
    broker = LocalBroker(
        settings, configuration.gateway.data_dir, configuration.lamppost, clock, log
    )
    nodes = [section.node for section in configuration.lamppost if section.lan]
    link = LanLink(settings.local_port, settings.local_user, broker.local_password, nodes, log)
    link.on_flood = broker.shut_out
    return broker, link


def _bluetooth(
    configuration: Configuration,
    open_adapter: OpenAdapter | None,
    unknown: UnknownLampposts,
    alarms: Alarms,
    log: Logger,
) -> BleLink | None:
    if configuration.ble is None:
        return None
    # Not at the top: they take 8 MB, which a gateway without Bluetooth need not have.
    from gateway.ble.bluez import BluezAdapter
    from gateway.ble.link import BleLink

    link = BleLink(configuration.ble, open_adapter or BluezAdapter, log)
    link.on_stranger(lambda node, address, rssi: unknown.seen(node, "ble", address, rssi))

    def alarmed(adapter: str, text: str) -> None:
        if text:
            alarms.set("bluetooth_adapter", text, subject=adapter)
        else:
            alarms.over("bluetooth_adapter", adapter)

    link.on_alarm(alarmed)
    return link


def _lampposts(
    configuration: Configuration,
    buses: dict[str, Bus],
    lan: LanLink | None,
    ble: BleLink | None,
    state: State,
    log: Logger,
) -> dict[bytes, Lamppost]:
    lampposts: dict[bytes, Lamppost] = {}
    for section in configuration.lamppost:
        own_log = log.bind(lamppost=section.id, bus=section.bus)
        channels: list[Channel] = []
        if section.bus is not None and section.address is not None:
            channels.append(buses[section.bus].channel(section.address))
        if lan is not None and configuration.lan is not None and section.lan:
            channels.append(
                LanChannel(
                    section.node,
                    lan,
                    configuration.lan.reply_timeout_ms / 1000,
                    configuration.lan.attempts,
                )
            )
        if ble is not None and section.ble:
            key = section.key.get_secret_value()
            channels.append(ble.add(section.node, key, section.ble_address, own_log))
        route = Route(channels)
        session = Session(
            section.node, section.key.get_secret_value(), section.key_id, route, state, own_log
        )
        lampposts[section.node] = Lamppost(
            section.node,
            section.name,
            session,
            own_log,
            section.bus,
            section.address,
            section.place,
        )
    return lampposts


def _ways_to_a_stranger(
    section: LamppostSection,
    configuration: Configuration,
    buses: dict[str, Bus],
    lan: LanLink | None,
    ble: BleLink | None,
    unknown: UnknownLampposts,
    log: Logger,
) -> list[Channel]:
    channels: list[Channel] = []
    if section.bus in buses and section.address is not None:
        channels.append(buses[section.bus].channel(section.address))
    if lan is not None and configuration.lan is not None and section.lan:
        wait = configuration.lan.reply_timeout_ms / 1000
        channels.append(LanChannel(section.node, lan, wait, configuration.lan.attempts))
    if ble is not None and section.ble:
        met = [one.address for one in unknown.shown() if one.node == section.node]
        for address in (*met, section.ble_address):
            channel = ble.stranger(address, log) if isinstance(address, str) else None
            if channel is not None:
                channels.append(channel)
                break
    return channels


def _rssi(ble: BleLink | None, node: bytes) -> int | None:
    live = ble.live(node) if ble is not None else None
    # It advertises every second or so.
    return live.rssi if live is not None and time.monotonic() - live.heard < 60 else None


def _poller(
    bus: Bus, lampposts: list[Lamppost], records: Records, clock: StreetClock, log: Logger
) -> Poller:
    section = bus.section
    visits = Visits(records, clock, section.idle_poll_ms / 1000, section.silent_poll_max_s, log)
    visits.doubted = bus.doubted
    return Poller(lampposts, _by_bus, bus.port.opened, visits)


def _lan_poller(
    settings: LanSection,
    lampposts: list[Lamppost],
    link: LanLink,
    records: Records,
    clock: StreetClock,
    log: Logger,
) -> Poller:
    visits = Visits(records, clock, settings.idle_poll_ms / 1000, settings.silent_poll_max_s, log)
    poller = Poller(lampposts, _by_lan, link.ready, visits, settings.at_once)
    link.on_state = _visited_at_once(poller, lampposts)
    return poller


def _ble_poller(
    settings: BleSection,
    lampposts: list[Lamppost],
    link: BleLink,
    records: Records,
    clock: StreetClock,
    log: Logger,
) -> Poller:
    visits = Visits(records, clock, settings.visit_s, min(settings.visit_s, _SILENT_MOST_S), log)
    poller = Poller(lampposts, _by_ble, link.ready, visits, link.at_once)
    link.on_news(_visited_at_once(poller, lampposts))
    return poller


def _visited_at_once(poller: Poller, lampposts: list[Lamppost]) -> Callable[[bytes], None]:
    known = {lamppost.node: lamppost for lamppost in lampposts}

    def visit(node: bytes) -> None:
        # However long it was silent.
        known[node].next_due = 0.0
        poller.wake()

    return visit


def _reached_by(lamppost: Lamppost, kind: LinkKind) -> bool:
    return any(channel.kind == kind for channel in lamppost.session.route.channels)


def _by_ble(lamppost: Lamppost) -> bool:
    return lamppost.session.route.best.kind == "ble"


def _by_lan(lamppost: Lamppost) -> bool:
    return lamppost.session.route.best.kind == "lan"


def _by_bus(lamppost: Lamppost) -> bool:
    return lamppost.session.route.best.kind == "bus"


class _News:
    """Carries what is new about a lamppost to everyone who acts on it."""

    def __init__(
        self,
        state: State,
        lampposts: dict[bytes, Lamppost],
        configurations: Configurations,
        updates: Updates,
        reporter: Reporter,
    ) -> None:
        self._state = state
        self._lampposts = lampposts
        self._configurations = configurations
        self._updates = updates
        self._reporter = reporter
        self._pending: set[bytes] = set()
        self._wake = asyncio.Event()

    def changed(self, node: bytes) -> None:
        self._pending.add(node)
        self._wake.set()
        self._configurations.wake()
        self._reporter.touch(node)

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                node = self._pending.pop()
                facts = self._lampposts[node].facts
                try:
                    if facts is not None:
                        await self._state.save_facts(node, facts)
                    await self._updates.reconcile(node)
                except BufferUnavailable as error:
                    self._lampposts[node].log.debug("facts not saved", why=str(error))
