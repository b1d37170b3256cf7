"""Options that stand before any command."""

from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import typer

from fleet_cli.errors import EXIT_CODES
from fleet_cli.settings import Settings, find_file, load

_EXITS = "\n".join(f"{code}  {meaning}" for code, meaning in EXIT_CODES.items())

HELP = f"""Run a city's smart lampposts from a desk.

\b
[bold]Examples[/bold]
lamplighter fleet list --silent
lamplighter config push winter.toml --gateway cabinet-7
lamplighter rollout start lamplighter-1.4.0.bin --all --wave 20
lamplighter lamp set high-street-12 --level 80 --for 30min

\b
[bold]Settings[/bold]
Options come first, then the environment, then lamplighter.toml: the file
named with --settings, else ./lamplighter.toml, else
~/.config/lamplighter/lamplighter.toml.

\b
[bold]Exit codes[/bold]
{_EXITS}
"""

_BROKER = "Broker"


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"lamplighter {version_of('lamplighter')}")
        raise typer.Exit


def root(
    context: typer.Context,
    settings: Annotated[
        Path | None,
        typer.Option(
            envvar="LAMPLIGHTER_SETTINGS", help="Settings file (TOML).", show_default=False
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            envvar="LAMPLIGHTER_HOST",
            help="The broker's name or address. [dim]\\[default: localhost][/dim]",
            rich_help_panel=_BROKER,
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            envvar="LAMPLIGHTER_PORT",
            help="Its port. [dim]\\[default: 1883, with TLS 8883][/dim]",
            rich_help_panel=_BROKER,
        ),
    ] = None,
    username: Annotated[
        str | None,
        typer.Option(
            envvar="LAMPLIGHTER_USERNAME", help="Our name there.", rich_help_panel=_BROKER
        ),
    ] = None,
    password_file: Annotated[
        Path | None,
        typer.Option(
            envvar="LAMPLIGHTER_PASSWORD_FILE",
            help="File whose first line is the password.",
            rich_help_panel=_BROKER,
        ),
    ] = None,
    tls: Annotated[
        bool | None,
        typer.Option(
            "--tls/--no-tls",
            envvar="LAMPLIGHTER_TLS",
            help="Speak TLS.",
            rich_help_panel=_BROKER,
            show_default=False,
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            envvar="LAMPLIGHTER_CA_FILE",
            help="Certificates to trust in place of the system's.",
            rich_help_panel=_BROKER,
        ),
    ] = None,
    cert_file: Annotated[
        Path | None,
        typer.Option(
            envvar="LAMPLIGHTER_CERT_FILE", help="Our certificate.", rich_help_panel=_BROKER
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            envvar="LAMPLIGHTER_KEY_FILE", help="Its private key.", rich_help_panel=_BROKER
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(
            envvar="LAMPLIGHTER_STORE",
            help="The city store. [dim]\\[default: sqlite:///lamplighter.db][/dim]",
        ),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_say_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Read the settings; the help is set below, as it lists the exit codes."""
    given = {
        "host": host,
        "port": port,
        "username": username,
        "password_file": password_file,
        "tls": tls,
        "ca_file": ca_file,
        "cert_file": cert_file,
        "key_file": key_file,
        "store": store,
    }
    # Read when a command asks: help must come even where the file is wrong.
    context.obj = lambda: load(find_file(settings), given)


root.__doc__ = HELP


def settings_of(context: typer.Context) -> Settings:
    """The settings of this run.

    Raises:
        BadInput: they cannot be used.
    """
    return context.obj()
