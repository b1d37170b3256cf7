"""What outlives a change of the configuration: storage, the broker, ports, the radio.

Composition: every part receives what it needs. The lampposts and all that is done with them are in
`street`, and are put together anew while these stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.adoption.unknown import UnknownLampposts
from gateway.alarms import Alarms
from gateway.buffer.groupkeys import GroupKeyStore
from gateway.buffer.records import Records
from gateway.buffer.state import State
from gateway.buffer.writer import Writer
from gateway.bus.bus import Bus
from gateway.clock import StreetClock
from gateway.config import BusSection, Configuration
from gateway.lan.broker import LocalBroker
from gateway.lan.link import LanLink
from gateway.logs import Logger
from gateway.program import program_version
from gateway.reload import Difference
from gateway.uplink.drain import Drain
from gateway.uplink.link import Link
from gateway.uplink.presence import Presence
from gateway.uplink.topics import Topics

if TYPE_CHECKING:
    from gateway.ble.adapter import OpenAdapter
    from gateway.ble.link import BleLink


@dataclass(frozen=True)
class Storage:
    """The database, as those who keep something in it see it."""

    writer: Writer
    records: Records
    state: State
    group_keys: GroupKeyStore


class Links:
    """The gateway's connections, as `configuration` has them.

    ours(node): whether a lamppost is one of this gateway's; open_adapter: gives Bluetooth adapters
    by name, None for those of this machine. Raises OSError.
    """

    def __init__(
        self,
        configuration: Configuration,
        storage: Storage,
        ours: Callable[[bytes], bool],
        open_adapter: OpenAdapter | None,
        clock: StreetClock,
        log: Logger,
    ) -> None:
        mqtt = configuration.mqtt
        self.storage = storage
        self.clock = clock
        self.log = log
        self.topics = Topics(configuration.gateway.id)
        self.presence = Presence(log)
        drain = Drain(
            storage.records, self.topics.records, mqtt.in_flight,
            self.presence if mqtt.require_ingest else None, log,
        )  # fmt: skip
        self.uplink = Link(
            configuration.gateway.id, program_version(), mqtt, clock, drain, log
        )  # fmt: skip
        self.alarms = Alarms(clock, log)
        self.unknown = UnknownLampposts(clock, ours)
        self.buses = {name: self._bus(name, section) for name, section in configuration.bus.items()}
        self.local_broker, self.lan = self._local_network(configuration)
        self.ble = self._bluetooth(configuration, open_adapter)
        self._group: asyncio.TaskGroup | None = None
        self._bus_tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Keep them until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self.uplink.run())
            for name in self.buses:
                self._start(name)
            if self.local_broker is not None and self.lan is not None:
                group.create_task(self.local_broker.run())
                group.create_task(self.lan.run())
            if self.ble is not None:
                group.create_task(self.ble.run())

    async def follow(self, changes: Difference, fresh: Configuration) -> None:
        """Take over what `fresh` has changed, while nobody uses the lampposts.

        What has not changed keeps its connection.
        """
        for name in changes.buses_removed:
            await self._stop(name)
        for name, section in changes.buses_added.items():
            self.buses[name] = self._bus(name, section)
            self._start(name)
        for name, change in changes.buses_changed.items():
            if change.reopen:
                await self._stop(name)
                self.buses[name] = self._bus(name, change.after)
                self._start(name)
            else:
                self.buses[name].follow(change.after)
        if self.local_broker is not None and self.lan is not None:
            self.local_broker.set_lampposts(fresh.lamppost)
            self.lan.set_nodes(section.node for section in fresh.lamppost if section.lan)
        for node in changes.lampposts_removed:
            await self.uplink.withdraw(self.topics.reported(node))
        if changes.uplink:
            self.uplink.follow(fresh.mqtt)
        if changes.lampposts_added or changes.lampposts_changed:
            # What is wanted of them is retained, and was not theirs when it last came.
            await self.uplink.ask_again()

    def counters(self) -> dict[str, dict[str, int]]:
        """Counters since the start, by link and name."""
        found: dict[str, dict[str, int]] = {}
        if self.ble is not None:
            found["ble"] = self.ble.counters()
        if self.lan is not None:
            found["lan"] = {
                "connections": self.lan.connections,
                "passed_over": self.lan.passed_over,
                "refused": self.lan.refused,
            }
        return found

    def _start(self, name: str) -> None:
        if self._group is not None:
            self._bus_tasks[name] = self._group.create_task(self.buses[name].run())

    async def _stop(self, name: str) -> None:
        self.buses.pop(name).forget()
        task = self._bus_tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _bus(self, name: str, section: BusSection) -> Bus:
        return Bus(name, section, self.alarms, self.unknown, self.log.bind(bus=name))

    def _local_network(
        self, configuration: Configuration
    ) -> tuple[LocalBroker | None, LanLink | None]:
        settings = configuration.lan
        if settings is None or not settings.enabled:
            return None, None
        log = self.log.bind(link="lan")
        broker = LocalBroker(
            settings, configuration.gateway.data_dir, configuration.lamppost, self.clock, log
        )
        nodes = [section.node for section in configuration.lamppost if section.lan]
        link = LanLink(settings.local_port, settings.local_user, broker.local_password, nodes, log)
        link.on_flood = broker.shut_out
        link.on_stranger = lambda node: self.unknown.seen(node, "lan")
        return broker, link

    def _bluetooth(
        self, configuration: Configuration, open_adapter: OpenAdapter | None
    ) -> BleLink | None:
        if configuration.ble is None:
            return None
        # Not at the top: they take 8 MB, which a gateway without Bluetooth need not have.
        from gateway.ble.bluez import BluezAdapter
        from gateway.ble.link import BleLink

        link = BleLink(configuration.ble, open_adapter or BluezAdapter, self.log.bind(link="ble"))
        link.on_stranger(lambda node, address, rssi: self.unknown.seen(node, "ble", address, rssi))

        def alarmed(adapter: str, text: str) -> None:
            if text:
                self.alarms.set("bluetooth_adapter", text, subject=adapter)
            else:
                self.alarms.over("bluetooth_adapter", adapter)

        link.on_alarm(alarmed)
        return link
