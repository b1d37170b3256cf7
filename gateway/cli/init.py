"""`lamplighter-gateway init`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from gateway.cabinet import adapters, interfaces, new_configuration, serial_ports, services
from gateway.cabinet.new_configuration import AlreadyThere, Answers
from gateway.cabinet.wizard import Given, Refused, Wizard
from gateway.cli.doctor import DEFAULT_FILE
from gateway.errors import ConfigurationError

FAILURE = 1
BAD_USAGE = 2
_BUS = "an RS-485 line, NAME=PORT[,BAUD][,rs485]; may be given several times"
_UNIT = Path("/etc/systemd/system") / f"{services.SERVICE}.service"


def init(
    config: Annotated[Path, typer.Option("--config", help="the file to write")] = DEFAULT_FILE,
    gateway: Annotated[str | None, typer.Option("--id", help="id of this gateway")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="folder for the database")] = None,
    bus: Annotated[list[str] | None, typer.Option(help=_BUS)] = None,
    broker: Annotated[str | None, typer.Option(help="the city's broker, HOST[:PORT]")] = None,
    tls: Annotated[bool | None, typer.Option(help="TLS or none; by port when not given")] = None,
    username: Annotated[str | None, typer.Option(help="user name at the broker")] = None,
    password_file: Annotated[Path | None, typer.Option(help="file with its password")] = None,
    ca_file: Annotated[Path | None, typer.Option(help="PEM of the broker's authority")] = None,
    cert_file: Annotated[Path | None, typer.Option(help="PEM of our certificate")] = None,
    key_file: Annotated[Path | None, typer.Option(help="PEM of its private key")] = None,
    ble: Annotated[list[str] | None, typer.Option(help="Bluetooth adapter, such as hci0")] = None,
    lan: Annotated[str | None, typer.Option(help="our address on the lampposts' network")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="ask nothing: options and defaults")] = False,
    anyway: Annotated[bool, typer.Option("--anyway", help="write it even if checks fail")] = False,
    force: Annotated[bool, typer.Option("--force", help="overwrite the file")] = False,
    timeout: Annotated[float, typer.Option(min=0.1, max=120, help="seconds for the broker")] = 10.0,
) -> None:
    """Ask what this gateway needs to know, check each answer at once, write the file.

    Everything may be given by options. Exit codes: 0 written, 1 a check failed or
    the file cannot be written, 2 bad usage.
    """
    console = Console()
    if config.exists() and not force:
        _end(f"{config}: is there already and is not overwritten; --force does", FAILURE)
    given = Given(
        id=gateway, data_dir=data_dir, buses=bus or [], broker=broker, tls=tls, username=username,
        password_file=password_file, ca_file=ca_file, cert_file=cert_file, key_file=key_file,
        adapters=ble or [], lan_address=lan,
    )  # fmt: skip
    found = _show_found(console)
    wizard = Wizard(given, unattended=yes, anyway=anyway, timeout_s=timeout, console=console)
    try:
        answers = wizard.run(found)
        new_configuration.make_folder(answers.data_dir)
        warnings = new_configuration.put(config, answers, replace=force)
    except (Refused, AlreadyThere, ConfigurationError) as error:
        _end(str(error), FAILURE)
    except OSError as error:
        _end(f"{error.filename or config}: {error.strerror}; run this as root?", FAILURE)
    _say_next(config, answers, warnings)


def _show_found(console: Console) -> list[str]:
    """Print what there is on this machine; gives its Bluetooth adapters."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    ports = serial_ports.find()
    for number, port in enumerate(ports, 1):
        also = f" ({port.device})" if port.stable != port.device else ""
        table.add_row("serial port", str(number), f"{port.stable}{also}", port.description)
    bluetooth = adapters.find()
    for adapter in bluetooth:
        blocked = f"blocked ({adapter.blocked})" if adapter.blocked else ""
        table.add_row("bluetooth", "", f"{adapter.name} {adapter.address}".strip(), blocked)
    for interface in interfaces.find():
        table.add_row("network", "", f"{interface.name} {interface.address}", interface.state)
    console.print("On this machine:")
    if not ports:
        table.add_row("serial port", "", "none", "")
    if not bluetooth:
        table.add_row("bluetooth", "", "none", "")
    console.print(table, markup=False, highlight=False)
    console.print()
    return [adapter.name for adapter in bluetooth]


def _say_next(config: Path, answers: Answers, warnings: list[str]) -> None:
    for warning in warnings:
        # That there are no lampposts yet is what comes next.
        if "[[lamppost]]" not in warning:
            typer.echo(f"warning: {warning}")
    typer.echo(f"\nWritten: {config} (gateway {answers.id}). What to do next:")
    named = "" if config == DEFAULT_FILE else f" --config {config}"
    steps = [] if _UNIT.exists() else [f"sudo lamplighter-gateway install-service{named}"]
    steps += [
        f"sudo systemctl start {services.SERVICE}",
        f"sudo lamplighter-gateway doctor{named}",
        f"sudo lamplighter-gateway commission{named}",
    ]
    for number, step in enumerate(steps, 1):
        typer.echo(f"  {number}. {step}")


def _end(text: str, code: int) -> NoReturn:
    typer.echo(f"lamplighter-gateway: {text}", err=True)
    raise typer.Exit(code)
