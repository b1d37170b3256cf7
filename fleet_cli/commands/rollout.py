"""lamplighter rollout: a release to many lampposts, in waves, stopped when it hurts."""

# ruff: noqa: D301 - \b is how typer is told to keep the lines of a paragraph apart
import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from fleet_cli.broker import connected
from fleet_cli.commands.options import (
    All,
    Gateways,
    Json,
    Labels,
    Nodes,
    Yes,
    chosen_of,
    confirm,
    explicit_selection,
    seconds,
    told_at_interrupt,
    warn_of,
)
from fleet_cli.commands.rollout_views import (
    goes_on,
    plan_text,
    rollout_json,
    rollout_text,
    rollouts_table,
)
from fleet_cli.commands.root import settings_of
from fleet_cli.errors import EXIT_FAILED, EXIT_OK, EXIT_TIMED_OUT, BadInput
from fleet_cli.fleet import Selection, read_fleet
from fleet_cli.output import (
    ProgressBar,
    console,
    error_console,
    note,
    plural,
    print_json,
    progress_bar,
)
from fleet_cli.release.image import SignedImage, load_signed, public_key
from fleet_cli.rollout import Rollout, Runner, Target, judge
from fleet_cli.rollout.plan import plan
from fleet_cli.rollout.runner import choose_rollout, read_rollouts
from fleet_cli.settings import BrokerSettings

app = typer.Typer(help="Bring a release to the lampposts, in waves.", no_args_is_help=True)

Identifier = Annotated[
    str | None, typer.Argument(metavar="[ID]", help="The rollout; else the newest.")
]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait",
        help="Stay and bring out wave after wave; without, only the first is asked.",
    ),
]
Timeout = Annotated[
    str | None, typer.Option("--timeout", help="Wait no longer; see: rollout resume.")
]


@app.command()
def start(
    context: typer.Context,
    image: Annotated[Path, typer.Argument(help="A signed release.", show_default=False)],
    node: Nodes = None,
    gateway: Gateways = None,
    label: Labels = None,
    everyone: All = False,
    wave: Annotated[int, typer.Option("--wave", min=1, help="Lampposts at a time.")] = 10,
    max_failures: Annotated[
        int, typer.Option("--max-failures", min=0, help="Stop when more than so many fail.")
    ] = 0,
    deadline: Annotated[
        str, typer.Option(help="A lamppost without progress for so long has failed.")
    ] = "30min",
    key: Annotated[
        Path | None, typer.Option(help="Refuse the image unless this key verifies it.")
    ] = None,
    yes: Yes = False,
    wait: Wait = True,
    timeout: Timeout = None,
    json: Json = False,
) -> int:
    """Roll a release out: ask a wave, see it boot and confirm, ask the next.

    A lamppost has succeeded only when it has booted the release and
    confirmed it. One that is away is queued and updates when it is back.
    Interrupted, it is taken up with: lamplighter rollout resume

    Exit codes: 0 all succeeded, 1 some failed or are queued, 4 timed out.

    \b
    [bold]Examples[/bold]
    lamplighter rollout start lamplighter-1.4.0.bin --node high-street-12
    lamplighter rollout start v1.4.0.bin --all --wave 50 --max-failures 2
    """
    signed = load_signed(image, public_key(key) if key else None)
    wanted = explicit_selection(node, gateway, label, everyone)
    options = {
        "wave_size": wave,
        "max_failures": max_failures,
        "deadline_s": seconds(deadline, "--deadline", 1, 30 * 86400),
    }
    broker = settings_of(context).broker
    limit = _limit(timeout)
    return asyncio.run(_start(broker, signed, wanted, options, yes, wait, limit, json))


async def _start(
    broker: BrokerSettings,
    image: SignedImage,
    wanted: Selection,
    options: dict[str, int],
    yes: bool,
    wait: bool,
    limit_s: float | None,
    json: bool,
) -> int:
    async with connected(broker) as client:
        with progress_bar("Reading the fleet"):
            fleet = await read_fleet(client)
        planned = plan(image, chosen_of(fleet, wanted), now=int(time.time()), **options)
        error_console().print(plan_text(planned))
        if not yes:
            total = plural(len(planned.rollout.targets), "lamppost")
            await confirm(f"Roll {image.version} out to {total}?")
        with progress_bar(f"Rollout {planned.rollout.id}", len(planned.rollout.targets)) as bar:
            runner = Runner(client, fleet, planned.rollout, on_change=_follow(bar))
            with told_at_interrupt(lambda: goes_on(planned.rollout)):
                await runner.begin(image.data)
                in_time = await runner.run(limit_s) if wait else True
    return _conclude(runner.rollout, wait, in_time, json)


@app.command()
def resume(
    context: typer.Context,
    identifier: Identifier = None,
    timeout: Timeout = None,
    json: Json = False,
) -> int:
    """Take up a rollout whose desk went away, from any desk.

    Exit codes: 0 all succeeded, 1 some failed or are queued, 4 timed out.

    \b
    [bold]Example[/bold]
    lamplighter rollout resume 20260621-101500-a1b2
    """
    return asyncio.run(_resume(settings_of(context).broker, identifier, _limit(timeout), json))


async def _resume(
    broker: BrokerSettings, identifier: str | None, limit_s: float | None, json: bool
) -> int:
    async with connected(broker) as client:
        with progress_bar("Reading the fleet"):
            # Rollouts first: once subscribed, reports of lampposts must find the fleet there.
            rollout = choose_rollout(await read_rollouts(client), identifier)
            fleet = await read_fleet(client)
        warn_of(fleet)
        if rollout.state == "stopped":
            raise BadInput(
                f"rollout {rollout.id} was stopped: {rollout.reason}; start a new one instead"
            )
        with progress_bar(f"Rollout {rollout.id}", len(rollout.targets)) as bar:
            runner = Runner(client, fleet, rollout, on_change=_follow(bar))
            with told_at_interrupt(lambda: goes_on(rollout)):
                in_time = await runner.run(limit_s)
    return _conclude(runner.rollout, True, in_time, json)


@app.command()
def status(context: typer.Context, identifier: Identifier = None, json: Json = False) -> int:
    """Show how each lamppost of a rollout is doing, as reported now.

    The percentage is of those that have finished, where one silent past its
    deadline has failed; those queued or not yet asked do not count.

    Exit codes: 0 none failed, 1 some failed or it was stopped.

    \b
    [bold]Example[/bold]
    lamplighter rollout status
    """
    rollout = asyncio.run(_status(settings_of(context).broker, identifier))
    if json:
        print_json(rollout_json(rollout))
    else:
        console().print(rollout_text(rollout))
    return EXIT_FAILED if rollout.counts["failed"] or rollout.state == "stopped" else EXIT_OK


async def _status(broker: BrokerSettings, identifier: str | None) -> Rollout:
    async with connected(broker) as client:
        with progress_bar("Reading the fleet"):
            rollout = choose_rollout(await read_rollouts(client), identifier)
            fleet = await read_fleet(client)
    warn_of(fleet)
    judge(rollout, fleet.lampposts, int(time.time()), fleet.withdrawn)
    return rollout


@app.command("list")
def list_(context: typer.Context, json: Json = False) -> None:
    """List the rollouts the broker knows, the newest last.

    \b
    [bold]Example[/bold]
    lamplighter rollout list
    """

    async def read() -> dict[str, Rollout]:
        async with connected(settings_of(context).broker) as client:
            with progress_bar("Reading rollouts"):
                return await read_rollouts(client)

    rollouts = list(asyncio.run(read()).values())
    if json:
        print_json([rollout_json(rollout) for rollout in rollouts])
    else:
        console().print(rollouts_table(rollouts))


@app.command()
def stop(
    context: typer.Context,
    identifier: Identifier = None,
    reason: Annotated[str, typer.Option(help="Why; others will read it.")] = "stopped by hand",
    json: Json = False,
) -> None:
    """Stop a rollout: nobody further is asked, and who has not begun is not to.

    A lamppost that is already trying the release confirms or reverts by
    itself. A desk that waits for this rollout ends as well.

    \b
    [bold]Example[/bold]
    lamplighter rollout stop --reason "lamps flicker in cabinet 7"
    """
    rollout = asyncio.run(_stop(settings_of(context).broker, identifier, reason))
    if json:
        print_json(rollout_json(rollout))
    else:
        console().print(rollout_text(rollout))


async def _stop(broker: BrokerSettings, identifier: str | None, reason: str) -> Rollout:
    async with connected(broker) as client:
        with progress_bar("Stopping"):
            rollout = choose_rollout(await read_rollouts(client), identifier)
            fleet = await read_fleet(client)
            judge(rollout, fleet.lampposts, int(time.time()), fleet.withdrawn)
            # One stopped before may have been cut short; of one finished, some may have failed.
            if rollout.state == "finished" and rollout.counts["succeeded"] == len(rollout.targets):
                raise BadInput(f"rollout {rollout.id} has finished: nothing is left to withdraw")
            runner = Runner(client, fleet, rollout)
            await runner.stop(reason[:300])
    return runner.rollout


def _limit(timeout: str | None) -> int | None:
    return seconds(timeout, "--timeout", 1, 30 * 86400) if timeout else None


def _follow(bar: ProgressBar) -> Callable[[Rollout, Target], None]:
    def show(rollout: Rollout, target: Target) -> None:
        counts = rollout.counts
        finished = counts["succeeded"] + counts["failed"]
        told = f"wave {rollout.current_wave}/{rollout.waves}: {target.label} {target.state}"
        bar.update(finished, told)

    return show


def _conclude(rollout: Rollout, waited: bool, in_time: bool, json: bool) -> int:
    if json:
        print_json(rollout_json(rollout))
    else:
        console().print(rollout_text(rollout))
    counts = rollout.counts
    if rollout.state == "stopped" or counts["failed"]:
        return EXIT_FAILED
    if not waited:
        if counts["waiting"]:
            note(
                f"{plural(counts['waiting'], 'lamppost')} of later waves still to be asked: "
                f"lamplighter rollout resume {rollout.id}"
            )
        return EXIT_OK
    if not in_time:
        note(f"still running; take it up with: lamplighter rollout resume {rollout.id}")
        return EXIT_TIMED_OUT
    if counts["queued"]:
        note(f"{plural(counts['queued'], 'lamppost')} away; each updates when it is back")
    return EXIT_OK if counts["succeeded"] == len(rollout.targets) else EXIT_FAILED
