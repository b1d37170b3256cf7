"""What is said about a configuration that does not fit: the key, the value, what was expected."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, cast, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

# Never shown, not even when wrong: a mistyped key is still most of a key.
_SECRET = frozenset({"key"})
_LONGEST = 60


def one(path: Path, key: str, value: object, expected: str, action: str) -> str:
    """One problem, in one line."""
    return f"{path}: {key} = {_shown(key, value)}: expected {expected}; {action}"


def describe(
    path: Path, model: type[BaseModel], error: ValidationError, data: dict[str, Any]
) -> list[str]:
    """A line for each problem pydantic found in `data`, the file's content."""
    return [_line(path, model, dict(detail), data) for detail in error.errors(include_url=False)]


def _line(path: Path, model: type[BaseModel], detail: dict[str, Any], data: dict[str, Any]) -> str:
    location, tag = _untagged(cast("tuple[str | int, ...]", detail["loc"]), data)
    key = _key(location)
    field, siblings = _field(model, location, tag)
    expected = field.description if field is not None and field.description else ""
    kind = detail["type"]
    if kind == "missing":
        return f"{path}: {key} is missing: expected {expected}; add it"
    if kind == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), siblings, 1)
        hint = f"did you mean {close[0]}?" if close else "remove it"
        return one(path, key, _value(data, location), f"one of {', '.join(siblings)}", hint)
    whole = isinstance(_value(data, location), dict)
    if kind == "value_error" and (whole or not expected):
        return f"{path}: {key}: {str(detail['msg']).removeprefix('Value error, ')}; correct it"
    if kind in ("model_type", "dict_type"):
        return one(path, key, _value(data, location), "a section", f"write it as [{key}]")
    said = expected or str(detail["msg"]).removeprefix("Input should be ")
    return one(path, key, _value(data, location), said, "change the value")


def _untagged(
    location: tuple[str | int, ...], data: dict[str, Any]
) -> tuple[tuple[str | int, ...], str | None]:
    """The location as the file has it, and the kind of the section where there are several.

    Where a section may be of several kinds, pydantic names the kind in between.
    """
    for index, part in enumerate(location[1:], 1):
        above = _value(data, location[:index])
        if isinstance(above, dict) and cast("dict[str, Any]", above).get("kind") == part:
            return (*location[:index], *location[index + 1 :]), str(part)
    return location, None


def _shown(key: str, value: object) -> str:
    if key.rpartition(".")[2] in _SECRET:
        return f"<hidden, {len(str(value))} characters>"
    if isinstance(value, dict):
        return "<section>"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def _key(location: tuple[str | int, ...]) -> str:
    key = ""
    for part in location:
        if isinstance(part, int):
            key += f"[{part}]"
        elif part != "[key]":
            key += ("." if key else "") + part
    return key


def _value(data: object, location: tuple[str | int, ...]) -> object:
    value: Any = data
    for part in location:
        if part == "[key]":
            break
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return ""
    return value


def _field(
    model: type[BaseModel], location: tuple[str | int, ...], tag: str | None
) -> tuple[FieldInfo | None, list[str]]:
    """The field at `location` and the names beside it."""
    field: FieldInfo | None = None
    siblings = list(model.model_fields)
    current: type[BaseModel] | None = model
    for part in location:
        # An index, or the name of a bus, stays with the field that holds the collection.
        if isinstance(part, int) or current is None or part not in current.model_fields:
            if part != location[-1]:
                continue
            if current is not None:
                return None, list(current.model_fields)
            break
        field = current.model_fields[part]
        siblings = list(current.model_fields)
        current = _section(field.annotation, tag)
    return field, siblings


def _section(annotation: object, tag: str | None) -> type[BaseModel] | None:
    """The model inside an annotation such as `list[Model]`, `dict[str, Model]`, `Model | None`.

    tag: which, where there are several: what its field `kind` has to be.
    """
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        kind = annotation.model_fields.get("kind")
        if tag is not None and kind is not None and tag not in get_args(kind.annotation):
            return None
        return annotation
    for argument in get_args(annotation):
        found = _section(argument, tag)
        if found is not None:
            return found
    return None
