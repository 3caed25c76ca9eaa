"""Functions after whose call the order of operations is not known, as they are followed."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from qatlint.static.modulefile import FunctionFound, ModuleFile
from qatlint.static.project import Project
from qatlint.static.source import children, nodes, nodes_outside
from qatlint.static.values import Function
from qatlint.trace import Loose

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
_TAKES_ALL = frozenset("list tuple set frozenset sorted dict OrderedDict max min extend join".split())
_HANDS_ON = frozenset("zip enumerate iter filter".split())
"""Functions that take one element from what they are given where one is taken from them."""


def loosened_by(project: Project, function: Function) -> Loose:
    """What a call of this function leaves open, by its syntax."""
    node = function.node
    if isinstance(node, ast.Lambda):
        return Loose.NO
    if any(_wraps(project, function.file, decorator) for decorator in node.decorator_list):
        return Loose.DECORATED
    return Loose.GENERATED if is_generator(node) else Loose.NO


def is_generator(function: ast.AST) -> bool:
    """Its turns and those of the loop that takes them run one in the other."""
    return any(
        isinstance(node, (ast.Yield, ast.YieldFrom))
        for statement in getattr(function, "body", ())
        for node in nodes_outside(statement, _SCOPES)
    )


def computes(project: Project, file: ModuleFile, function: ast.AST) -> bool:
    """Whether a function of a file has arithmetic in it or calls functions of torch."""
    return any(_may_run(project, file, node) for node in nodes(function))


def _wraps(project: Project, file: ModuleFile, decorator: ast.expr) -> bool:
    """Whether a decorator of the project computes: nobody follows its wrapper."""
    callee = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not isinstance(callee, (ast.Name, ast.Attribute)):
        return False
    found = project.expression(callee, file)
    return isinstance(found, FunctionFound) and computes(project, found.file, found.node)


def _may_run(project: Project, file: ModuleFile, node: ast.AST) -> bool:
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        return True
    called = project.expression(node.func, file) if isinstance(node, ast.Call) else None
    return isinstance(called, str) and called.startswith("torch.")


def late_in(function: ast.AST) -> frozenset[int]:
    """The generator expressions and calls of `map` in a function that are not taken whole at once, by `id`:
    their turns run where somebody asks for an element, which is behind or in between of other code."""
    above: dict[int, ast.AST] = {}
    lazy: list[ast.AST] = []
    for node in nodes(function):
        for child in children(node):
            above[id(child)] = node
        if isinstance(node, ast.GeneratorExp) or (isinstance(node, ast.Call) and _called(node) == "map"):
            lazy.append(node)
    every = frozenset(map(id, lazy))
    return frozenset(id(node) for node in lazy if not _is_taken_whole(node, above, every))


def _is_taken_whole(node: ast.AST, above: Mapping[int, ast.AST], lazy: frozenset[int]) -> bool:
    taker = above.get(id(node))
    if isinstance(taker, ast.Starred):
        return True
    if isinstance(taker, ast.Assign):
        return isinstance(taker.targets[0], (ast.Tuple, ast.List))
    if not isinstance(taker, ast.Call):
        return False
    name = _called(taker)
    if name == "sum":  # adds what it has while it takes the next one
        return taker.lineno == taker.end_lineno
    if name in _HANDS_ON and not any(id(other) in lazy for other in taker.args if other is not node):
        return _is_taken_whole(taker, above, lazy)
    return name in _TAKES_ALL


def _called(call: ast.Call) -> str:
    return getattr(call.func, "id", getattr(call.func, "attr", ""))
