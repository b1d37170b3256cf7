"""`lamplighter-gateway install-service`."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cabinet import installation
from gateway.cabinet.installation import CannotInstall, Plan
from gateway.cabinet.services import SERVICE
from gateway.cli.doctor import DEFAULT_FILE

FAILURE = 1


def install_service(
    config: Annotated[
        Path, typer.Option("--config", help="the gateway's configuration file")
    ] = DEFAULT_FILE,
    lan: Annotated[
        bool | None,
        typer.Option(
            "--lan/--no-lan", help="the local broker's unit too; by the file if not given"
        ),
    ] = None,
    executable: Annotated[
        Path | None, typer.Option(help="the program the service runs; this one if not given")
    ] = None,
    root: Annotated[Path, typer.Option(help="root folder of another system, such as an image")] = (
        Path("/")
    ),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only print what would be done")] = (
        False
    ),
) -> None:
    """Set up the systemd service: user, folders, hardened units. To be run as root.

    Run again it changes only what differs; nothing is started or stopped.
    Exit codes: 0 done, 1 it cannot be done.
    """
    if os.geteuid() != 0 and not dry_run:
        _fail("only root can do this: sudo lamplighter-gateway install-service (or --dry-run)")
    program = executable or Path(shutil.which(sys.argv[0]) or sys.argv[0]).absolute()
    plan = Plan(program, config.absolute(), lan, root.absolute())
    try:
        if root == Path("/"):
            installation.check_executable(program)
        for step in installation.steps(plan):
            if step.needed and not dry_run:
                step.do()
            state = ("would be done" if dry_run else "done") if step.needed else "as it is"
            typer.echo(f"{state:<14}{step.what}")
    except (CannotInstall, OSError) as error:
        _fail(str(error))
    if not dry_run:
        typer.echo(f"\nStart it, or have it take up changes: sudo systemctl restart {SERVICE}")


def _fail(text: str) -> None:
    typer.echo(f"lamplighter-gateway: {text}", err=True)
    raise typer.Exit(FAILURE)
