"""Functions after whose call the order of operations is not known, as they are followed."""

from __future__ import annotations

import ast

from qatlint.static.modulefile import FunctionFound, ModuleFile
from qatlint.static.project import Project
from qatlint.static.source import nodes, nodes_outside
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
    return any(
        isinstance(node, (ast.Yield, ast.YieldFrom))
        for statement in function.body
        for node in nodes_outside(statement, _SCOPES)
    )


def _computes(project: Project, file: ModuleFile, decorator: ast.expr) -> bool:
    """Whether a decorator of the project has arithmetic in it or calls functions of torch: nobody follows
    its wrapper."""
    callee = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not isinstance(callee, (ast.Name, ast.Attribute)):
        return False
    found = project.expression(callee, file)
    return isinstance(found, FunctionFound) and any(
        _may_run(project, found.file, node) for node in nodes(found.node)
    )


def _may_run(project: Project, file: ModuleFile, node: ast.AST) -> bool:
    if isinstance(node, (ast.BinOp, ast.AugAssign)):
        return True
    called = project.expression(node.func, file) if isinstance(node, ast.Call) else None
    return isinstance(called, str) and called.startswith("torch.")
