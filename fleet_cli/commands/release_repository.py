"""lamplighter release publish, refresh, rotate, send: the signed list of what may run."""

# ruff: noqa: D301 - \b is how typer is told to keep the lines of a paragraph apart
import asyncio
from pathlib import Path
from typing import Annotated

import typer

from fleet_cli.broker import connected
from fleet_cli.commands.options import Json
from fleet_cli.commands.release_views import repository_json, repository_text
from fleet_cli.commands.repository_options import (
    Folder,
    Keys,
    NoSend,
    Passphrase,
    RootLife,
    SnapshotLife,
    TargetsLife,
    TimestampLife,
    lifetimes_of,
    need,
    repository_of,
)
from fleet_cli.commands.root import settings_of
from fleet_cli.errors import BadInput, Unreachable
from fleet_cli.output import note, print_json, progress_bar, show, time_text
from fleet_cli.release import image
from fleet_cli.release.catalogue import Catalogue, Changes, in_order
from fleet_cli.release.repository import Repository
from fleet_cli.release.rolekeys import ROLES, RoleKeys
from fleet_cli.release.sending import send as send_to_broker
from fleet_cli.settings import BrokerSettings

app = typer.Typer()


@app.command()
def publish(
    context: typer.Context,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="Signed releases.")],
    repository: Folder = Path("releases"),
    keys: Keys = Path("release-keys"),
    passphrase_file: Passphrase = None,
    key: Annotated[
        Path | None,
        typer.Option(help="The release key; deltas are signed with it, without there are none."),
    ] = None,
    deltas: Annotated[
        int, typer.Option(min=0, max=20, help="Make deltas from so many releases before.")
    ] = 3,
    keep: Annotated[
        int, typer.Option(min=1, max=100, help="Keep so many releases of each board.")
    ] = 10,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a release of the same version.")
    ] = False,
    root_expires: RootLife = "365d",
    targets_expires: TargetsLife = "90d",
    snapshot_expires: SnapshotLife = "7d",
    timestamp_expires: TimestampLife = "1d",
    no_send: NoSend = False,
    json: Json = False,
) -> None:
    """Put releases on the signed list of what may run, and bring it to the broker.

    The list is a TUF repository: a folder that any web server may serve as
    well. The first time it is made, with a key for each of its four roles.
    Gateways that have its root (metadata/1.root.json; updates.root_file)
    relay nothing that is not on it.

    \b
    [bold]Examples[/bold]
    lamplighter release publish lamplighter-1.4.0.bin --key release.pem
    lamplighter release publish v1.bin v2.bin --repository /srv/releases
    """
    lifetimes = lifetimes_of(root_expires, targets_expires, snapshot_expires, timestamp_expires)
    made = repository_of(repository, keys, passphrase_file, lifetimes)
    release_key = image.private_key(key) if key else None
    signed = in_order([image.load_signed(path, release_key) for path in images])
    with made.held():
        created = not made.files.there
        if created:
            _create(made)
        else:
            made.load()
        catalogue = Catalogue(made.targets, repository / "targets")
        changes = Changes()
        with progress_bar("Making deltas", len(signed), late=True) as bar:
            for release in signed:
                done = catalogue.add(release, deltas, release_key, replace=force)
                changes.images += done.images
                changes.deltas += done.deltas
                changes.dropped += done.dropped
                changes.notes += done.notes
                bar.advance()
        changes.dropped += catalogue.keep(keep)
        made.renew({"targets", *(role for role in made.due() if made.can_sign(role))})
        catalogue.sweep()
    for told in changes.notes:
        note(told)
    if release_key is None and deltas:
        note("no deltas: give the release key with --key to have them")
    sent = _bring(context, made, catalogue, no_send)
    _report(made, changes, created=created, sent=sent, json=json)


@app.command()
def refresh(
    context: typer.Context,
    repository: Folder = Path("releases"),
    keys: Keys = Path("release-keys"),
    passphrase_file: Passphrase = None,
    root_expires: RootLife = "365d",
    targets_expires: TargetsLife = "90d",
    snapshot_expires: SnapshotLife = "7d",
    timestamp_expires: TimestampLife = "1d",
    no_send: NoSend = False,
    json: Json = False,
) -> None:
    """Sign the list anew before it expires; to be run more often than once a day.

    The timestamp is signed each time, any other role once less than half of
    its lifetime is left and if its key is there: a machine that does only
    this needs the keys of timestamp and snapshot, and no others.

    \b
    [bold]Example[/bold]
    lamplighter release refresh --repository /srv/releases --keys online-keys
    """
    lifetimes = lifetimes_of(root_expires, targets_expires, snapshot_expires, timestamp_expires)
    made = repository_of(repository, keys, passphrase_file, lifetimes)
    need(made)
    with made.held():
        made.load()
        due = made.due()
        made.renew({role for role in due if made.can_sign(role)})
    for role in due:
        if role in made.due():
            when = time_text(int(made.expires[role].timestamp()))
            note(f"{role} expires at {when}; its key is not in {keys}: refresh where it is")
    sent = _bring(context, made, None, no_send)
    _report(made, Changes(), created=False, sent=sent, json=json)


@app.command()
def rotate(
    context: typer.Context,
    role: Annotated[str, typer.Argument(metavar="ROLE", help=f"One of {', '.join(ROLES)}.")],
    repository: Folder = Path("releases"),
    keys: Keys = Path("release-keys"),
    passphrase_file: Passphrase = None,
    root_expires: RootLife = "365d",
    targets_expires: TargetsLife = "90d",
    snapshot_expires: SnapshotLife = "7d",
    timestamp_expires: TimestampLife = "1d",
    no_send: NoSend = False,
    json: Json = False,
) -> None:
    """Give a role a new key, and end the one it has; the root key has to be there.

    Gateways follow by themselves: the new root is signed by the old one.
    Destroy the old key's file afterwards, or keep it where it is safe.

    \b
    [bold]Example[/bold]
    lamplighter release rotate timestamp
    """
    if role not in ROLES:
        raise BadInput(f"role {role!r}: expected one of {', '.join(ROLES)}")
    lifetimes = lifetimes_of(root_expires, targets_expires, snapshot_expires, timestamp_expires)
    made = repository_of(repository, keys, passphrase_file, lifetimes)
    need(made)
    with made.held():
        made.load()
        made.rotate(role)
    sent = _bring(context, made, None, no_send)
    _report(made, Changes(), created=False, sent=sent, json=json)


@app.command()
def send(context: typer.Context, repository: Folder = Path("releases"), json: Json = False) -> None:
    """Bring the repository to the broker: it was away, or lost what it had.

    Nothing is signed, and no key is needed.

    \b
    [bold]Example[/bold]
    lamplighter release send --repository /srv/releases
    """
    made = Repository(repository, RoleKeys(repository))
    need(made)
    with made.held():
        made.load()
    catalogue = Catalogue(made.targets, repository / "targets")
    sent = _bring(context, made, catalogue, False)
    _report(made, Changes(), created=False, sent=sent, json=json)


def _create(made: Repository) -> None:
    keys = made.keys
    if keys.any:
        raise BadInput(
            f"{made.folder}: there is no repository, but {keys.folder} has keys of one; "
            "name its folder with --repository, or another for new keys with --keys"
        )
    made.create()
    if not keys.encrypted:
        note(f"the keys in {keys.folder} are not encrypted: keep root and targets off the network")


def _bring(
    context: typer.Context, made: Repository, catalogue: Catalogue | None, no_send: bool
) -> bool:
    """Send to the broker; without a catalogue the metadata alone. False: not asked to."""
    if no_send:
        return False
    names = made.files.current(made.versions)
    metadata = [(name, made.files.read(name)) for name in names]
    outdated = made.files.outdated(made.versions)
    files = catalogue.files() if catalogue else []
    dropped = sorted(made.files.digests(outdated) - made.files.digests(names))
    try:
        asyncio.run(_send(settings_of(context).broker, files, metadata, outdated, dropped))
    except Unreachable:
        note(
            f"{made.folder} is done; bring it to the broker with: "
            f"lamplighter release send --repository {made.folder}"
        )
        raise
    return True


async def _send(
    broker: BrokerSettings,
    files: list[tuple[str, bytes]],
    metadata: list[tuple[str, bytes]],
    outdated: list[str],
    dropped: list[str],
) -> None:
    async with connected(broker) as client:
        with progress_bar("Sending", late=True):
            await send_to_broker(client, files, metadata, outdated, dropped)


def _report(made: Repository, changes: Changes, *, created: bool, sent: bool, json: bool) -> None:
    if json:
        print_json(repository_json(made, changes, created, sent))
    else:
        show(repository_text(made, changes, created, sent))
