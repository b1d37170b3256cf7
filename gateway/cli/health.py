"""`lamplighter-gateway health`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from gateway.cli.doctor import DEFAULT_FILE
from gateway.config import load
from gateway.config.lampposts_file import read_toml
from gateway.config.metrics import Address, MetricsSection
from gateway.errors import ConfigurationError
from gateway.metrics import asking
from gateway.metrics.health import Grade

_NAMES = {grade.name.lower(): grade for grade in Grade}
# What comes from loopback may be anybody's: one line of bounded length is all a monitor gets.
_LONGEST = 900
_LONGEST_TEXT = 160


def health(
    config: Annotated[
        Path, typer.Option("--config", help="the configuration file (TOML)")
    ] = DEFAULT_FILE,
    timeout: Annotated[float, typer.Option(min=0.1, max=60, help="seconds to wait")] = 10.0,
) -> None:
    """Ask the running gateway how it is, for monitoring: one line and an exit code.

    Exit codes, as monitoring plugins have them: 0 OK, 1 WARNING, 2 CRITICAL (also
    when no gateway answers). Numbers for graphs stand behind the "|".
    """
    grade, line = look(config, timeout)
    typer.echo(f"{grade.name}: {line}")
    if grade is not Grade.OK:
        raise typer.Exit(int(grade))


def look(config: Path, timeout_s: float) -> tuple[Grade, str]:
    """(how the gateway is, in one line)."""
    try:
        configuration, _ = load(config)
    except ConfigurationError as error:
        return _with_a_mistake(config, str(error).splitlines()[0][:_LONGEST], timeout_s)
    if not configuration.metrics.enabled:
        return Grade.CRITICAL, f"{config}: [metrics] enabled = false: nobody can be asked"
    return ask(configuration.metrics.address, configuration.gateway.id, timeout_s)


def _with_a_mistake(config: Path, mistake: str, timeout_s: float) -> tuple[Grade, str]:
    """As `look`, of a file that was spoilt: the gateway may well run on what stood there before."""
    try:
        data = read_toml(config)
        metrics = MetricsSection.model_validate(data.get("metrics", {}))
        gateway = str(data["gateway"]["id"])
    except (ConfigurationError, ValidationError, KeyError, TypeError):
        return Grade.CRITICAL, mistake
    grade, line = ask(metrics.address, gateway, timeout_s)
    return max(grade, Grade.WARNING), f"{_clean(mistake)}; {line}"


def ask(address: Address, gateway: str, timeout_s: float) -> tuple[Grade, str]:
    """(how the gateway `gateway` at `address` is, in one line)."""
    try:
        _, document = asking.ask(address, "/health", gateway, timeout_s)
    except asking.NotAnswered as error:
        return Grade.CRITICAL, f"{error}; systemctl status lamplighter-gateway"
    try:
        return _read(document)
    except (KeyError, TypeError, AttributeError, ValueError):
        return Grade.CRITICAL, f"what answers at {address.url} is no gateway"


def _read(document: Any) -> tuple[Grade, str]:
    grade = _NAMES[document["status"]]
    checks = [
        (_NAMES[check["status"]], _clean(check["name"]), _clean(check["text"]))
        for check in document["checks"]
    ]
    bad = sorted((check for check in checks if check[0] is not Grade.OK), reverse=True)
    told = [f"{name}: {text}" for _, name, text in bad or checks]
    figures = " ".join(
        f"{_clean(name)}={int(value)}" for name, value in document["figures"].items()
    )
    line = "; ".join(told)[:_LONGEST]
    return grade, f"{line} | {figures}" if figures else line


def _clean(text: Any) -> str:
    # "|" begins the numbers; control characters could forge a line of a log.
    shown = "".join(one if one.isprintable() else " " for one in str(text)[:_LONGEST_TEXT])
    return " ".join(shown.replace("|", "/").split())
