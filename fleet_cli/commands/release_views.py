"""What the commands of a release repository print."""

from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from fleet_cli.output import table, time_text
from fleet_cli.release.catalogue import Changes
from fleet_cli.release.repository import Repository
from fleet_cli.release.rolekeys import ROLES


def repository_json(
    repository: Repository, changes: Changes, created: bool, sent: bool
) -> dict[str, Any]:
    """The repository and what was done to it."""
    return {
        "repository": str(repository.folder),
        "created": created,
        "images": changes.images,
        "deltas": [{"path": path, "size": size} for path, size in changes.deltas],
        "dropped": changes.dropped,
        "roles": {
            role: {
                "version": repository.versions[role],
                "expires": int(repository.expires[role].timestamp()),
            }
            for role in ROLES
        },
        "sent": sent,
    }


def repository_text(
    repository: Repository, changes: Changes, created: bool, sent: bool
) -> RenderableType:
    """The same, for people."""
    lines = [Text(f"added    {path}", style="green") for path in changes.images]
    lines += [Text(f"added    {path}, {size} bytes") for path, size in changes.deltas]
    lines += [Text(f"dropped  {path}", style="yellow") for path in changes.dropped]
    if created:
        root = repository.folder / "metadata" / "1.root.json"
        lines.append(Text(f"new repository; gateways need its root: {root}"))
    rows = [
        [
            role,
            str(repository.versions[role]),
            time_text(int(repository.expires[role].timestamp())),
        ]
        for role in ROLES
    ]
    columns = ["role", ("version", {"justify": "right"}), "expires, UTC"]
    told = "at the broker" if sent else "not sent to the broker"
    return Group(*lines, table(columns, rows), Text(f"{repository.folder}: {told}"))
