"""Functions outside of a class that are handed one of its modules, and change it."""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence

from qatlint.static.modulefile import ClassDef, FunctionFound, ModuleFile
from qatlint.static.project import Project
from qatlint.static.reader import Reader
from qatlint.static.repeatable import CHANGING
from qatlint.static.scope import Code, Root, receiver
from qatlint.static.source import nodes

_MOST = 8
"""Places that are looked at for one attribute."""


def changed_by_function(project: Project, classes: Iterable[ClassDef], attribute: str) -> str:
    """Which function changes `self.<attribute>` of the classes that it is given, in words; "" if none."""
    for cls in classes:
        for call in _own_calls(cls, attribute):
            name = _changer(project, call, cls.file, attribute)
            if name:
                return f"`{name}` changes the `{attribute}` that it is given"
    for path, line in project.as_argument(attribute)[:_MOST]:
        for call, file in _calls_at(project, path, line):
            name = _changer(project, call, file, attribute)
            if name:
                where = f"`{posixpath.basename(path)}` line {line}"
                return f"`{name}` changes the `{attribute}` that it is given in {where}"
    return ""


def _own_calls(cls: ClassDef, attribute: str) -> Sequence[ast.Call]:
    """Calls in the methods of a class with `self.<attribute>` as an argument."""
    known: dict[str, list[ast.Call]] | None = cls.states.get("handed")
    if known is None:
        known = cls.states["handed"] = {}
        for method in cls.methods.values():
            me = receiver(method)
            for node in nodes(method):
                if isinstance(node, ast.Call):
                    for value in _arguments(node):
                        if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
                            if value.value.id in me:
                                known.setdefault(value.attr, []).append(node)
    return known.get(attribute, ())


def _calls_at(project: Project, path: str, line: int) -> Iterator[tuple[ast.Call, ModuleFile]]:
    """The calls that a line of a file holds, as far as it can be read by itself."""
    file = project.part(path)
    text = project.loader.read(path).split(b"\n")[line - 1].decode(errors="replace").strip()
    if file is None:
        return
    try:
        tree = ast.parse(re.sub(r":$", ": pass", text.removeprefix("return ")))
    except (SyntaxError, ValueError):
        return
    for node in nodes(tree):
        if isinstance(node, ast.Call):
            yield node, file


def _changer(project: Project, call: ast.Call, file: ModuleFile, attribute: str) -> str:
    """The function of the project that a call runs, if it changes what it is given as `attribute`."""
    if not isinstance(call.func, (ast.Name, ast.Attribute)):
        return ""
    if not any(_is(value, attribute) for value in _arguments(call)):
        return ""
    found = project.expression(call.func, file)
    if not isinstance(found, FunctionFound):
        return ""
    listed = [a.arg for a in (*found.node.args.posonlyargs, *found.node.args.args)]
    given = [*zip(listed, call.args, strict=False), *((k.arg, k.value) for k in call.keywords if k.arg)]
    root = Root(attribute)
    kept = {name: root for name, value in given if _is(value, attribute)}
    reader = Reader(project, (), frozenset(), frozenset())
    for scope in reader.run(Code(found.node, found.file, kept)):
        if root in scope.changes() or root in scope.uses(CHANGING):
            return found.node.name
    return ""


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(k.value for k in call.keywords)]


def _is(value: ast.expr, attribute: str) -> bool:
    return isinstance(value, ast.Attribute) and value.attr == attribute
