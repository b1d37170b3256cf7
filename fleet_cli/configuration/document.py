"""A configuration file: TOML for people in, values out, and every mistake with its line."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fleet_cli.configuration.units import ValueProblem
from fleet_cli.configuration.values import BY_KEY, BY_NAME, FIELDS
from fleet_cli.errors import BadInput, reason_of
from protocol import configuration

_MAX_SIZE = 256 * 1024


@dataclass(frozen=True)
class Document:
    """A valid configuration.

    Attributes:
        values: those the file gives, by field name, in the units of protocol.configuration.
        digest: of the values with the defaults of the others, 16 hexadecimal characters.
    """

    values: dict[str, Any]
    digest: str


def read_document(file: Path) -> Document:
    """The configuration in `file`.

    Raises:
        BadInput: it cannot be read or used; one line for each mistake.
    """
    try:
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{file}: cannot be read: {reason_of(error)}") from error
    return parse_document(text, str(file))


def parse_document(text: str, source: str) -> Document:
    """The configuration in `text`; `source` names it in messages.

    Raises:
        BadInput: it cannot be used; one line for each mistake: source, line, key, value, expected.
    """
    if len(text) > _MAX_SIZE:
        raise BadInput(f"{source}: expected at most {_MAX_SIZE} characters, got {len(text)}")
    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also integers of absurd length
        raise BadInput(f"{source}: not TOML: {error}") from error
    lines = _key_lines(text)
    problems: list[tuple[int, str]] = []
    values: dict[str, Any] = {}
    for section, entries in content.items():
        if not isinstance(entries, dict):
            expected = "expected it in a section"
            problems.append(_problem(lines, "", section, entries, expected))
            continue
        for key, written in cast(dict[str, Any], entries).items():
            field = BY_KEY.get((section, key))
            if field is None:
                problems.append(_problem(lines, section, key, written, _known(section)))
                continue
            try:
                values[field.name] = field.parse(written)
            except ValueProblem as error:
                problems.append(_problem(lines, section, key, written, str(error)))
    if problems:
        raise BadInput(
            "\n".join(
                f"{source}:{line}: {text}" if line else f"{source}: {text}"
                for line, text in sorted(problems)
            )
        )
    refused = configuration.validate(values)
    if refused:  # each value by itself is fine: they do not go together
        raise BadInput("\n".join(f"{source}: {_named(problem)}" for problem in refused))
    size = len(configuration.document(configuration.MAX_VERSION, values))
    if size > configuration.MAX_DOCUMENT:
        raise BadInput(
            f"{source}: takes {size} bytes on the link, expected at most "
            f"{configuration.MAX_DOCUMENT}: leave out controls or rules"
        )
    return Document(values, configuration.digest(values).hex())


def _named(problem: str) -> str:
    """A problem of the protocol's with the field's name as in the file."""
    for name, field in BY_NAME.items():
        problem = problem.replace(name, f"{field.section}.{field.key}")
    return problem


def _known(section: str) -> str:
    keys = [field.key for field in FIELDS if field.section == section]
    if keys:
        return f"unknown; expected one of {', '.join(keys)}"
    sections = dict.fromkeys(field.section for field in FIELDS)
    return "unknown; expected one of the sections " + ", ".join(f"[{name}]" for name in sections)


def _problem(
    lines: dict[tuple[str, str], int], section: str, key: str, written: Any, expected: str
) -> tuple[int, str]:
    value = repr(written)
    if len(value) > 60:
        value = value[:57] + "..."
    name = f"{section}.{key}" if section else key
    return lines.get((section, key), 0), f"{name} = {value}: {expected}"


_SECTION = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_.\"' -]+?)\s*=")


def _key_lines(text: str) -> dict[tuple[str, str], int]:
    """The line each key stands on, which tomllib does not tell; absent where not plain to see."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _SECTION.fullmatch(line):
            section = match[1].strip("\"'")
        elif match := _KEY.match(line):
            parts = [part.strip(" \"'") for part in match[1].split(".")]
            place = (section, parts[0]) if len(parts) == 1 else (parts[-2], parts[-1])
            found.setdefault(place, number)
    return found
