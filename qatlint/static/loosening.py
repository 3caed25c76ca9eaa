"""Functions after whose call the order of operations is not known, as they are followed."""

from __future__ import annotations

import ast

from qatlint.static.modulefile import FunctionFound, ModuleFile
from qatlint.static.project import Project
from qatlint.static.source import nodes
from qatlint.static.values import Function
from qatlint.trace import Loose

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def loosened_by(project: Project, function: Function) -> Loose:
    """What a call of this function leaves open, by its syntax."""
    node = function.node
    if isinstance(node, ast.Lambda):
        return Loose.NO
    if any(_computes(project, function.file, decorator) for decorator in node.decorator_list):
        return Loose.DECORATED
    return Loose.GENERATED if _is_generator(node) else Loose.NO


def _is_generator(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Its turns and those of the loop that takes them run one in the other."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, _SCOPES):
            waiting.extend(ast.iter_child_nodes(node))
    return False


def _computes(project: Project, file: ModuleFile, decorator: ast.expr) -> bool:
    """Whether a decorator of the project has arithmetic in it or calls functions of torch: nobody follows
    its wrapper."""
    callee = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not isinstance(callee, (ast.Name, ast.Attribute)):
        return False
    found = project.expression(callee, file)
    return isinstance(found, FunctionFound) and any(map(_may_run, nodes(found.node)))


def _may_run(node: ast.AST) -> bool:
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        return True
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    holder = node.func.value
    return isinstance(holder, ast.Name) and holder.id in ("torch", "F")
