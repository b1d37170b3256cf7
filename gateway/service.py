"""The gateway, put together: what it keeps, its links, the street at them, what looks after it.

Nothing else here: every part receives what it needs. The rest of the composition is in `links` and
`street`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from gateway import data_dir, desk, logs
from gateway.buffer.database import Database
from gateway.buffer.disk import Disk
from gateway.buffer.groupkeys import GroupKeyStore
from gateway.buffer.housekeeping import Housekeeping
from gateway.buffer.records import Records
from gateway.buffer.state import State
from gateway.buffer.writer import Writer
from gateway.config import Configuration
from gateway.errors import GatewayError
from gateway.links import Links, Storage
from gateway.logs import Logger
from gateway.metrics.sources import Sources
from gateway.notify import Notifier
from gateway.opening import opened
from gateway.program import program_version
from gateway.reloading import Reloads
from gateway.streets import Streets
from gateway.supervision import Supervision, bus_figures

if TYPE_CHECKING:
    from gateway.ble.adapter import OpenAdapter


_CANCEL_AGAIN_S = 2.0


class DatabaseDamaged(GatewayError):
    """The database turned out damaged while running; a restart sets it aside."""


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
            storage = Storage(writer, records, State(writer), GroupKeyStore(writer))
            await _serve(configuration, file, open_adapter, storage, stop, damaged, log)
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
    storage: Storage,
    stop: asyncio.Event,
    damaged: asyncio.Future[None],
    log: Logger,
) -> None:
    clock = configuration.clock.make()
    links = Links(
        configuration, storage, lambda node: node in streets.now.lampposts, open_adapter, clock, log
    )
    sources = _sources(configuration, links, lambda: streets)
    supervision = Supervision(lambda: reloads.configuration, sources, links.alarms, clock, log)
    streets = Streets(configuration, links, supervision.vitals)
    housekeeping = Housekeeping(
        storage.records, configuration.gateway.data_dir / data_dir.DATABASE,
        configuration.buffer.max_age_days, links.alarms, log,
    )  # fmt: skip
    reloads = Reloads(
        file, configuration, streets.apply, supervision.notifier, supervision.status,
        links.alarms, log,
    )  # fmt: skip
    front = desk.make(configuration, file, links, streets, reloads.asked.set)
    await streets.load()
    links.uplink.on_message = streets.received
    links.uplink.on_connected = links.presence.forget
    links.uplink.publishers = [
        streets.report, lambda: supervision.publish_alarms(links.uplink.publish_status)
    ]  # fmt: skip
    links.uplink.alarms = links.alarms.documents
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reloads.asked.set)
    log.info(
        "started", lampposts=len(streets.now.lampposts), buffered=storage.records.rows
    )  # fmt: skip
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(coroutine)
            for coroutine in (
                links.run(), streets.run(), housekeeping.run(), supervision.run(), reloads.run(),
                front.run(),
            )
        ]  # fmt: skip
        await asyncio.wait(
            [asyncio.ensure_future(stop.wait()), damaged], return_when=asyncio.FIRST_COMPLETED
        )
        if damaged.done():
            damaged.result()
        log.info("stopping")
        await _stop(set(tasks))


async def _stop(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel `tasks` and what they have begun, until they have ended (see waiting.go_on)."""
    doomed = tasks
    while tasks:
        for task in doomed:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=_CANCEL_AGAIN_S)
        doomed = asyncio.all_tasks() - {cast("asyncio.Task[None]", asyncio.current_task())}


def _sources(configuration: Configuration, links: Links, streets: Callable[[], Streets]) -> Sources:
    def documents() -> list[Mapping[str, Any]]:
        street = streets().now
        return [street.reporter.document(lamppost) for lamppost in street.lampposts.values()]

    return Sources(
        gateway=configuration.gateway.id,
        version=program_version(),
        data_dir=configuration.gateway.data_dir,
        buffer=links.storage.records,
        max_bytes=configuration.buffer.max_bytes,
        commits=links.storage.writer,
        uplink=links.uplink,
        alarms=links.alarms,
        lampposts=lambda: list(streets().now.lampposts.values()),
        documents=documents,
        buses=lambda: {name: bus_figures(bus.port, bus.line) for name, bus in links.buses.items()},
        updates=lambda: streets().now.update_states(),
        counters=lambda: {**links.counters(), "transfers": asdict(streets().now.updates.figures)},
    )
