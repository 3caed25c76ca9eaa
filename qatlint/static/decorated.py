"""Decorators of the project that run what they decorate several times."""

from __future__ import annotations

import ast

from qatlint.static.modulefile import FunctionFound, ModuleFile
from qatlint.static.project import Project
from qatlint.static.source import nodes

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_LOOPS = (ast.For, ast.While, ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)


def repeating_decorator(project: Project, file: ModuleFile, method: _Function) -> FunctionFound | None:
    """A decorator of a method, without arguments, whose wrapper calls the method twice or in a loop."""
    for decorator in method.decorator_list:
        if isinstance(decorator, (ast.Name, ast.Attribute)):
            found = project.expression(decorator, file)
            if isinstance(found, FunctionFound) and _repeats(found.node):
                return found
    return None


def _repeats(decorator: _Function) -> bool:
    parameters = decorator.args.posonlyargs + decorator.args.args
    if not parameters:
        return False
    name = parameters[0].arg
    if _calls(decorator, name) > 1:
        return True
    return any(isinstance(node, _LOOPS) and _calls(node, name) for node in nodes(decorator))


def _calls(around: ast.AST, name: str) -> int:
    called = [node.func for node in nodes(around) if isinstance(node, ast.Call)]
    return sum(isinstance(callee, ast.Name) and callee.id == name for callee in called)
