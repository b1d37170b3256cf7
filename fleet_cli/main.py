"""The command `lamplighter`: its commands put together, and what becomes of errors."""

import os
import sys

import typer
from typer import TyperException

from fleet_cli.commands import config, fleet, ingest, lamp, readings, release, rollout
from fleet_cli.commands.root import root
from fleet_cli.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, FleetError


def build() -> typer.Typer:
    """The application with all its commands."""
    app = typer.Typer(
        name="lamplighter",
        no_args_is_help=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    )
    app.callback()(root)
    app.add_typer(fleet.app, name="fleet")
    app.add_typer(config.app, name="config")
    app.add_typer(release.app, name="release")
    app.add_typer(rollout.app, name="rollout")
    app.add_typer(lamp.app, name="lamp")
    app.command("identify")(lamp.identify)
    app.add_typer(readings.app, name="readings")
    app.command("ingest")(ingest.ingest)
    return app


def run(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code. What is not the user's to mend is raised."""
    try:
        result = build()(args=arguments, prog_name="lamplighter", standalone_mode=False)
    except FleetError as error:
        for line in str(error).splitlines():
            print(f"lamplighter: {line}", file=sys.stderr)
        return error.exit_code
    except TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "lamplighter"
        message = " ".join(error.format_message().split())
        if message:  # none where help has been printed in place of an error
            end = "" if message.endswith((".", "?")) else "."
            print(f"lamplighter: {message}{end} See: {path} --help", file=sys.stderr)
        return error.exit_code
    except typer.Abort:
        print("lamplighter: nothing was done", file=sys.stderr)
        return EXIT_FAILED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain again at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    if result == EXIT_INTERRUPTED:
        print("lamplighter: interrupted", file=sys.stderr)
    return result if isinstance(result, int) else EXIT_OK


def main() -> None:
    """The entry point of the installed command."""
    sys.exit(run())
