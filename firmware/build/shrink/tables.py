"""Tables of the protocol as bytes, which are decoded row by row when they are looked at."""

import ast
from collections.abc import Mapping
from typing import Any

from firmware.build.errors import BuildError
from firmware.build.shrink.integers import integer_of
from firmware.build.shrink.source import NOTHING, Edit, applied, assigned_by, edit_of, read
from protocol import cbor

TABLES = {"protocol/configuration.py": ("FIELDS",), "protocol/records.py": ("KINDS",)}
"""Module-level tables of the protocol that are worth more in flash than in the heap."""

_ROWS = "protocol/rows.py"


def tabled(sources: dict[str, bytes]) -> dict[str, bytes]:
    """The sources with the tables of TABLES as rows of `protocol.rows`. Raises BuildError."""
    modules = read(sources)
    if _ROWS not in modules:
        return sources
    for name, tables in TABLES.items():
        module = modules.get(name)
        for node in module.tree.body if module is not None else []:
            assigned = assigned_by(node)
            value = getattr(node, "value", None)
            if module is None or assigned not in tables or not isinstance(value, ast.expr):
                continue
            strings = {
                assigned_by(other): other.value.value
                for other in module.tree.body
                if isinstance(other, ast.Assign) and isinstance(other.value, ast.Constant)
            }
            table = _literal(value, strings)
            if isinstance(value, ast.Dict):
                blob = b"".join(cbor.dumps(key) + cbor.dumps(row) for key, row in table.items())
                text = f"rows.Map({blob!r})"
            else:
                blob = b"".join(cbor.dumps(row) for row in table)
                text = f"rows.Rows({blob!r})"
            module.edits.append(edit_of(value, text))
            first = module.tree.body[1]
            at = (first.lineno, first.col_offset)
            module.edits.append(Edit(at, at, "from protocol import rows; "))
    return applied(modules)


def _literal(node: ast.expr, names: Mapping[str | None, object]) -> Any:
    """The value of a table's expression: literals, names of other literals, and arithmetic."""
    match node:
        case ast.Tuple(elts=items) | ast.List(elts=items):
            return [_literal(item, names) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {
                _literal(key, names): _literal(value, names)
                for key, value in zip(keys, values, strict=True)
                if key is not None
            }
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.Constant(value=value):
            return value
        case _:
            value = integer_of(node, NOTHING, {})
            if value is None:
                raise BuildError(f"line {node.lineno}: expected a literal in a table")
            return value
