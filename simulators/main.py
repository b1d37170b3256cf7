"""``lamplighter-sim``: streets and lampposts to try the software on, without any hardware.

Exit codes: 0 ended as asked (Ctrl-C, or the demonstration passed); 1 it could not be started, with
the reason in one line; 2 wrong usage. ``demo`` documents its own in its help.
"""

import asyncio
import contextlib
import signal
import sys
import tempfile
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from firmware.build.errors import BuildError
from simulators.node_process import ChipState
from simulators.street import Street, StreetPlan
from simulators.tools import ToolError
from simulators.world.recordings import RecordingError

app = typer.Typer(
    help="Streets and lampposts to try the software on, without any hardware.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Seed = Annotated[int, typer.Option(help="The same seed gives the same street and world.")]
Speed = Annotated[
    float,
    typer.Option(
        min=0.001,
        max=100_000,
        help="Seconds of street time in one real second: schedules and sampling go by street time, "
        "links and people walk in real time.",
    ),
]
Start = Annotated[
    datetime | None,
    typer.Option(help="Street time (UTC) at the start. Default: now.", show_default=False),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        file_okay=False,
        help="Where flashes, keys, logs and the ledger are kept; one that holds a street is taken "
        "up again. Default: a temporary folder, removed at the end.",
        show_default=False,
    ),
]
Status = Annotated[
    float, typer.Option(min=0, help="Print the state every so many seconds; 0 for never.")
]


@app.command()
def street(
    nodes: Annotated[int, typer.Option(min=1, max=247, help="Lampposts on the bus.")] = 10,
    speed: Speed = 1.0,
    seed: Seed = 0,
    noise: Annotated[
        float, typer.Option(min=0, max=0.1, help="Bit error rate of the bus, such as 1e-5.")
    ] = 0.0,
    start: Start = None,
    replay_people: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Hourly footfall of Leeds City Council to replay."
        ),
    ] = None,
    replay_air: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Hourly air (CSV: date, pm10, pm25) to replay."
        ),
    ] = None,
    crowd: Annotated[
        float,
        typer.Option(
            min=0.001,
            help="Simulated people for each one of the plain scale, which is as many as can walk.",
        ),
    ] = 1.0,
    folder: Folder = None,
    status: Status = 0.0,
) -> None:
    """Run a street of lampposts on an RS-485 bus until Ctrl-C.

    Prints the serial port of the bus and a gateway's configuration for it, so that a gateway can
    be started on it at once.
    """
    plan = StreetPlan(
        lampposts=nodes,
        seed=seed,
        speed=speed,
        origin=_epoch(start),
        bit_error_rate=noise,
        people=replay_people,
        air=replay_air,
        crowd=crowd,
    )
    with _errors_in_one_line(), _folder(folder) as where:
        asyncio.run(_run_street(where, plan, status))


@app.command()
def node(
    console: Annotated[
        bool, typer.Option("--console", help="Open its console as a serial port.")
    ] = False,
    service_switch: Annotated[
        bool, typer.Option("--service-switch", help="Close the service switch behind its door.")
    ] = False,
    speed: Speed = 1.0,
    seed: Seed = 0,
    start: Start = None,
    folder: Folder = None,
    status: Status = 0.0,
) -> None:
    """Run one lamppost until Ctrl-C.

    With --console it prints the serial port of its console, which any SMP client can open, and
    how to build and sign an image that it takes.
    """
    plan = StreetPlan(lampposts=1, seed=seed, speed=speed, origin=_epoch(start))
    with _errors_in_one_line(), _folder(folder) as where:
        asyncio.run(_run_node(where, plan, status, console, service_switch))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def demo(context: typer.Context) -> None:
    """Play one night on one street: gateway, broker, store, updates and power cuts (see --help)."""
    # Imported here: the other commands do without the gateway and the city side.
    from simulators.demo import main as demonstration

    sys.exit(demonstration.main(context.args))


def main() -> None:
    """Entry point of ``lamplighter-sim``."""
    app()


async def _run_street(folder: Path, plan: StreetPlan, status: float) -> None:
    stopped = _stop_signal()
    async with Street(folder, plan, complain=_complain) as running:
        config = running.write_gateway_config()
        await running.power_on()
        typer.echo(f"{plan.lampposts} lampposts, street time {_clock(running)}, Ctrl-C ends it")
        _show("bus", running.bus.open_gateway_port())
        _show("gateway", f"lamplighter-gateway run --config {config}")
        _show("release key", str(running.factory.release_key_file))
        _show("ledger", str(folder / "ledger.txt"))
        _show("people", f"{_scale(running):.3g} simulated for each real one at full scale")
        await _until(stopped, running, status)


async def _run_node(
    folder: Path, plan: StreetPlan, status: float, console: bool, service_switch: bool
) -> None:
    stopped = _stop_signal()
    async with Street(folder, plan, complain=_complain) as running:
        lamppost = running.lampposts[0]
        port = lamppost.open_console() if console else None
        lamppost.close_service_switch(service_switch)
        key = running.factory.release_key_file
        config = running.write_gateway_config()
        await running.power_on()
        typer.echo(f"lamppost {lamppost.node}, street time {_clock(running)}, Ctrl-C ends it")
        if port is not None:
            _show("console", port)
            _show("try", f"smpmgr --port {port} image state-read")
        _show("bus", running.bus.open_gateway_port())
        _show("gateway", f"lamplighter-gateway run --config {config}")
        _show("release key", str(key))
        _show("build", f"python -m firmware.build --version 1.1.0 --key {key} --out release.bin")
        await _until(stopped, running, status)


def _stop_signal() -> asyncio.Event:
    """Set by Ctrl-C or SIGTERM from now on."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    return stopped


async def _until(stopped: asyncio.Event, running: Street, status: float) -> None:
    """Wait for ``stopped``, telling the state now and then."""
    while not stopped.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), status or None)
        if not stopped.is_set():
            typer.echo(_state(running))
    typer.echo("the street closes")


def _state(running: Street) -> str:
    view = running.view()
    posts = view.lampposts
    alive = sum(post.state is ChipState.RUNNING for post in posts)
    level = sum(post.dimming_level for post in posts) / len(posts)
    pm25 = sum(post.air.pm25 for post in posts) / len(posts)
    return (
        f"{_clock(running)}  {alive}/{len(posts)} running, lamps at {level:.0f} %, "
        f"PM2.5 {pm25:.0f} ug/m3, {sum(post.people for post in posts)} people about, "
        f"{sum(post.logged for post in posts)} records logged, bus {view.bus.share:.1%} busy, "
        f"{sum(post.restarts for post in posts)} restarts"
    )


def _scale(running: Street) -> float:
    return running.lampposts[0].world.pavement.scale


def _clock(running: Street) -> str:
    return datetime.fromtimestamp(running.clock.street(), UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _show(what: str, value: str) -> None:
    typer.echo(f"  {what:12} {value}")


def _complain(line: str) -> None:
    typer.echo(f"lamplighter-sim: {line}", err=True)


def _epoch(start: datetime | None) -> float | None:
    return None if start is None else start.replace(tzinfo=UTC).timestamp()


@contextlib.contextmanager
def _folder(folder: Path | None) -> Generator[Path]:
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="lamplighter-") as temporary:
        yield Path(temporary)


@contextlib.contextmanager
def _errors_in_one_line() -> Generator[None]:
    try:
        yield
    except (OSError, BuildError, ToolError, RecordingError, ValueError) as error:
        _complain(str(error))
        raise typer.Exit(1) from error


if __name__ == "__main__":
    main()
