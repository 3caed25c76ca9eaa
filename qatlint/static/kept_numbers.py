"""Attributes that stand for numbers: a counter that begins as None, and is only ever given numbers."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator

from qatlint.static.arithmetic import Arithmetic
from qatlint.static.kept import own_attribute
from qatlint.static.modulefile import ClassDef
from qatlint.static.source import nodes


def kept_numbers(classes: Iterable[ClassDef], names: Collection[str]) -> frozenset[str]:
    """Those of the attributes `names` that the methods of the classes give numbers, and else only None."""
    methods = [method for cls in classes for method in cls.methods.values()]
    found = set(names)
    while True:
        given = [(name, is_one) for m in methods for name, is_one in _assignments(m, found) if name in found]
        others = {name for name, is_one in given if not is_one}
        if not others:
            return frozenset(name for name, _ in given)
        found -= others  # what was computed with these is no number for sure, either


def _assignments(
    method: ast.FunctionDef | ast.AsyncFunctionDef, numbers: Collection[str]
) -> Iterator[tuple[str, bool]]:
    """The attributes that a method assigns, and whether each gets a number, where `numbers` are such; what
    gets None is left out."""
    arithmetic = Arithmetic(method, lambda node: bool(own_attribute(node)))
    statements = [n for n in nodes(method) if isinstance(n, (ast.Assign, ast.AnnAssign, ast.AugAssign))]
    statements.sort(key=lambda n: (n.lineno, n.col_offset))
    told: set[ast.AST] = set()
    for node in statements:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            name = own_attribute(target)
            told.add(target)
            if node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None):
                arithmetic.forget([target.id] if isinstance(target, ast.Name) else [])
            elif name:
                yield name, _is_number(node.value, arithmetic, numbers)
            elif isinstance(node, ast.AugAssign):
                arithmetic.change(target, node.value)
            else:
                arithmetic.learn(target, node.value)
    for place in nodes(method):
        if isinstance(place, ast.Subscript) and not isinstance(place.ctx, ast.Load):
            yield own_attribute(place.value), False
        elif isinstance(place, ast.Attribute) and not isinstance(place.ctx, ast.Load) and place not in told:
            yield own_attribute(place), False  # in a tuple, or as the variable of a loop


def _is_number(node: ast.expr, arithmetic: Arithmetic, numbers: Collection[str]) -> bool:
    name = own_attribute(node)
    if name:
        return name in numbers
    if isinstance(node, ast.BinOp):
        sides = (node.left, node.right)
        are_numbers = [_is_number(side, arithmetic, numbers) for side in sides]
        # What the constructor decides is a number, too, where it is added to one.
        return any(are_numbers) and all(
            one or bool(own_attribute(side)) for one, side in zip(are_numbers, sides, strict=True)
        )
    return arithmetic.is_number(node)
