"""What nothing in the release refers to by any name is left out."""

import ast
from collections import Counter
from collections.abc import Iterable

from firmware.build.shrink.source import (
    FUNCTION,
    Module,
    applied,
    assigned_by,
    edit_of,
    mentioned,
    read,
)


def shaken(sources: dict[str, bytes], entries: Iterable[str]) -> dict[str, bytes]:
    """The sources without what only the outside could ask for, `entries` excepted."""
    modules = read(sources)
    used: Counter[str] = Counter(entries)
    candidates: list[tuple[Module, ast.stmt, str, Counter[str]]] = []
    for module in modules.values():
        for node in module.tree.body:
            own = Counter[str]()
            for part in ast.walk(node):
                own.update(mentioned(part))
            used.update(own)
            name = node.name if isinstance(node, (*FUNCTION, ast.ClassDef)) else assigned_by(node)
            if name is None or name.startswith("__") or module.top[name] != 1:
                continue
            if not isinstance(node, (ast.Assign, ast.AnnAssign)) or _pure(node.value):
                candidates.append((module, node, name, own))
    # What only something left out refers to is left out too.
    before = -1
    while len(candidates) != before:
        before = len(candidates)
        for candidate in list(candidates):
            module, node, name, own = candidate
            if used[name] <= own[name]:
                module.edits.append(edit_of(node, "0", decorated=True))
                used.subtract(own)
                candidates.remove(candidate)
    return applied(modules)


def _pure(node: ast.expr | None) -> bool:
    """Whether evaluating it does nothing else."""
    return node is not None and all(
        isinstance(
            part,
            (ast.Constant, ast.Tuple, ast.List, ast.Dict, ast.Name, ast.expr_context, ast.UnaryOp,
             ast.unaryop, ast.BinOp, ast.operator, ast.Attribute),
        )
        for part in ast.walk(node)
    )  # fmt: skip
