"""Sources as the shrinking sees them: what is bound where, what a name stands for, and edits."""

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from firmware.build.errors import BuildError

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass
class Edit:
    """Replace the text from (line, column) to (line, column), lines from 1, columns in bytes."""

    start: tuple[int, int]
    end: tuple[int, int]
    text: str


@dataclass
class Module:
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
    edits: list[Edit] = field(default_factory=list[Edit])


NOTHING = Module("", b"", ast.Module([], []))


def read(sources: Mapping[str, bytes]) -> dict[str, Module]:
    """The sources as modules. Raises BuildError for one that is no Python."""
    found: dict[str, Module] = {}
    for name, source in sources.items():
        try:
            tree = ast.parse(source, name)
        except SyntaxError as error:
            raise BuildError(f"{name} line {error.lineno}: {error.msg}") from error
        module = Module(name, source, tree)
        _bind(module, tree, top=True)
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                module.formatted.update(id(part) for part in ast.walk(node))
        found[name] = module
    for module in found.values():
        _link(module, found)
    return found


def _bind(module: Module, scope: ast.AST, *, top: bool) -> None:
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
        if isinstance(node, (*FUNCTION, ast.ClassDef)):
            bound(node.name)
            for part in node.decorator_list:
                _bind(module, part, top=top)
            _bind(module, node, top=False)
        elif isinstance(node, ast.Lambda):
            _bind(module, node, top=False)
        else:
            pending.extend(ast.iter_child_nodes(node))


def _link(module: Module, all_modules: Mapping[str, Module]) -> None:
    """Find which names of `module` stand for other modules of the release, and for nothing else."""
    seen: dict[str, set[str]] = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            base = package(module.name, node)
            for alias in node.names:
                target = file_of(f"{base}/{alias.name}", all_modules)
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
        elif isinstance(node, (*FUNCTION, ast.ClassDef)) or (
            isinstance(node, ast.ExceptHandler) and node.name
        ):
            names.add(node.name or "")
    return names


def package(name: str, node: ast.ImportFrom) -> str:
    """The folder that ``from X import`` of the file `name` means."""
    path = (node.module or "").replace(".", "/")
    if not node.level:
        return path
    folder = name.split("/")[: -node.level]
    return "/".join([*folder, path] if path else folder)


def file_of(path: str, all_modules: Mapping[str, Module]) -> str:
    """The file of the module at a path, "" when it is none of these."""
    for name in (f"{path}.py", f"{path}/__init__.py"):
        if name in all_modules:
            return name
    return ""


def imported_names(modules: Mapping[str, Module]) -> set[str]:
    """Names that some ``from X import name`` takes, or that a text may mean."""
    found: set[str] = set()
    for module in modules.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom):
                found |= {alias.name for alias in node.names}
            elif (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and IDENTIFIER.fullmatch(node.value)
            ):
                found.add(node.value)
    return found


def assigned_by(node: ast.stmt) -> str | None:
    """The one name that a statement of the module level assigns, None for any other statement."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        target = node.target
    else:
        return None
    return target.id if isinstance(target, ast.Name) else None


def mentioned(node: ast.AST) -> list[str]:
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
            return IDENTIFIER.findall(text)
        case _:
            return []


def edit_of(node: ast.stmt | ast.expr, text: str, *, decorated: bool = False) -> Edit:
    """The edit that puts `text` in the place of a node, with its decorators when `decorated`."""
    start = (node.lineno, node.col_offset)
    if decorated and isinstance(node, (*FUNCTION, ast.ClassDef)) and node.decorator_list:
        first = node.decorator_list[0]
        start = (first.lineno, first.col_offset - 1)
    return Edit(start, (node.end_lineno or 0, node.end_col_offset or 0), text)


def inside(edit: Edit, node: ast.stmt) -> bool:
    """Whether an edit lies within a statement."""
    start = (node.lineno, node.col_offset)
    end = (node.end_lineno or 0, node.end_col_offset or 0)
    return start <= edit.start and edit.end <= end


def applied(modules: Mapping[str, Module]) -> dict[str, bytes]:
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
