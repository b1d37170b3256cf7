"""``lamplighter-sim demo``: composes the night, runs it, shows it, and says how it went."""

import asyncio
import contextlib
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from firmware.build.errors import BuildError
from simulators.demo import outcome, picture, settings
from simulators.demo.children import ChildFailed
from simulators.demo.options import Options, parse
from simulators.demo.outcome import Frozen
from simulators.demo.plain import PlainLines
from simulators.demo.releases import OverlayError
from simulators.demo.script import Progress, Script, Step
from simulators.demo.showing import Showing
from simulators.demo.snapshot import Feed, Mood
from simulators.demo.stage import Stage, clean_report, put_up
from simulators.demo.steps import steps
from simulators.demo.sun import crossing
from simulators.demo.view import REFRESH_PER_SECOND, LiveView
from simulators.hints import command, listening
from simulators.radio import NoBumble
from simulators.tools import ToolError
from simulators.world.recordings import RecordingError

EXIT_PASSED, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130

_LATITUDE, _LONGITUDE = 51.5074, -0.1278
_PLAIN_SECONDS = 1.0
_LOOK_SECONDS = 0.5
_PROOF_SECONDS = 180.0
_STARTING = (ChildFailed, BuildError, ToolError, OverlayError, RecordingError, NoBumble, OSError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns its exit code (see ``--help``)."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    console = Console(highlight=False)
    try:
        return asyncio.run(_interruptible(options, console))
    except asyncio.CancelledError:
        console.print("ended before the night was over; everything has been stopped")
        return EXIT_INTERRUPTED
    except _STARTING as error:
        print(f"lamplighter-sim demo: {error}", file=sys.stderr)
        return EXIT_FAILED


async def _interruptible(options: Options, console: Console) -> int:
    """Run, with Ctrl-C and SIGTERM ending it as if it were an error: everything is taken down."""
    running = asyncio.create_task(_demo(options, console))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, running.cancel)
    return await running


async def _demo(options: Options, console: Console) -> int:
    with tempfile.TemporaryDirectory(prefix="lamplighter-demo-") as folder:
        feed = Feed()
        console.print(
            f"{options.lampposts} lampposts, a night at {options.street_speed:.0f} times real "
            "time; building releases and starting everything ..."
        )
        logs = clean_report(options.report.absolute())
        # What libraries have to say goes to a file: on the terminal it would tear the view.
        logging.basicConfig(filename=logs / "demo.log", level=logging.INFO)
        async with put_up(options, Path(folder), logs, feed) as stage:
            document = await _night(stage, console)
            _tell(document, stage, console)
            if options.keep:
                await _play(stage, console)
            return EXIT_PASSED if document["passed"] else EXIT_FAILED


async def _night(stage: Stage, console: Console) -> dict[str, object]:
    options = stage.options
    look = partial(crossing, options.start, options.end, latitude=_LATITUDE, longitude=_LONGITUDE)
    sun = (look(rising=False), look(rising=True))
    frozen: list[Frozen] = []

    async def last(progress: Progress) -> str:
        frozen.append(outcome.freeze(stage))
        return await outcome.every_record(stage, frozen[0], progress)

    script_steps = steps(stage, sun[1])
    names = [step.name for step in script_steps]
    proof = Step("ledger", "every record in the city store", last, names, _PROOF_SECONDS, True)
    script = Script([*script_steps, proof], stage.street.clock.street, stage.feed)
    began = time.monotonic()
    with _shown(stage, script, console) as showing:
        watching = asyncio.create_task(showing.run(), name="showing")
        try:
            await _unless_a_child_ends(stage, script)
        finally:
            watching.cancel()
            await asyncio.wait([watching])
        if not watching.cancelled() and (error := watching.exception()):
            raise error
    seconds = time.monotonic() - began
    held = frozen[0] if frozen else outcome.freeze(stage)
    document = await outcome.conclude(stage, script, held, sun, seconds)
    if showing.liveliest is not None:
        picture.save_view(showing.liveliest, stage.report / "street.svg")
    return document


@contextlib.contextmanager
def _shown(stage: Stage, script: Script, console: Console) -> Generator[Showing]:
    """The live view where there is a terminal for it, else plain lines."""
    if console.is_terminal and not stage.options.plain:
        first = Showing(stage, script, lambda _: None, 1.0).snapshot()
        with LiveView(console, first) as view:
            yield Showing(stage, script, view.show, 1 / REFRESH_PER_SECOND)
        return
    lines = PlainLines(stage.feed, lambda line: print(line, flush=True))
    showing = Showing(stage, script, lines.show, _PLAIN_SECONDS)
    yield showing
    lines.show(showing.snapshot())


async def _unless_a_child_ends(stage: Stage, script: Script) -> None:
    """Run the script; a program that ends by itself ends it at once, and fails what is left."""
    running = asyncio.create_task(script.run(), name="script")
    try:
        while not running.done():
            await asyncio.wait([running], timeout=_LOOK_SECONDS)
            stage.children.check()
        await running
    except ChildFailed as error:
        stage.say(str(error), Mood.BAD)
        running.cancel()
        await asyncio.wait([running])
        script.give_up(str(error))
    finally:
        running.cancel()
        await asyncio.wait([running])


def _tell(document: dict[str, object], stage: Stage, console: Console) -> None:
    numbers = ", ".join(
        f"{name} {document[name]:,}"
        for name in ("produced", "stored", "lost", "duplicates", "altered")
    )
    console.print(f"records: {numbers}")
    failures = document["failures"]
    if isinstance(failures, list):
        for line in failures:  # pyright: ignore[reportUnknownVariableType]
            console.print(f"[red]failed:[/red] {line}", soft_wrap=True)
    verdict = "[green]passed[/green]" if document["passed"] else "[red]FAILED[/red]"
    console.print(f"the night {verdict}; report: {stage.report / 'index.html'}", soft_wrap=True)


async def _play(stage: Stage, console: Console) -> None:
    """Leave it running until Ctrl-C, having said what can be done with it."""
    file = stage.folder / "lamplighter.toml"
    node = next(iter(stage.names.values()))
    street = ("--group", "all", "--gateway", settings.GATEWAY)
    evening = str(stage.folder / "evening.toml")
    lines = [
        "",
        "Everything is still running; Ctrl-C ends it. In another terminal:",
        f"  export LAMPLIGHTER_SETTINGS={file}",
        f"  {command('lamplighter', 'fleet', 'list')}",
        f"  {command('lamplighter', 'lamp', 'set', node, '--level', '80', '--for', '6h')}",
        f"  {command('lamplighter', 'lamp', 'set', *street, '--level', '20')}",
        f"  {command('lamplighter', 'config', 'push', evening, '--all')}",
        f"  {command('lamplighter', 'readings', 'tail')}",
        *(f"  {words}" for words in listening(stage.broker.port)),
        f"The gateway is {settings.GATEWAY}, process {stage.gateway.pid}; kill -9 it if you like: "
        "it is started again.",
        f"Its figures are at http://127.0.0.1:{stage.metrics_port}/metrics.",
        f"Records are in {stage.store.file}.",
    ]
    for line in lines:
        console.print(line, soft_wrap=True, markup=False)
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(1.0)
            for child in (stage.gateway, stage.ingest, stage.broker.child):
                if not child.running:
                    console.print(f"{child.name} ended; starting it again")
                    await child.start()
