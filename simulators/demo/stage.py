"""Everything the script acts upon, put up in order and taken down whatever happens."""

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from fleet_cli.settings import BrokerSettings
from simulators import city
from simulators.demo import gatewaybuffer, settings
from simulators.demo.broker import Broker
from simulators.demo.children import Child, Children
from simulators.demo.citystore import CityStore
from simulators.demo.commands import CommandLine
from simulators.demo.options import Options
from simulators.demo.releases import (
    DEAF_VERSION,
    SECOND_VERSION,
    make_releases,
    release_file,
)
from simulators.demo.snapshot import Feed, Mood
from simulators.demo.track import Track
from simulators.demo.watch import Watch
from simulators.lamppost import Lamppost
from simulators.ports import free_port
from simulators.street import Street, StreetPlan

# People walk in machine time, so few fit in an hour that passes in ten seconds; with as many as the
# pavement takes, quiet hours have somebody too.
_CROWD = 6.0
_REPOSITORY = "releases"
# Of the gateway's Bluetooth adapter in the work folder, where the gateway runs: the whole path may
# be longer than a socket's can.
_ADAPTER = "hci"


@dataclass
class Stage:
    """The street and the programs behind it.

    Attributes:
        options: of this run.
        folder: work folder; gone after the run.
        report: folder of the report.
        street: the simulated street.
        broker: the city's broker.
        gateway: the gateway's process.
        ingest: the ingest's process.
        children: all child processes.
        cli: the fleet's command line.
        watch: what gateways report.
        track: what lampposts logged.
        feed: events for the person watching.
        store: the city store, for the proof to read.
        complaints: what the simulated street says must not happen, and did.
        metrics_port: where the gateway serves its metrics on this machine.
    """

    options: Options
    folder: Path
    report: Path
    street: Street
    broker: Broker
    gateway: Child
    ingest: Child
    children: Children
    cli: CommandLine
    watch: Watch
    track: Track
    feed: Feed
    store: CityStore
    complaints: list[str]
    metrics_port: int

    @property
    def nodes(self) -> list[str]:
        """Node ids, by address."""
        return [post.node for post in self.street.lampposts]

    @property
    def names(self) -> dict[str, str]:
        """Name by node id, in the order of addresses."""
        return {post.node: post.provision.name for post in self.street.lampposts}

    @property
    def with_radio(self) -> Lamppost:
        """The one lamppost that has Bluetooth beside the bus; not the last, which has its own part.

        Only one, since each that advertises takes time from a small machine.
        """
        return _with_radio(self.street)

    @property
    def street_name(self) -> str:
        """The street's name: that of its lampposts without their number."""
        return self.street.lampposts[0].provision.name.rpartition(" ")[0]

    @property
    def logged(self) -> int:
        """Records in the simulator's ledger."""
        return len(self.street.ledger.records)

    def say(self, text: str, mood: Mood = Mood.PLAIN) -> None:
        """Tell whoever watches."""
        self.feed.say(self.street.clock.street(), text, mood)

    def release(self, version: str) -> Path:
        """File of a signed release."""
        return release_file(self.folder, version)

    def gateway_tally(self) -> dict[str, int]:
        """The gateway's durable counters: added, sent, rejected, repeated, missed, and so on."""
        return gatewaybuffer.counters(self.folder / "gateway" / "gateway.db")


@contextlib.asynccontextmanager
async def put_up(options: Options, folder: Path, logs: Path, feed: Feed) -> AsyncGenerator[Stage]:
    """Put up the stage: releases, street, broker, ingest, gateway; power comes with the script.

    Args:
        options: of this run.
        folder: an empty work folder.
        logs: folder for the logs of all programs, in the report's.
        feed: for events.

    Raises:
        ChildFailed: a program does not start.
        BuildError: a release cannot be built.
        ToolError: MicroPython or mosquitto is missing.
        NoBumble: there can be no Bluetooth on the street.
    """
    report = options.report.absolute()
    plan = StreetPlan(
        lampposts=options.lampposts,
        seed=options.seed,
        speed=options.street_speed,
        origin=options.start,
        crowd=_CROWD,
        radio=True,
    )
    await asyncio.to_thread(make_releases, folder, folder / "street")
    async with contextlib.AsyncExitStack() as stack:
        # In this order, so that the end comes in the other: what listens outlives what talks.
        children = Children(logs)
        stack.push_async_callback(children.end)
        broker = Broker(children, folder / "broker")
        await broker.start()
        complaints: list[str] = []

        def complain(line: str) -> None:
            complaints.append(line)
            feed.say(street.clock.street(), line, Mood.BAD)

        street = Street(folder / "street", plan, complain)
        await stack.enter_async_context(street)
        await _open_air(street, folder / _ADAPTER)
        stack.callback(_keep_node_logs, street, logs)
        stage = _stage(options, folder, report, street, broker, children, feed, complaints)
        watching = asyncio.create_task(stage.watch.run(), name="watch")
        stack.push_async_callback(_cancelled, watching)
        await stage.ingest.start()
        await _publish(stage)
        await stage.gateway.start()
        yield stage


def _with_radio(street: Street) -> Lamppost:
    return street.lampposts[(len(street.lampposts) - 1) // 2]


async def _open_air(street: Street, adapter: Path) -> None:
    """Leave one lamppost its radio, and give the gateway one too."""
    if street.radio is not None:
        await street.radio.serve_hci(adapter)
    for post in street.lampposts:
        if post is not _with_radio(street):
            post.radio = None


def _section(post: Lamppost) -> str:
    """What the gateway is told of a lamppost."""
    ble = "" if post.radio is None else "ble = true\n"
    return f"{post.provision.gateway_section(settings.BUS)}{ble}"


async def _publish(stage: Stage) -> None:
    """Put the night's releases on the city's signed list: the gateway relays nothing else.

    Without deltas: an upload is to be under way long enough for what the script does meanwhile.
    """
    await stage.cli.expect(
        "release",
        "publish",
        *(str(stage.release(version)) for version in (SECOND_VERSION, DEAF_VERSION)),
        "--repository",
        str(stage.folder / _REPOSITORY),
        "--keys",
        str(stage.folder / "keys"),
        "--deltas",
        "0",
        "--json",
    )


def _stage(
    options: Options,
    folder: Path,
    report: Path,
    street: Street,
    broker: Broker,
    children: Children,
    feed: Feed,
    complaints: list[str],
) -> Stage:
    store = report / "city.db"
    desk = folder / "lamplighter.toml"
    desk.write_text(city.settings("127.0.0.1", broker.port, f"sqlite:///{store}", street.clock))
    cabinet = folder / "gateway.toml"
    metrics_port = free_port()
    cabinet.touch(mode=0o600)  # it holds the lampposts' keys
    cabinet.write_text(
        settings.gateway(
            folder / "gateway",
            street.bus.open_gateway_port(),
            broker.port,
            street.clock,
            [_section(post) for post in street.lampposts],
            folder / _REPOSITORY / "metadata" / "1.root.json",
            metrics_port,
            _ADAPTER,
        )
    )
    cli = CommandLine(
        folder,
        report / "logs" / "commands.log",
        lambda typed: feed.say(street.clock.street(), typed.replace(f"{folder}/", "")),
    )
    # The gateway's own program, with a Bluetooth adapter on the street's air.
    program = [sys.executable, "-m", "simulators.radio.gateway"]
    gateway = children.add("gateway", [*program, "run", "--config", str(cabinet)], folder=folder)
    ingest = children.add("ingest", cli.words("ingest"), cli.environment)
    watch = Watch(BrokerSettings(host="127.0.0.1", port=broker.port), street.clock.street)
    return Stage(
        options=options,
        folder=folder,
        report=report,
        street=street,
        broker=broker,
        gateway=gateway,
        ingest=ingest,
        children=children,
        cli=cli,
        watch=watch,
        track=Track(street.ledger),
        feed=feed,
        store=CityStore(store),
        complaints=complaints,
        metrics_port=metrics_port,
    )


def clean_report(report: Path) -> Path:
    """Make the report's folder, without what an earlier run left; returns its folder of logs."""
    logs = report / "logs"
    if logs.exists():
        shutil.rmtree(logs)
    logs.mkdir(parents=True)
    for name in (
        "summary.json",
        "index.html",
        "street.svg",
        "city.db",
        "city.db-wal",
        "city.db-shm",
    ):
        (report / name).unlink(missing_ok=True)
    return logs


def _keep_node_logs(street: Street, logs: Path) -> None:
    for post in street.lampposts:
        for file in (post.chip.files.console, post.chip.files.errors):
            if file.exists() and file.stat().st_size:
                kept = logs / "lampposts" / f"{post.provision.address:02d}-{file.name}"
                kept.parent.mkdir(exist_ok=True)
                shutil.copyfile(file, kept)


async def _cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()):
        raise error
