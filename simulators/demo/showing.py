"""From the stage to what a person sees: snapshots, a few a second, drawn or told."""

import asyncio
from collections import Counter
from collections.abc import Callable

from simulators.demo import settings
from simulators.demo.script import Script
from simulators.demo.snapshot import LamppostLine, Mood, Part, Snapshot
from simulators.demo.stage import Stage

_COUNT_SECONDS = 1.0


class Showing:
    """Makes snapshots of a stage and its script and hands them on.

    Args:
        stage: what is shown.
        script: its steps.
        show: takes each snapshot.
        every: seconds between two.
    """

    def __init__(
        self, stage: Stage, script: Script, show: Callable[[Snapshot], None], every: float
    ) -> None:
        self._stage = stage
        self._script = script
        self._show = show
        self._every = every
        self._stored = 0
        self._score = (0, 0.0)
        self.liveliest: Snapshot | None = None

    async def run(self) -> None:
        """Show until cancelled."""
        loop = asyncio.get_running_loop()
        counted = 0.0
        while True:
            if loop.time() - counted > _COUNT_SECONDS:
                counted = loop.time()
                self._stored = await asyncio.to_thread(self._stage.store.count)
            snapshot = self.snapshot()
            self._keep_liveliest(snapshot)
            self._show(snapshot)
            await asyncio.sleep(self._every)

    def _keep_liveliest(self, snapshot: Snapshot) -> None:
        """Keep a picture of the night at work: in the dark, with as much under way as there is."""
        lit = sum(bool(line.level) for line in snapshot.lampposts)
        kinds = {line.version for line in snapshot.lampposts}
        kinds |= {line.reached_by for line in snapshot.lampposts}
        kinds |= {line.update.rstrip("%+0123456789") for line in snapshot.lampposts}
        versions = Counter(line.version for line in snapshot.lampposts)
        fewest = min(versions.values()) if len(versions) > 1 else 0
        score = (min(lit, 1) * (len(kinds) + fewest), snapshot.progress)
        if self.liveliest is None or score > self._score:
            self.liveliest, self._score = snapshot, score

    def snapshot(self) -> Snapshot:
        """The stage now."""
        stage = self._stage
        stage.track.follow()
        clock = stage.street.clock
        start, end = stage.options.start, stage.options.end
        return Snapshot(
            street=stage.street_name,
            time=clock.street(),
            speed=clock.speed,
            progress=min(1.0, (clock.street() - start) / (end - start)),
            produced=stage.logged,
            stored=self._stored,
            parts=self._parts(),
            lampposts=tuple(self._line(node, name) for node, name in stage.names.items()),
            steps=self._script.lines(),
            events=stage.feed.latest(),
        )

    def _parts(self) -> tuple[Part, ...]:
        stage = self._stage
        online = stage.watch.connected and stage.watch.gateway_online(settings.GATEWAY)
        gateway = "online" if online else ("offline" if stage.gateway.running else "killed")
        return (
            Part("gateway", gateway, Mood.GOOD if online else Mood.BAD),
            _part("broker", stage.broker.child.running),
            _part("ingest", stage.ingest.running),
        )

    def _line(self, node: str, name: str) -> LamppostLine:
        latest = self._stage.track.of(node)
        reported = self._stage.watch.reported(node)
        version, update, configuration = "", "", "-"
        if reported is not None:
            version = reported.firmware.version
            update = _update(reported.update.state, reported.update.progress)
            if reported.configuration.version:
                configuration = f"v{reported.configuration.version} {reported.configuration.state}"
        return LamppostLine(
            node=node,
            name=name,
            level=latest.level,
            people_in=latest.people_in,
            people_out=latest.people_out,
            pm25=latest.pm25,
            link=self._stage.watch.link(node),
            reached_by=self._stage.watch.reached_by(node),
            version=version,
            update=update,
            configuration=configuration,
        )


def _part(name: str, running: bool) -> Part:
    return Part(name, "up" if running else "away", Mood.GOOD if running else Mood.BAD)


def _update(state: str, progress: float) -> str:
    """An update in a word, empty for those that are over."""
    if state == "uploading":
        return f"+{progress:.0%}"
    return "" if state in ("idle", "confirmed") else state
