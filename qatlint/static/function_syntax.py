"""Functions as they are written: names that they bind, functions that they hold, what expressions name."""

from __future__ import annotations

import ast
from collections.abc import Container, Mapping
from functools import lru_cache

from qatlint.static.source import nodes

_RECENT = 64
"""Functions of which it is remembered what is in them: the modules of one class ask for the same ones."""

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@lru_cache(maxsize=_RECENT)
def names_bound(function: ast.AST) -> frozenset[str]:
    """All names that a function or something in it binds: an approximation of its local names."""
    found = set(parameters_of(function))
    for node in nodes(function):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node is not function:
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return frozenset(found)


@lru_cache(maxsize=_RECENT)
def nodes_run(code: ast.AST) -> tuple[ast.AST, ...]:
    """What runs when a function is called, neither defaults nor decorators, or an expression evaluated."""
    if isinstance(code, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return tuple(n for part in code.body for n in nodes(part))
    return tuple(nodes(code.body if isinstance(code, ast.Lambda) else code))


def parameters_of(node: ast.AST) -> list[str]:
    """The names of the parameters of a function; none for anything else."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return []
    arguments = node.args
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [a.arg for a in (*found, arguments.vararg, arguments.kwarg) if a is not None]


def inner_functions(function: ast.AST) -> dict[str, ast.FunctionDef]:
    """The functions that are written inside `function`, by name."""
    found: dict[str, ast.FunctionDef] = {}
    for node in nodes(function):
        if isinstance(node, ast.FunctionDef) and node is not function:
            found.setdefault(node.name, node)
    return found


def meant(callee: ast.AST, inner: Mapping[str, ast.FunctionDef]) -> ast.FunctionDef | ast.Lambda | None:
    """The one of some functions that `callee` names, or the lambda that it is."""
    if isinstance(callee, ast.Lambda):
        return callee
    return inner.get(callee.id) if isinstance(callee, ast.Name) else None


def last_name(callee: ast.AST) -> str:
    """`c` of `a.b.c`; "" for what has no name."""
    if isinstance(callee, ast.Attribute):
        return callee.attr
    return callee.id if isinstance(callee, ast.Name) else ""


def is_super(node: ast.AST) -> bool:
    """Whether this is `super()`."""
    return isinstance(node, ast.Call) and last_name(node.func) == "super"


def is_name(node: ast.AST, names: Container[str]) -> bool:
    """Whether this is one of some names."""
    return isinstance(node, ast.Name) and node.id in names
