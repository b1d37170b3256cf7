"""`lamplighter-gateway backup` and `restore`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.backup.restore import restore as bring_back
from gateway.backup.save import save
from gateway.cli.loading import DEFAULT_FILE, configuration_of, fail
from gateway.errors import GatewayError
from gateway.program import program_version


def backup(
    out: Annotated[Path, typer.Argument(help="the file to make, .tar.gz")],
    config: Annotated[
        Path, typer.Option("--config", help="the configuration file (TOML)")
    ] = DEFAULT_FILE,
) -> None:
    """Back up the gateway into one file, while it runs.

    It holds the database, the configuration, the files these name, and with
    them KEYS and passwords in clear: who has it can command the lampposts.
    Its mode is 0600; keep it where keys are kept.
    """
    configuration = configuration_of(config)
    try:
        manifest = save(config, configuration, out, program_version())
    except (GatewayError, OSError) as error:
        fail(error)
    typer.echo(
        f"{out}: gateway {manifest.gateway}, {manifest.database_state['rows']} records, "
        f"{len(manifest.files)} files, keys among them"
    )


def restore(
    archive: Annotated[Path, typer.Argument(help="a file that `backup` made")],
    config: Annotated[
        Path, typer.Option("--config", help="where the configuration file goes")
    ] = DEFAULT_FILE,
    force: Annotated[
        bool, typer.Option("--force", help="replace what is newer; it is kept beside")
    ] = False,
) -> None:
    """Bring a backup back; the gateway must be stopped.

    All of it is checked first. Records in the backup may have been sent since:
    they are sent again, and the city knows them by their keys. Sealing counters
    go on far above any that may have been used. Never run the restored gateway
    and the one it is a copy of at the same time.
    """
    try:
        bring_back(archive, config, typer.echo, force=force)
    except (GatewayError, OSError) as error:
        fail(error)
