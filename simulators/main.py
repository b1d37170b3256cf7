"""``lamplighter-sim``: streets and lampposts to try the software on, without any hardware.

Exit codes: 0 ended as asked (Ctrl-C, or the demonstration passed); 1 it could not be started, with
the reason in one line; 2 wrong usage. ``demo`` documents its own in its help.
"""

import asyncio
import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Generator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from typer import TyperException

from firmware.build.errors import BuildError
from simulators.running import complain, run_node, run_street
from simulators.street import FolderInUse, StreetPlan
from simulators.tools import ToolError
from simulators.world.recordings import RecordingError

app = typer.Typer(
    help="Streets and lampposts to try the software on, without any hardware.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lamplighter-sim {metadata.version('lamplighter')}")
        raise typer.Exit


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
    broker: Annotated[
        str,
        typer.Option(metavar="HOST:PORT", help="The MQTT broker its gateway is to send to."),
    ] = "127.0.0.1:1883",
    folder: Folder = None,
    status: Status = 0.0,
) -> None:
    """Run a street of lampposts on an RS-485 bus until Ctrl-C.

    Prints the serial port of the bus, and the commands that start what belongs
    to it: a broker, the city's ingest, which takes the readings, and a gateway
    on the bus.
    """
    host, port = _host_and_port(broker)
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
        asyncio.run(run_street(where, plan, status, host, port))


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

    With --console it prints the serial port of its console, which any SMP
    client can open, and how to build and sign an image that it takes.
    """
    plan = StreetPlan(lampposts=1, seed=seed, speed=speed, origin=_epoch(start))
    with _errors_in_one_line(), _folder(folder) as where:
        asyncio.run(run_node(where, plan, status, console, service_switch))


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    add_help_option=False,
)
def demo(context: typer.Context) -> None:
    """Play one night on one street, with broker, store, updates, a gateway killed (see --help)."""
    # Imported here: the other commands do without the gateway and the city side.
    from simulators.demo import main as demonstration

    sys.exit(demonstration.main(context.args))


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", callback=_tell_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Streets and lampposts to try the software on, without any hardware."""


def run(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code. What is not the user's to mend is raised."""
    try:
        result = app(args=arguments, prog_name="lamplighter-sim", standalone_mode=False)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "lamplighter-sim"
        message = " ".join(error.format_message().split())
        if message:  # none where help has been printed in place of an error
            end = "" if message.endswith((".", "?")) else "."
            complain(f"{message}{end} See: {path} --help")
        return error.exit_code
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point of ``lamplighter-sim``."""
    sys.exit(run())


def _epoch(start: datetime | None) -> float | None:
    return None if start is None else start.replace(tzinfo=UTC).timestamp()


def _host_and_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")  # an IPv6 address has colons of its own
    if not re.fullmatch(r"[\w.:%-]+", host) or not port.isascii() or not port.isdigit():
        raise typer.BadParameter(
            f"expected HOST:PORT such as 127.0.0.1:1883, got {text!r}.", param_hint="--broker"
        )
    if not 1 <= int(port) <= 65_535:
        raise typer.BadParameter(
            f"expected a port of 1 to 65535, got {port}.", param_hint="--broker"
        )
    return host, int(port)


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
    except (OSError, BuildError, ToolError, RecordingError, FolderInUse, ValueError) as error:
        complain(str(error))
        raise typer.Exit(1) from error


if __name__ == "__main__":
    main()
