"""Integers of the module level in the place of their names."""

import ast
from collections.abc import Mapping

from firmware.build.shrink.source import (
    Module,
    applied,
    assigned_by,
    edit_of,
    imported_names,
    inside,
    read,
)


def folded(sources: dict[str, bytes], *, closed: bool) -> dict[str, bytes]:
    """The sources with integers in place of the names that are bound to them once."""
    modules = read(sources)
    imported = imported_names(modules)
    changed = True
    while changed:  # integers may be made of integers
        changed = False
        for module in modules.values():
            for node in module.tree.body:
                name = assigned_by(node)
                if name is None or name in module.integers or module.top[name] != 1:
                    continue
                if name in module.inner:
                    continue
                value = integer_of(getattr(node, "value", None), module, modules)
                if value is not None:
                    module.integers[name] = value
                    changed = True
    kept = imported
    for module in modules.values():
        kept |= _fold(module, modules, closed=closed)
    for module in modules.values():
        for node in module.tree.body:
            name = assigned_by(node)
            if name in module.integers and name not in kept:
                private = name.startswith("_") and not name.startswith("__")
                if private or closed:
                    module.edits = [e for e in module.edits if not inside(e, node)]
                    module.edits.append(edit_of(node, "0"))
    return applied(modules)


def _fold(module: Module, modules: Mapping[str, Module], *, closed: bool) -> set[str]:
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
            module.edits.append(edit_of(node, f"({value})" if value < 0 else str(value)))
    return left


def _of_module(node: ast.Attribute, module: Module, modules: Mapping[str, Module]) -> int | None:
    if isinstance(node.value, ast.Name) and node.value.id in module.modules:
        return modules[module.modules[node.value.id]].integers.get(node.attr)
    return None


def integer_of(node: ast.expr | None, module: Module, modules: Mapping[str, Module]) -> int | None:
    """The value of an integer expression, None when it is anything else."""
    match node:
        case ast.Constant(value=int() as value) if not isinstance(value, bool):
            return value
        case ast.Name(id=name):
            return module.integers.get(name)
        case ast.Attribute():
            return _of_module(node, module, modules)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = integer_of(operand, module, modules)
            return None if value is None else -value
        case ast.Call(func=ast.Name(id="const"), args=[argument], keywords=[]):
            return integer_of(argument, module, modules)
        case ast.BinOp(left=left, op=operator, right=right):
            first, second = integer_of(left, module, modules), integer_of(right, module, modules)
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
