"""Short names for what nobody outside asks for by its name."""

import ast
import builtins
import re
from collections.abc import Mapping, Set

from firmware.build.errors import BuildError
from firmware.build.shrink.source import (
    FUNCTION,
    Edit,
    Module,
    applied,
    assigned_by,
    edit_of,
    file_of,
    imported_names,
    mentioned,
    package,
    read,
)

_BUILTINS = frozenset(dir(builtins))


def renamed(sources: dict[str, bytes], *, closed: bool) -> dict[str, bytes]:
    """Private names are coloured: two that occur in one family of modules get different short ones.

    A family is a module with those that its classes inherit from, and they from others.
    """
    modules = read(sources)
    # Whoever is outside may pass any of them by keyword.
    arguments = _arguments_alone(modules) if closed else set[str]()
    names = {name: _private(module, arguments) for name, module in modules.items()}
    texts = imported_names(modules)
    for module in modules.values():
        for node in ast.walk(module.tree):
            if id(node) in module.formatted:
                texts.update(mentioned(node))
            elif isinstance(node, ast.Import):
                texts.update(part for alias in node.names for part in alias.name.split("."))
            elif isinstance(node, ast.ImportFrom) and node.module:
                texts.update(node.module.split("."))
    family = _families(modules)
    # What nothing here binds is somebody else's, such as asyncio's.
    ours = set[str]().union(*map(_bound, modules.values()))
    where: dict[str, set[str]] = {}
    for name, private in names.items():
        for one in (private & ours) - texts:
            where.setdefault(one, set()).add(family[name])
    taken: dict[str, set[str]] = {}
    for name, found in names.items():
        taken.setdefault(family[name], set()).update(found - where.keys())
    short: dict[str, str] = {}
    for one in sorted(where, key=lambda one: (-len(where[one]), one)):
        number = 0
        while any(_short(number) in taken[group] for group in where[one]):
            number += 1
        short[one] = _short(number)
        for group in where[one]:
            taken[group].add(short[one])
    for module in modules.values():
        _rename(module, short)
    return applied(modules)


def _short(number: int) -> str:
    digits = "abcdefghijklmnopqrstuvwxyz"
    text = digits[number % 26]
    while number >= 26:
        number = number // 26 - 1
        text = digits[number % 26] + text
    return "_" + text


def _arguments_alone(modules: Mapping[str, Module]) -> set[str]:
    """Names that arguments have, and nothing else that is looked up by its name."""
    arguments: set[str] = set()
    others: set[str] = set()
    for module in modules.values():
        others.update(module.top, imported_names({module.name: module}))
        for node in ast.walk(module.tree):
            match node:
                case ast.arg(arg=name):
                    arguments.add(name)
                case ast.Attribute(attr=name) | ast.keyword(arg=str() as name):
                    others.add(name)
                case ast.ClassDef(name=name, body=body):
                    others.add(name)
                    others.update(filter(None, map(assigned_by, body)))
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    others.add(name)
                case ast.alias(name=name, asname=other):
                    others.update((name, other or name))
                case ast.Name(id=name) if name in _BUILTINS:
                    others.add(name)
                case _:
                    pass
    return arguments - others - {"self", "cls"}


def _private(module: Module, arguments: Set[str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(module.tree):
        for name in (
            getattr(node, "id", None),
            getattr(node, "attr", None),
            getattr(node, "arg", None),
            getattr(node, "name", None),
        ):
            if isinstance(name, str) and (_is_private(name) or name in arguments):
                found.add(name)
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            found.update(filter(_is_private, node.names))
    return found


def _bound(module: Module) -> set[str]:
    """Every name that the module binds: as a variable, an attribute, an argument or by a def."""
    attributes = {
        node.attr
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
    }
    return attributes | module.inner | set(module.top)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _families(modules: Mapping[str, Module]) -> dict[str, str]:
    """The family of each module, by the name of one of its members."""
    head = {name: name for name in modules}

    def find(name: str) -> str:
        while head[name] != name:
            name = head[name]
        return name

    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    for part in ast.walk(base):
                        target = _origin(part, module, modules)
                        if target:
                            head[find(target)] = find(module.name)
    return {name: find(name) for name in modules}


def _origin(node: ast.AST, module: Module, modules: Mapping[str, Module]) -> str:
    """The module of the release that a base class comes from, "" when it is none of ours."""
    if not isinstance(node, ast.Name):
        return ""
    if node.id in module.modules:
        return module.modules[node.id]
    for other in ast.walk(module.tree):
        if isinstance(other, ast.ImportFrom):
            for alias in other.names:
                if (alias.asname or alias.name) == node.id:
                    return file_of(package(module.name, other), modules)
    return ""


def _rename(module: Module, short: Mapping[str, str]) -> None:
    lines = module.source.split(b"\n")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id in short:
            module.edits.append(edit_of(node, short[node.id]))
        elif isinstance(node, ast.Attribute) and node.attr in short:
            line, column = node.end_lineno or 0, node.end_col_offset or 0
            start = (line, column - len(node.attr))
            module.edits.append(Edit(start, (line, column), short[node.attr]))
        elif isinstance(node, ast.arg) and node.arg in short:
            start = (node.lineno, node.col_offset)
            end = (node.lineno, node.col_offset + len(node.arg))
            module.edits.append(Edit(start, end, short[node.arg]))
        elif isinstance(node, ast.keyword) and node.arg in short:
            start = (node.lineno, node.col_offset)
            end = (node.lineno, node.col_offset + len(node.arg or ""))
            module.edits.append(Edit(start, end, short[node.arg or ""]))
        elif isinstance(node, (*FUNCTION, ast.ClassDef)) and node.name in short:
            module.edits.append(_word(lines, node.lineno, node.col_offset, node.name, short))
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            for name in node.names:
                if name in short:
                    module.edits.append(_word(lines, node.lineno, node.col_offset, name, short))
        elif isinstance(node, ast.alias):
            for name in (node.name, node.asname):
                if name and name in short:
                    module.edits.append(_word(lines, node.lineno, node.col_offset, name, short))
        elif isinstance(node, ast.ExceptHandler) and node.name and node.name in short:
            module.edits.append(_word(lines, node.lineno, node.col_offset, node.name, short))


def _word(lines: list[bytes], line: int, column: int, name: str, short: Mapping[str, str]) -> Edit:
    """The edit of the word `name`, the first from (line, column) on in that line."""
    match = re.compile(rb"\b" + name.encode() + rb"\b").search(lines[line - 1], column)
    if match is None:
        raise BuildError(f"line {line}: expected {name}, got {lines[line - 1]!r}")
    return Edit((line, match.start()), (line, match.end()), short[name])
