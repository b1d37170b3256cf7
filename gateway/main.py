"""The command `lamplighter-gateway`.

Exit codes: 0 done (or stopped by a signal), 1 failure, 2 bad configuration or usage. Whatever is
wrong is said in one line a problem, usage too: what reads a log of this service reads lines.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer import TyperException

from gateway import data_dir, logs
from gateway.cli.loading import (
    BAD_CONFIGURATION,
    DEFAULT_FILE,
    FAILURE,
    PROGRAM,
    configuration_of,
    fail,
)
from gateway.errors import GatewayError
from gateway.program import program_version

if TYPE_CHECKING:
    from gateway.ble.adapter import OpenAdapter

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The gateway in the street cabinet. "
    "Exit codes: 0 done, 1 failure, 2 bad configuration or usage.",
)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {program_version()}")
        raise typer.Exit


# The running gateway does without them, and without the 4 MB that they take.
if sys.argv[1:2] != ["run"]:
    from gateway.cli import others

    others.add(app)


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="show the version and end"
        ),
    ] = False,
) -> None:
    """Options that stand before any command."""


@app.command("check-config")
def check_config(
    file: Annotated[Path, typer.Argument(help="the configuration file (TOML)")] = DEFAULT_FILE,
) -> None:
    """Check a configuration file; exit 0 when this user could run the gateway with it, else 2.

    Nothing is made or changed. A port, broker or file of the broker's section
    that is not there yet is no mistake: the gateway waits for it.
    """
    configuration = configuration_of(file)
    folder = configuration.gateway.data_dir
    why = data_dir.problem(folder)
    if why is not None:
        typer.echo(
            f'{file}: gateway.data_dir = "{folder}": expected a folder this user can make and '
            f"write, but {why}; make it so, or check as the user the gateway runs as",
            err=True,
        )
        raise typer.Exit(BAD_CONFIGURATION)
    typer.echo(
        f"{file}: good: gateway {configuration.gateway.id}, {len(configuration.bus)} bus(es), "
        f"{len(configuration.lamppost)} lamppost(s)"
    )


@app.command("run")
def run(
    context: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", help="the configuration file (TOML)")
    ] = DEFAULT_FILE,
) -> None:
    """Collect from the lampposts until stopped by SIGTERM or SIGINT."""
    # Not at the top: nobody else needs all of it, and it takes a second on a Raspberry Pi.
    from gateway import service

    configuration = configuration_of(config)
    logs.set_up(configuration.log.level, configuration.log.format)
    # What systemd's watchdog kills says where it hung.
    faulthandler.enable(sys.__stderr__ or sys.stderr)
    # The code never becomes rubbish, and a look through all of it takes a tenth of a second and
    # more, in which no lamp dims for anybody.
    gc.collect()
    gc.freeze()
    try:
        asyncio.run(service.run(configuration, config, context.obj))
    except (GatewayError, OSError) as error:
        _fail(error)
    except BaseExceptionGroup as errors:
        known, unknown = errors.split((GatewayError, OSError))
        if unknown is not None or known is None:
            raise
        _fail(known)


def _fail(error: BaseException) -> NoReturn:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    fail(str(error))  # pyright: ignore[reportUnknownArgumentType]


def run_program(arguments: list[str] | None = None, open_adapter: OpenAdapter | None = None) -> int:
    """Run one command; gives its exit code. What is not the user's to mend is raised.

    open_adapter: gives Bluetooth adapters by name, None for those of this machine.
    """
    try:
        result = app(args=arguments, prog_name=PROGRAM, standalone_mode=False, obj=open_adapter)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else PROGRAM
        message = " ".join(error.format_message().split())
        if message:  # none where help has been printed in place of an error
            end = "" if message.endswith((".", "?")) else "."
            typer.echo(f"{PROGRAM}: {message}{end} See: {path} --help", err=True)
        return error.exit_code
    except typer.Abort:
        typer.echo(f"{PROGRAM}: interrupted", err=True)
        return FAILURE
    return result if isinstance(result, int) else 0


def main() -> None:
    """Entry point."""
    sys.exit(run_program())


if __name__ == "__main__":
    main()
