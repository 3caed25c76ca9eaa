"""Intents for the tests, read off a source with `ast`: what a rule would say about one attribute.

Every call of `self.<attribute>` outside of `__init__` is a site with a slot of its own and all loops around
it, unless `slots` says otherwise.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from qatlint.finding import CallSite, CloneModule, LoopSite, SeparateInstances
from qatlint.static.source import Source
from qatlint.trace import Span

PATH = "model.py"
LOOPS = (ast.For, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def clone(
    source: str | bytes,
    attribute: str,
    *,
    slots: Sequence[int] | None = None,
    tied: bool = False,
    made: int = 0,
    cls: str | None = None,
    known: bool = True,
    loops: bool = True,
    definition: str | None = None,
    callee: str | None = None,
) -> CloneModule:
    """The intent to clone `self.<attribute>`; `made` picks one of several definitions.

    `definition` is the text of the expression that makes the instance, where it is not what the attribute
    is assigned; `callee` the name of the function that runs the module. `loops=False` leaves out loops.
    """
    file = Source(PATH, source.encode() if isinstance(source, str) else source)
    root = _class(file, cls)
    callees = list(_callees(root, attribute)) if callee is None else _named(root, callee)
    numbers = range(len(callees)) if slots is None else slots
    sites = tuple(
        CallSite(
            file.span(node),
            slot,
            tuple(LoopSite(file.span(loop), known, "the length of the input") for loop in around if loops),
        )
        for (node, around), slot in zip(callees, numbers, strict=True)
    )
    if definition is not None:
        place = file.span(_texts(file, root)[definition][0])
    else:
        place = file.span(list(_made(root, attribute))[made])
    return CloneModule(PATH, root.name, attribute, place, sites, tied)


def separate(
    source: str, definition: str, uses: Sequence[tuple[str, int]], *, tied: bool = False
) -> SeparateInstances:
    """The intent to separate: `definition` and each use are texts of expressions, with the count of the
    occurrence (from 0) for the uses."""
    file = Source(PATH, source.encode())
    root = _class(file, None)
    found = _texts(file, root)

    def nth(text: str, number: int) -> Span:
        return file.span(found[text][number])

    return SeparateInstances(
        PATH, root.name, nth(definition, 0), tuple(nth(text, number) for text, number in uses), tied
    )


def _class(file: Source, name: str | None) -> ast.ClassDef:
    classes = [n for n in ast.walk(file.tree) if isinstance(n, ast.ClassDef)]
    return next(c for c in classes if name is None or c.name == name)


def _texts(file: Source, root: ast.ClassDef) -> dict[str, list[ast.expr]]:
    """The expressions of a class by their text, in source order."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(root):
        if isinstance(node, ast.expr):
            found.setdefault(ast.get_source_segment(file.text, node) or "", []).append(node)
    for nodes in found.values():
        nodes.sort(key=lambda node: (node.lineno, node.col_offset))
    return found


def _named(root: ast.ClassDef, name: str) -> list[tuple[ast.expr, list[ast.AST]]]:
    calls = [n.func for n in ast.walk(root) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)]
    return [(func, []) for func in calls if func.id == name]


def _is(node: ast.AST, attribute: str) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and node.attr == attribute
        and isinstance(node.value, ast.Name)
        and node.value.id in ("self", "this")
    )


def _callees(root: ast.ClassDef, attribute: str) -> Iterator[tuple[ast.expr, list[ast.AST]]]:
    for method in root.body:
        if isinstance(method, ast.FunctionDef) and method.name != "__init__":
            aliases = {
                t.id
                for n in ast.walk(method)
                if isinstance(n, ast.Assign) and _is(n.value, attribute)
                for t in n.targets
                if isinstance(t, ast.Name)
            }
            yield from _calls(method, attribute, aliases, [])


def _calls(
    node: ast.AST, attribute: str, aliases: set[str], loops: list[ast.AST]
) -> Iterator[tuple[ast.expr, list[ast.AST]]]:
    """Calls in the order in which they are evaluated, as far as arguments come before the call."""
    inner = [*loops, node] if isinstance(node, LOOPS) else loops
    for field, value in ast.iter_fields(node):
        outside = isinstance(node, ast.For) and field in ("iter", "target", "orelse")
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _calls(child, attribute, aliases, loops if outside else inner)
    if isinstance(node, ast.Call):
        func = node.func
        if _is(func, attribute) or (isinstance(func, ast.Name) and func.id in aliases):
            yield func, loops
        elif isinstance(func, ast.Attribute) and _is(func.value, attribute):
            yield func.value, loops


def _made(root: ast.ClassDef, attribute: str) -> Iterator[ast.expr]:
    for node in ast.walk(root):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if isinstance(node, ast.Assign | ast.AnnAssign) and any(t and _is(t, attribute) for t in targets):
            if node.value is not None:
                yield node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
            for target, value in zip(node.targets[0].elts, getattr(node.value, "elts", ()), strict=False):
                if _is(target, attribute):
                    yield value
        elif isinstance(node, ast.Call) and len(node.args) >= 2:
            name = node.args[-2]
            if isinstance(name, ast.Constant) and name.value == attribute:
                yield node.args[-1]
