"""What a constructor and the functions it calls treat as numbers, for `plain.py`."""

from __future__ import annotations

import ast

from qatlint.horizon.modules import facts_of
from qatlint.static.modulefile import ClassDef, ExpressionFound, FunctionFound
from qatlint.static.plain_words import COMPUTING, HANDING, LOOKING, TYPES, Function, last
from qatlint.static.project import Project
from qatlint.static.source import nodes
from qatlint.trace import Kind

_KEEPING = (Kind.CONTAINER, Kind.UNKNOWN, Kind.ATTENTION)
"""Kinds of torch's classes that may keep a module which they are given."""


def numbers_of(project: Project, cls: ClassDef, method: Function) -> frozenset[str]:
    """Local names that a method computes with, gives to what takes numbers, or calls to make something."""
    key = ("numbers", method.name)
    known: frozenset[str] | None = cls.states.get(key)
    if known is None:
        found: set[str] = set()
        for node in nodes(method):
            if isinstance(node, ast.BinOp):
                found |= _names(node.left, node.right)
            elif isinstance(node, ast.Compare):
                if not any(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
                    found |= _names(node.left, *node.comparators)
            elif isinstance(node, ast.Subscript):
                found |= _names(node.value)
            elif isinstance(node, ast.Call):
                if last(node.func) in ("range", "int", "float", "len") or _takes_numbers(
                    project, cls, node.func
                ):
                    found |= _names(*node.args, *(keyword.value for keyword in node.keywords))
                else:
                    found |= _names(node.func)
        known = cls.states[key] = frozenset(found)
    return known


def keeps_no_module(dotted: str) -> bool:
    """Whether a class of torch is a module that keeps no other which it is given."""
    return dotted.startswith("torch.nn.") and facts_of(dotted).kind not in _KEEPING


def computes_numbers(project: Project, found: FunctionFound, depth: int = 0) -> bool:
    """Whether a function makes no module, and has none to give that was made once for all: it calls nothing
    but functions that compute."""
    key = (found.file.path, found.node.lineno)
    known = project.computing.get(key)
    if known is None:
        known = project.computing[key] = _computes_numbers(project, found, depth)
    return known


def _computes_numbers(project: Project, found: FunctionFound, depth: int) -> bool:
    used: set[str] = set()
    for node in nodes(found.node):
        if isinstance(node, ast.Name):
            used.add(node.id)
        elif isinstance(node, ast.Call):
            if not _is_computing(project, found, node.func, depth):
                return False
        elif isinstance(node, (ast.Lambda, ast.ClassDef)):
            return False
    return not any(is_made_once(project.resolve(found.file, name)) for name in used)


def _is_computing(project: Project, found: FunctionFound, callee: ast.expr, depth: int) -> bool:
    """Whether what a function calls computes."""
    if not isinstance(callee, ast.Name):
        called = project.expression(callee, found.file)
        return called is None or (isinstance(called, str) and _computes(called))
    name = callee.id
    if name in LOOKING or name in HANDING or name in ("ValueError", "next"):
        return True
    inner = project.resolve(found.file, name)
    if isinstance(inner, str) and _computes(inner):
        return True
    if depth >= 2 or not isinstance(inner, FunctionFound) or inner.node is found.node:
        return False
    return computes_numbers(project, inner, depth + 1)


def is_made_once(found: object) -> bool:
    """Whether a name of a file may be a module that was made once for all, or hold one."""
    if not isinstance(found, ExpressionFound):
        return False
    calls = (node for node in nodes(found.node) if isinstance(node, ast.Call))
    return any(last(call.func) not in TYPES for call in calls)


def _computes(dotted: str) -> bool:
    return dotted == "functools.partial" or (dotted.startswith(COMPUTING) and ".nn." not in dotted)


def _takes_numbers(project: Project, cls: ClassDef, callee: ast.expr) -> bool:
    if not isinstance(callee, ast.Attribute) or not callee.attr[:1].isupper():
        return False
    found = project.expression(callee, cls.file)
    return isinstance(found, str) and keeps_no_module(found)


def _names(*expressions: ast.expr) -> set[str]:
    return {node.id for node in expressions if isinstance(node, ast.Name)}
