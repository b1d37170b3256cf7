"""The file of lampposts that the gateway keeps itself, beside the one that a person wrote.

A node that replaces another stands here with the old one under `replaced`; it then counts in the
old one's place, in whichever file that is. Written whole, for its owner alone: it holds keys.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import Field, ValidationError

from gateway.config.base import Section
from gateway.config.lamppost import LamppostSection
from gateway.config.problems import describe
from gateway.errors import ConfigurationError
from gateway.files import write_atomically

_HEADER = """\
# Lampposts adopted by lamplighter-gateway, which writes this file anew with each.
# It holds keys: keep it readable by its user alone (chmod 600).

"""


class LamppostsFile(Section):
    """The whole of it."""

    lamppost: list[LamppostSection] = Field(default=[], description="[[lamppost]] sections")


def read(path: Path) -> list[LamppostSection]:
    """The lampposts in `path`, none when it is not there.

    Raises ConfigurationError with one line per problem.
    """
    data = read_toml(path, absent={})
    try:
        return LamppostsFile.model_validate(data).lamppost
    except ValidationError as error:
        raise ConfigurationError("\n".join(describe(path, LamppostsFile, error, data))) from None


def read_toml(path: Path, absent: dict[str, Any] | None = None) -> dict[str, Any]:
    """The TOML document in `path`; `absent` for a file that is not there, if given.

    Raises ConfigurationError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a NUL in the path
        if absent is not None and isinstance(error, FileNotFoundError):
            return absent
        why = (isinstance(error, OSError) and error.strerror) or error
        raise ConfigurationError(
            f"{path}: cannot be read ({why}); expected a TOML file in UTF-8; "
            "check the path and its permissions"
        ) from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path}: is not TOML ({error}); correct the syntax at that place"
        ) from error
    except RecursionError as error:
        raise ConfigurationError(
            f"{path}: is nested far deeper than anything a gateway knows; write it anew"
        ) from error


def write(path: Path, lampposts: Iterable[LamppostSection]) -> None:
    """Replace the file by one with `lampposts`. Raises OSError; the file is then as it was."""
    sections = [_document(lamppost) for lamppost in lampposts]
    text = _HEADER + tomli_w.dumps({"lamppost": sections})
    write_atomically(path, text.encode())


def replaced(kept: Iterable[LamppostSection]) -> set[str]:
    """Ids of the nodes that stand nowhere any more: their sections in other files do not count."""
    return {old.id for section in kept for old in section.replaced}


def _document(lamppost: LamppostSection) -> dict[str, Any]:
    document = lamppost.model_dump(exclude_defaults=True)
    document["key"] = lamppost.key.get_secret_value().hex()
    if lamppost.replaced:
        document["replaced"] = [old.model_dump() for old in lamppost.replaced]
    return document
