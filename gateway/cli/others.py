"""The commands beside `run` and `check-config`, in the order of the help."""

from __future__ import annotations

import typer

from gateway.cli.backup import backup, restore
from gateway.cli.buffer import buffer
from gateway.cli.commission import commission, web_code
from gateway.cli.doctor import doctor
from gateway.cli.health import health
from gateway.cli.init import init
from gateway.cli.install_service import install_service
from gateway.cli.nodes import nodes


def add(app: typer.Typer) -> None:
    """Add them to `app`."""
    app.command("init")(init)
    app.command("install-service")(install_service)
    app.command("commission")(commission)
    app.command("web-code")(web_code)
    app.command("doctor")(doctor)
    app.command("health")(health)
    app.command("nodes")(nodes)
    app.command("buffer")(buffer)
    app.command("backup")(backup)
    app.command("restore")(restore)
