"""Which expressions of a function are plainly numbers of Python: arithmetic on them is no op."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable

from qatlint.static.number_names import number_names
from qatlint.static.source import nodes

_GIVING = frozenset("len int float round ord".split())
"""Functions that give a number, whatever they are given."""
_KEEPING = frozenset("min max abs sum divmod pow".split())
"""Functions that give one when they are given some."""
_LIBRARIES = frozenset(("math", "random"))
_RANKS = frozenset(("ndim", "shape"))
_NUMBERS = frozenset("int float Tuple tuple List list Sequence Optional Union None typing".split())
"""Words in the annotations of numbers, and of several."""
_OF_NUMBERS = frozenset(("int", "float"))


class Arithmetic:
    """The names of one function that stand for a number, or for several; told of each assignment in order."""

    def __init__(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef, is_fixed: Callable[[ast.expr], bool]
    ) -> None:
        """`is_fixed` says what the constructor decides."""
        self._function = function
        self._is_fixed = is_fixed
        spec = function.args
        self._known = {
            argument.arg
            for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)
            if argument.annotation is not None and _annotates_numbers(argument.annotation)
        }
        self._waiting: list[tuple[ast.expr, ast.expr, bool]] = []
        """Assignments that are looked at when somebody asks, as few do."""

    def learn(self, target: ast.expr, value: ast.expr) -> None:
        """`target = value`"""
        self._waiting.append((target, value, False))

    def change(self, target: ast.expr, value: ast.expr) -> None:
        """`target += value`"""
        self._waiting.append((target, value, True))

    def forget(self, names: Iterable[str]) -> None:
        """These are something else now."""
        self._settle()
        self._known.difference_update(names)

    def knows(self, name: str) -> bool:
        """Whether the name was given a number last."""
        self._settle()
        return name in self._known

    def known(self) -> frozenset[str]:
        """All such names."""
        self._settle()
        return frozenset(self._known)

    def keep(self, names: frozenset[str]) -> None:
        """Behind code that may not have run: only what was known before it, and is still so."""
        self._settle()
        self._known.intersection_update(names)

    def is_number(self, node: ast.expr) -> bool:
        """Whether it is a number, or a list of such."""
        self._settle()
        return self._is_number(node)

    def _settle(self) -> None:
        for target, value, changes in self._waiting:
            names = bound_names(target)
            if names:
                if not self._is_number(value):
                    self._known.difference_update(names)
                elif not changes:
                    self._known.update(names)
        self._waiting.clear()

    def _is_number(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Constant):
            return isinstance(node.value, (int, float))
        if isinstance(node, ast.Name):
            return node.id in self._known or node.id in number_names(self._function)
        if isinstance(node, ast.Attribute):
            return node.attr in _RANKS or (isinstance(node.value, ast.Name) and node.value.id in _LIBRARIES)
        if isinstance(node, ast.Subscript):
            return self._is_number(node.value)
        if isinstance(node, ast.Call):
            return self._is_number_call(node)
        if isinstance(node, ast.BinOp):
            sides = (node.left, node.right)
            if isinstance(node.op, (ast.FloorDiv, ast.Mod)) and any(self._is_number(side) for side in sides):
                # Sizes are divided so: what the model was built with beside one is a size, too.
                return all(self._is_number(side) or self._is_fixed(side) for side in sides)
            return all(self._is_number(side) for side in sides)
        if isinstance(node, ast.UnaryOp):
            return self._is_number(node.operand)
        if isinstance(node, ast.IfExp):
            return self._is_number(node.body) and self._is_number(node.orelse)
        if isinstance(node, (ast.Tuple, ast.List)):
            return all(self._is_number(element) for element in node.elts)
        return False

    def _is_number_call(self, node: ast.Call) -> bool:
        callee = node.func
        if isinstance(callee, ast.Name):
            return callee.id in _GIVING or (
                callee.id in _KEEPING
                and bool(node.args)
                and all(self._is_number(argument) for argument in node.args)
            )
        if isinstance(callee, ast.Attribute):
            of = callee.value
            return callee.attr in ("size", "dim") or (isinstance(of, ast.Name) and of.id in _LIBRARIES)
        return False


def _annotates_numbers(annotation: ast.expr) -> bool:
    """`int`, `Tuple[int, int]`, `float | None`."""
    words: set[str] = set()
    for part in nodes(annotation):
        if isinstance(part, ast.Name):
            words.add(part.id)
        elif isinstance(part, ast.Attribute):
            words.add(part.attr)
        elif isinstance(part, ast.Constant) and part.value not in (None, ...):
            return False
    return bool(words & _OF_NUMBERS) and words <= _NUMBERS


def bound_names(target: ast.expr) -> list[str]:
    """The local names that an assignment to `target` gives a value, in the order of the text."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return [name for element in target.elts for name in bound_names(element)]
    return [target.id] if isinstance(target, ast.Name) else []
