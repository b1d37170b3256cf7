"""Options that the commands of a release repository share."""

import os
from pathlib import Path
from typing import Annotated

import typer

from fleet_cli.commands.options import seconds
from fleet_cli.errors import BadInput, reason_of
from fleet_cli.release.repository import Lifetimes, Repository
from fleet_cli.release.rolekeys import RoleKeys

_LIFETIME = "For how long what is signed now holds"
_LONGEST_S = 10 * 365 * 86_400

Folder = Annotated[
    Path,
    typer.Option("--repository", envvar="LAMPLIGHTER_REPOSITORY", help="The repository's folder."),
]
Keys = Annotated[
    Path,
    typer.Option("--keys", envvar="LAMPLIGHTER_ROLE_KEYS", help="The folder of its keys."),
]
Passphrase = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File whose first line encrypts the keys; without, they are not encrypted.",
    ),
]
NoSend = Annotated[
    bool, typer.Option("--no-send", help="Change the folder only; see: release send.")
]
RootLife = Annotated[str, typer.Option("--root-expires", rich_help_panel=_LIFETIME, help="Root.")]
TargetsLife = Annotated[
    str, typer.Option("--targets-expires", rich_help_panel=_LIFETIME, help="The list of files.")
]
SnapshotLife = Annotated[
    str, typer.Option("--snapshot-expires", rich_help_panel=_LIFETIME, help="Snapshot.")
]
TimestampLife = Annotated[
    str, typer.Option("--timestamp-expires", rich_help_panel=_LIFETIME, help="Timestamp.")
]


def lifetimes_of(root: str, targets: str, snapshot: str, timestamp: str) -> Lifetimes:
    """What the four options say.

    Raises:
        BadInput: one of them is no time.
    """
    return Lifetimes(
        seconds(root, "--root-expires", 60, _LONGEST_S),
        seconds(targets, "--targets-expires", 60, _LONGEST_S),
        seconds(snapshot, "--snapshot-expires", 60, _LONGEST_S),
        seconds(timestamp, "--timestamp-expires", 60, _LONGEST_S),
    )


def repository_of(
    folder: Path, keys: Path, passphrase_file: Path | None, lifetimes: Lifetimes
) -> Repository:
    """The repository that the options name, which need not be there.

    Raises:
        BadInput: the passphrase cannot be had.
    """
    passphrase = _passphrase(passphrase_file) if passphrase_file else None
    return Repository(folder, RoleKeys(keys, passphrase), lifetimes)


def _passphrase(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            line = file.readline(1024).rstrip(b"\r\n")
    except OSError as error:
        raise BadInput(f"--passphrase-file {path}: cannot be read: {reason_of(error)}") from error
    if mode & 0o077:
        raise BadInput(f"--passphrase-file {path}: others may read it; run: chmod 600 {path}")
    if not line:
        raise BadInput(f"--passphrase-file {path}: expected a passphrase, its first line is empty")
    return line


def need(made: Repository) -> None:
    """Raise BadInput where there is no repository."""
    if not made.files.there:
        raise BadInput(
            f"{made.folder}: there is no repository; name its folder with --repository, "
            "or make one with: lamplighter release publish"
        )
