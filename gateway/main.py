"""The command `lamplighter-gateway`.

Exit codes: 0 done (or stopped by a signal), 1 failure, 2 bad configuration or usage.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from gateway import logs, service
from gateway.config import Configuration, load
from gateway.errors import ConfigurationError, GatewayError

FAILURE = 1
BAD_CONFIGURATION = 2

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The gateway in the street cabinet. "
    "Exit codes: 0 done, 1 failure, 2 bad configuration or usage.",
)


@app.command("check-config")
def check_config(
    file: Annotated[Path, typer.Argument(help="the configuration file (TOML)")],
) -> None:
    """Check a configuration file; exit 0 when the gateway could run with it, else 2."""
    configuration = _load(file)
    typer.echo(
        f"{file}: good: gateway {configuration.gateway.id}, {len(configuration.bus)} bus(es), "
        f"{len(configuration.lamppost)} lamppost(s)"
    )


@app.command("run")
def run(
    config: Annotated[Path, typer.Option("--config", help="the configuration file (TOML)")],
) -> None:
    """Collect from the lampposts until stopped by SIGTERM or SIGINT."""
    configuration = _load(config)
    logs.set_up(configuration.log.level, configuration.log.format)
    try:
        asyncio.run(service.run(configuration))
    except (GatewayError, OSError) as error:
        _fail(error)
    except BaseExceptionGroup as errors:
        known, unknown = errors.split((GatewayError, OSError))
        if unknown is not None or known is None:
            raise
        _fail(known)


def _fail(error: BaseException) -> None:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    typer.echo(f"lamplighter-gateway: {error}", err=True)
    raise typer.Exit(FAILURE)


def _load(file: Path) -> Configuration:
    try:
        configuration, warnings = load(file)
    except ConfigurationError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(BAD_CONFIGURATION) from None
    for warning in warnings:
        typer.echo(f"warning: {warning}", err=True)
    return configuration


def main() -> None:
    """Entry point."""
    app()


if __name__ == "__main__":
    main()
