"""Makes sources smaller in the heap of a node without changing what they do or their line numbers.

Bytecode executed in place costs no heap, but every name does: an entry in the interpreter's table
of names, and a slot in the dict of its module. So before compilation, in all sources at once:

- integers of the module level that are assigned once are put in the place of their names;
- what nothing in the release refers to by any name is left out (what only the other end uses);
- tables named in TABLES become bytes that are decoded row by row when they are looked at;
- private names, and those of arguments that are never passed by keyword, are given short ones, the
  same ones in modules that know nothing of one another.

Everything is decided by name alone, whatever the object: a name that is ever bound to something
else, or appears in a text, is left as it is.
"""

import ast
import builtins
import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from firmware.build.errors import BuildError
from protocol import cbor

TABLES = {"protocol/configuration.py": ("FIELDS",), "protocol/records.py": ("KINDS",)}
"""Module-level tables of the protocol that are worth more in flash than in the heap."""

_ROWS = "protocol/rows.py"
_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_BUILTINS = frozenset(dir(builtins))
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass
class _Edit:
    """Replace the text from (line, column) to (line, column), lines from 1, columns in bytes."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


@dataclass
class _Module:
    """One source file: its tree, what is bound where, and the edits it gets."""

    name: str
    source: bytes
    tree: ast.Module
    # Names bound at the module level, with the number of times; and in any other scope.
    top: Counter[str] = field(default_factory=Counter[str])
    inner: set[str] = field(default_factory=set[str])
    # Names that stand for modules of the release, and what they stand for.
    modules: dict[str, str] = field(default_factory=dict[str, str])
    integers: dict[str, int] = field(default_factory=dict[str, int])
    # Nodes inside f-strings, whose positions are known from Python 3.12 on only.
    formatted: set[int] = field(default_factory=set[int])
    edits: list[_Edit] = field(default_factory=list[_Edit])


def shrunk(
    sources: Mapping[str, bytes], entries: Iterable[str], *, closed: bool
) -> dict[str, bytes]:
    """The sources by name, smaller.

    Args:
        sources: Python files by their name on the node, such as ``node/app.py``.
        entries: names that are called from outside.
        closed: nothing outside imports from these: public names are ours to remove too.

    Raises:
        BuildError: a file is no Python.
    """
    return dict(_shrunk(tuple(sources.items()), frozenset(entries), closed))


_NOTHING = _Module("", b"", ast.Module([], []))


@functools.lru_cache(maxsize=16)
def _shrunk(
    sources: tuple[tuple[str, bytes], ...], entries: frozenset[str], closed: bool
) -> tuple[tuple[str, bytes], ...]:
    made = _folded(dict(sources), closed=closed)
    if closed:
        made = _shaken(_tabled(made), entries)
    return tuple(_renamed(made, closed=closed).items())


def _modules(sources: Mapping[str, bytes]) -> dict[str, _Module]:
    found: dict[str, _Module] = {}
    for name, source in sources.items():
        try:
            tree = ast.parse(source, name)
        except SyntaxError as error:
            raise BuildError(f"{name} line {error.lineno}: {error.msg}") from error
        module = _Module(name, source, tree)
        _bind(module, tree, top=True)
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                module.formatted.update(id(part) for part in ast.walk(node))
        found[name] = module
    for module in found.values():
        _link(module, found)
    return found


def _bind(module: _Module, scope: ast.AST, *, top: bool) -> None:
    """Note every name that `scope` binds, by whatever statement, and the scopes inside it."""

    def bound(name: str) -> None:
        if top:
            module.top[name] += 1
        else:
            module.inner.add(name)

    pending = list(ast.iter_child_nodes(scope))
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bound(node.id)
        elif isinstance(node, ast.arg):
            bound(node.arg)
        elif isinstance(node, ast.alias):
            bound(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            bound(node.name)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            for name in node.names:
                module.top[name] += 2  # it changes
        if isinstance(node, (*_FUNCTION, ast.ClassDef)):
            bound(node.name)
            for part in node.decorator_list:
                _bind(module, part, top=top)
            _bind(module, node, top=False)
        elif isinstance(node, ast.Lambda):
            _bind(module, node, top=False)
        else:
            pending.extend(ast.iter_child_nodes(node))


def _link(module: _Module, all_modules: Mapping[str, _Module]) -> None:
    """Find which names of `module` stand for other modules of the release, and for nothing else."""
    seen: dict[str, set[str]] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            base = _package(module.name, node)
            for alias in node.names:
                target = _file(f"{base}/{alias.name}", all_modules)
                seen.setdefault(alias.asname or alias.name, set()).add(target)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                seen.setdefault(alias.asname or alias.name.partition(".")[0], set()).add("")
    others = _bound_by_others(module.tree)
    for name, targets in seen.items():
        if len(targets) == 1 and "" not in targets and name not in others:
            module.modules[name] = targets.pop()


def _bound_by_others(tree: ast.Module) -> set[str]:
    """Names that are bound by anything but an import."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, (*_FUNCTION, ast.ClassDef)) or (
            isinstance(node, ast.ExceptHandler) and node.name
        ):
            names.add(node.name or "")
    return names


def _package(name: str, node: ast.ImportFrom) -> str:
    """The folder that ``from X import`` of the file `name` means."""
    path = (node.module or "").replace(".", "/")
    if not node.level:
        return path
    folder = name.split("/")[: -node.level]
    return "/".join([*folder, path] if path else folder)


def _file(path: str, all_modules: Mapping[str, _Module]) -> str:
    for name in (f"{path}.py", f"{path}/__init__.py"):
        if name in all_modules:
            return name
    return ""


# ---------------------------------------------------------------- integers in place of their names


def _folded(sources: dict[str, bytes], *, closed: bool) -> dict[str, bytes]:
    modules = _modules(sources)
    imported = _imported_names(modules)
    changed = True
    while changed:  # integers may be made of integers
        changed = False
        for module in modules.values():
            for node in module.tree.body:
                name = _assigned(node)
                if name is None or name in module.integers or module.top[name] != 1:
                    continue
                if name in module.inner:
                    continue
                value = _integer(getattr(node, "value", None), module, modules)
                if value is not None:
                    module.integers[name] = value
                    changed = True
    kept = imported
    for module in modules.values():
        kept |= _fold(module, modules, closed=closed)
    for module in modules.values():
        for node in module.tree.body:
            name = _assigned(node)
            if name in module.integers and name not in kept:
                private = name.startswith("_") and not name.startswith("__")
                if private or closed:
                    module.edits = [e for e in module.edits if not _inside(e, node)]
                    module.edits.append(_edit(node, "0"))
    return _applied(modules)


def _fold(module: _Module, modules: Mapping[str, _Module], *, closed: bool) -> set[str]:
    """Put integers in the place of names; the names that are still looked up by this module."""
    left: set[str] = set()
    for node in ast.walk(module.tree):
        value = None
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            value = module.integers.get(node.id)
            if value is not None and id(node) in module.formatted:
                left.add(node.id)
                continue
        elif isinstance(node, ast.Attribute):
            if closed and isinstance(node.ctx, ast.Load) and id(node) not in module.formatted:
                value = _of_module(node, module, modules)
            if value is None:
                left.add(node.attr)
        if value is not None and isinstance(node, ast.expr):
            module.edits.append(_edit(node, f"({value})" if value < 0 else str(value)))
    return left


def _imported_names(modules: Mapping[str, _Module]) -> set[str]:
    """Names that some ``from X import name`` takes, or that a text may mean."""
    found: set[str] = set()
    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom):
                found |= {alias.name for alias in node.names}
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and _IDENTIFIER.fullmatch(node.value)
            ):
                found.add(node.value)
    return found


def _assigned(node: ast.stmt) -> str | None:
    """The one name that a statement of the module level assigns, None for any other statement."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target = node.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None


def _of_module(node: ast.Attribute, module: _Module, modules: Mapping[str, _Module]) -> int | None:
    if isinstance(node.value, ast.Name) and node.value.id in module.modules:
        return modules[module.modules[node.value.id]].integers.get(node.attr)
    return None


def _integer(node: ast.expr | None, module: _Module, modules: Mapping[str, _Module]) -> int | None:
    """The value of an integer expression, None when it is anything else."""
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return value
        case ast.Name(id=name):
            return module.integers.get(name)
        case ast.Attribute():
            return _of_module(node, module, modules)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _integer(operand, module, modules)
            return None if value is None else -value
        case ast.Call(func=ast.Name(id="const"), args=[argument], keywords=[]):
            return _integer(argument, module, modules)
        case ast.BinOp(left=left, op=operator, right=right):
            first, second = _integer(left, module, modules), _integer(right, module, modules)
            if first is None or second is None:
                return None
            match operator:
                case ast.Add():
                    return first + second
                case ast.Sub():
                    return first - second
                case ast.Mult():
                    return first * second
                case ast.LShift():
                    return first << second
                case ast.BitOr():
                    return first | second
                case ast.FloorDiv() if second:
                    return first // second
                case _:
                    return None
        case _:
            return None


# --------------------------------------------------------------------------- tables to flash bytes


def _tabled(sources: dict[str, bytes]) -> dict[str, bytes]:
    modules = _modules(sources)
    if _ROWS not in modules:
        return sources
    for name, tables in TABLES.items():
        module = modules.get(name)
        for node in module.tree.body if module is not None else []:
            assigned = _assigned(node)
            value = getattr(node, "value", None)
            if module is None or assigned not in tables or not isinstance(value, ast.expr):
                continue
            strings = {
                _assigned(other): other.value.value
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
            module.edits.append(_edit(value, text))
            first = module.tree.body[1]
            at = (first.lineno, first.col_offset)
            module.edits.append(_Edit(at, at, "from protocol import rows; "))
    return _applied(modules)


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
            value = _integer(node, _NOTHING, {})
            if value is None:
                raise BuildError(f"line {node.lineno}: expected a literal in a table")
            return value


# --------------------------------------------------------------------------- what nobody refers to


def _shaken(sources: dict[str, bytes], entries: Iterable[str]) -> dict[str, bytes]:
    modules = _modules(sources)
    used: Counter[str] = Counter(entries)
    candidates: list[tuple[_Module, ast.stmt, str, Counter[str]]] = []
    for module in modules.values():
        for node in module.tree.body:
            own = Counter[str]()
            for part in ast.walk(node):
                own.update(_mentioned(part))
            used.update(own)
            name = node.name if isinstance(node, (*_FUNCTION, ast.ClassDef)) else _assigned(node)
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
                module.edits.append(_edit(node, "0", decorated=True))
                used.subtract(own)
                candidates.remove(candidate)
    return _applied(modules)


def _mentioned(node: ast.AST) -> list[str]:
    """Names that `node` itself refers to, in whatever way."""
    match node:
        case ast.Name(id=name, ctx=ast.Load()):
            return [name]
        case ast.Attribute(attr=name):
            return [name]
        case ast.ImportFrom():
            return [alias.name for alias in node.names]
        case ast.keyword(arg=str() as name):
            return [name]
        case ast.Constant(value=str() as text) if len(text) < 200:
            return _IDENTIFIER.findall(text)
        case _:
            return []


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


# -------------------------------------------------------------------------- short names for private


def _renamed(sources: dict[str, bytes], *, closed: bool) -> dict[str, bytes]:
    """Private names are coloured: two that occur in one family of modules get different short ones.

    A family is a module with those that its classes inherit from, and they from others.
    """
    modules = _modules(sources)
    # Whoever is outside may pass any of them by keyword.
    arguments = _arguments_alone(modules) if closed else set[str]()
    names = {name: _private(module, arguments) for name, module in modules.items()}
    texts = _imported_names(modules)
    for module in modules.values():
        for node in ast.walk(module.tree):
            if id(node) in module.formatted:
                texts.update(_mentioned(node))
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
    return _applied(modules)


def _short(number: int) -> str:
    digits = "abcdefghijklmnopqrstuvwxyz"
    text = digits[number % 26]
    while number >= 26:
        number = number // 26 - 1
        text = digits[number % 26] + text
    return "_" + text


def _arguments_alone(modules: Mapping[str, _Module]) -> set[str]:
    """Names that arguments have, and nothing else that is looked up by its name."""
    arguments: set[str] = set()
    others: set[str] = set()
    for module in modules.values():
        others.update(module.top, _imported_names({module.name: module}))
        for node in ast.walk(module.tree):
            match node:
                case ast.arg(arg=name):
                    arguments.add(name)
                case ast.Attribute(attr=name) | ast.keyword(arg=str() as name):
                    others.add(name)
                case ast.ClassDef(name=name, body=body):
                    others.add(name)
                    others.update(filter(None, map(_assigned, body)))
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                    others.add(name)
                case ast.alias(name=name, asname=other):
                    others.update((name, other or name))
                case ast.Name(id=name) if name in _BUILTINS:
                    others.add(name)
                case _:
                    pass
    return arguments - others - {"self", "cls"}


def _private(module: _Module, arguments: Set[str]) -> set[str]:
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


def _bound(module: _Module) -> set[str]:
    """Every name that the module binds: as a variable, an attribute, an argument or by a def."""
    attributes = {
        node.attr
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and not isinstance(node.ctx, ast.Load)
    }
    return attributes | module.inner | set(module.top)


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_"


def _families(modules: Mapping[str, _Module]) -> dict[str, str]:
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


def _origin(node: ast.AST, module: _Module, modules: Mapping[str, _Module]) -> str:
    """The module of the release that a base class comes from, "" when it is none of ours."""
    if not isinstance(node, ast.Name):
        return ""
    if node.id in module.modules:
        return module.modules[node.id]
    for other in ast.walk(module.tree):
        if isinstance(other, ast.ImportFrom):
            for alias in other.names:
                if (alias.asname or alias.name) == node.id:
                    return _file(_package(module.name, other), modules)
    return ""


def _rename(module: _Module, short: Mapping[str, str]) -> None:
    lines = module.source.split(b"\n")
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id in short:
            module.edits.append(_edit(node, short[node.id]))
        elif isinstance(node, ast.Attribute) and node.attr in short:
            line, column = node.end_lineno or 0, node.end_col_offset or 0
            start = (line, column - len(node.attr))
            module.edits.append(_Edit(start, (line, column), short[node.attr]))
        elif isinstance(node, ast.arg) and node.arg in short:
            start = (node.lineno, node.col_offset)
            end = (node.lineno, node.col_offset + len(node.arg))
            module.edits.append(_Edit(start, end, short[node.arg]))
        elif isinstance(node, ast.keyword) and node.arg in short:
            start = (node.lineno, node.col_offset)
            end = (node.lineno, node.col_offset + len(node.arg or ""))
            module.edits.append(_Edit(start, end, short[node.arg or ""]))
        elif isinstance(node, (*_FUNCTION, ast.ClassDef)) and node.name in short:
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


def _word(lines: list[bytes], line: int, column: int, name: str, short: Mapping[str, str]) -> _Edit:
    """The edit of the word `name`, the first from (line, column) on in that line."""
    match = re.compile(rb"\b" + name.encode() + rb"\b").search(lines[line - 1], column)
    if match is None:
        raise BuildError(f"line {line}: expected {name}, got {lines[line - 1]!r}")
    return _Edit((line, match.start()), (line, match.end()), short[name])


# ------------------------------------------------------------------------------------------- edits


def _edit(node: ast.stmt | ast.expr, text: str, *, decorated: bool = False) -> _Edit:
    start = (node.lineno, node.col_offset)
    if decorated and isinstance(node, (*_FUNCTION, ast.ClassDef)) and node.decorator_list:
        first = node.decorator_list[0]
        start = (first.lineno, first.col_offset - 1)
    return _Edit(start, (node.end_lineno or 0, node.end_col_offset or 0), text)


def _inside(edit: _Edit, node: ast.stmt) -> bool:
    start = (node.lineno, node.col_offset)
    end = (node.end_lineno or 0, node.end_col_offset or 0)
    return start <= edit.start and edit.end <= end


def _applied(modules: Mapping[str, _Module]) -> dict[str, bytes]:
    """The sources with the edits of each module made; every line keeps its number."""
    made: dict[str, bytes] = {}
    for name, module in modules.items():
        lines = module.source.split(b"\n")
        for edit in sorted(module.edits, key=lambda edit: edit.start, reverse=True):
            (first, start), (last, end) = edit.start, edit.end
            tail = lines[last - 1][end:]
            lines[first - 1] = lines[first - 1][:start] + edit.text.encode() + tail
            if last > first:
                # The lines that are gone stay as empty ones, which no open bracket needs to know.
                lines[first:last] = [b""] * (last - first)
        made[name] = b"\n".join(lines)
    return made
