"""A backup, taken beside a running gateway."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from pydantic import BaseModel

from gateway import data_dir
from gateway.backup.archive import LARGEST_FILE, Manifest, Source, write
from gateway.buffer import copies
from gateway.config import Configuration
from gateway.errors import GatewayError

# Fetched again, or of no use without the process that holds it.
_LEFT_OUT = (data_dir.RELEASES, data_dir.LOCK)


def save(file: Path, configuration: Configuration, out: Path, version: str) -> Manifest:
    """Back up the gateway that `file` configures into the new archive `out`.

    Raises GatewayError and OSError.
    """
    if out.exists():
        raise GatewayError(f"{out}: is there already; name another file, or move it away")
    folder = configuration.gateway.data_dir
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".backup-") as temporary:
        copy = Path(temporary) / data_dir.DATABASE
        state = copies.take(folder / data_dir.DATABASE, copy)
        about = {
            "gateway": configuration.gateway.id,
            "version": version,
            "made": int(time.time()),
            "database_state": state.document(),
            "data_user": folder.stat().st_uid,
            "data_group": folder.stat().st_gid,
        }
        return write(out, copy, list(sources(file, configuration)), about)


def sources(file: Path, configuration: Configuration) -> Iterator[Source]:
    """The files that belong to the gateway, beside its database. Raises OSError."""
    folder = configuration.gateway.data_dir
    lampposts = configuration.gateway.lampposts_file
    yield Source("configuration", file, str(file.absolute()))
    if lampposts.is_file():
        yield Source("lampposts", lampposts, str(lampposts.absolute()))
    for named in sorted(named_files(configuration) - {lampposts}):
        if named.is_file() and named.stat().st_size <= LARGEST_FILE:
            yield Source("named", named, str(named.absolute()))
    for there in sorted(folder.rglob("*")):
        inside = there.relative_to(folder)
        first = inside.parts[0]
        if first in _LEFT_OUT or first.startswith(data_dir.DATABASE) or there.is_symlink():
            continue
        if there.is_file() and there.stat().st_size <= LARGEST_FILE:
            yield Source("data", there, str(inside))


def named_files(section: BaseModel) -> set[Path]:
    """All paths that a configuration names, such as those of passwords and certificates."""
    found: set[Path] = set()
    for name in type(section).model_fields:
        found |= _paths(getattr(section, name))
    return found


def _paths(value: object) -> set[Path]:
    if isinstance(value, Path):
        return {value}
    if isinstance(value, BaseModel):
        return named_files(value)
    if isinstance(value, dict):
        return _all(cast("dict[object, object]", value).values())
    if isinstance(value, list | tuple):
        return _all(cast("list[object]", value))
    return set()


def _all(values: object) -> set[Path]:
    found: set[Path] = set()
    for value in cast("list[object]", values):
        found |= _paths(value)
    return found
