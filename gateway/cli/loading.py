"""What commands have in common: the configuration read, and failures in one line."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import typer

from gateway.config import Configuration, load
from gateway.errors import ConfigurationError

DEFAULT_FILE = Path("/etc/lamplighter/gateway.toml")
PROGRAM = "lamplighter-gateway"
FAILURE = 1
BAD_CONFIGURATION = 2


def configuration_of(file: Path) -> Configuration:
    """The configuration in `file`; ends the command with exit code 2 when it is none."""
    try:
        configuration, warnings = load(file)
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_CONFIGURATION) from None
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    return configuration


def fail(why: object) -> NoReturn:
    """Say why in one line, and end the command with exit code 1."""
    typer.echo(f"{PROGRAM}: {why}", err=True)
    raise typer.Exit(FAILURE)
