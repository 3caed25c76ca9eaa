"""A model in which code has put something else in the place of methods: whatever may stand there is followed.

Each of them runs under a condition of its own, as the sides of a test of a setting do: which it was, what a
report says of the modules in it may prove. After what nobody can follow, the rest is not known (`Loose`).
"""

from __future__ import annotations

import ast
from typing import TypeVar

from qatlint.condition import FALSE, TRUE, Condition, both, literal, negate
from qatlint.static.machine import Frame
from qatlint.static.modulefile import ClassDef
from qatlint.static.plain_objects import PlainObjects
from qatlint.static.project import Project
from qatlint.static.replaced import UNKNOWN, Replaced, Replacement
from qatlint.static.source import nodes
from qatlint.static.values import (
    Args,
    Choice,
    Function,
    Instance,
    Method,
    Partial,
    Symbol,
    Value,
)
from qatlint.trace import Loose

_V = TypeVar("_V", bound=Value)
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Replacing(PlainObjects):
    """The same as `PlainObjects`, with these methods."""

    def __init__(
        self, project: Project, cls: ClassDef, assumed: bool, replaced: Replaced, floats: frozenset[str]
    ) -> None:
        super().__init__(project, cls, assumed, floats)
        self._replaced_methods = replaced

    def instance_attribute(self, value: Instance, name: str, frame: Frame) -> Value:
        found = super().instance_attribute(value, name, frame)
        if self.phase != "forward" or value.cls is None:
            return found
        own = self._own_method(value.cls, name)
        if own is None or not isinstance(_first_of(found), (Method, Function, Partial)):
            return found
        others = self._instead_of(value, name, own)
        if not others:
            return found
        return self.choose(_apart([*others, (TRUE, self.bind(own, value, name, frame))]))

    def run_as_forward(self, root: Instance, function: Function, guard: Condition) -> None:
        name = getattr(function.node, "name", "")
        own = self._own_method(self.cls, name)
        others = self._runnable(self._instead_of(root, name, own)) if own is not None else []
        for when, other in _apart([*others, (TRUE, function)]):
            if here := both(guard, when):
                super().run_as_forward(root, other, here)

    def run_forward_of(
        self, target: Instance, function: Function, args: Args, node: ast.Call, frame: Frame, receiver: Value
    ) -> Value:
        assert target.cls is not None
        own = self._own_method(target.cls, "forward")
        others = self._runnable(self._instead_of(target, "forward", own)) if own is not None else []
        outer = frame.guard
        results: list[tuple[Condition, Value]] = []
        for when, other in _apart([*others, (TRUE, function)]):
            frame.guard = both(outer, when)
            if frame.guard:
                made = super().run_forward_of(target, other, args, node, frame, receiver)
                results.append((when, made))
        frame.guard = outer
        return self.choose(results) if results else self.result(args, frame)

    def _own_method(self, cls: ClassDef, name: str) -> tuple[ClassDef, ast.AST] | None:
        """The method that a class has under a name; None for a property."""
        found = self.lookup(cls, name, None)
        if found is None or not isinstance(found[1], _FunctionNode):
            return None
        decorators = [getattr(d, "attr", getattr(d, "id", "")) for d in found[1].decorator_list]
        return None if any("property" in written for written in decorators) else found

    def _instead_of(
        self, value: Instance, name: str, own: tuple[ClassDef, ast.AST]
    ) -> list[tuple[Condition, Value]]:
        """What may run in place of a method, and when, the first of which it holds. Where nobody knows what
        that is, all behind it is loose."""
        assert value.cls is not None
        held = value.attrs.get(name)
        built = list(self.options(held.value, TRUE)) if held is not None else []
        always = {id(own[1])}
        if held is not None and held.when == TRUE:
            always = {id(_node_of(option)) for _, option in built}
        found: list[tuple[Condition, Value]] = []
        line = [entry.full_name for entry in self.project.mro(value.cls) if isinstance(entry, ClassDef)]
        is_followed = all(_node_of(option) is not None for _, option in built)
        is_told = False
        for number, by in enumerate(self._replaced_methods.of(value.cls, name)):
            if by.by in line and built and is_followed:
                continue
            other = self._stands_for(value, by)
            is_told = is_told or (by.by in line and isinstance(other, (Method, Function)))
            if other is None or (len(built) < 2 and id(_node_of(other)) in always):
                continue
            if isinstance(other, Symbol):
                self._lose()
                continue
            key = self.intern(("replaced", value.number, name, number))
            test = Symbol(key, origin="config", text=f"{name} is replaced", loops=value.loops)
            found.append((literal(self.atom(("truth", key), None, config=True, of=(test,))), other))
        for when, other in built:
            if isinstance(other, (Method, Function, Partial)):
                found.append((both(when, held.when) if held is not None else FALSE, other))
            elif not is_told:
                self._lose()
        return found

    def _stands_for(self, value: Instance, by: Replacement) -> Value | None:
        """What stands there; a symbol where nobody knows, and None where an object of this class cannot have
        it."""
        assert value.cls is not None
        if by.method:
            found = self.lookup(value.cls, by.method, None)
            if found is None or not isinstance(found[1], _FunctionNode):
                return None
            return Method(Function(found[1], found[0].file, None, found[0]), value)
        if by == UNKNOWN or by.function is None:
            return self.unknown()
        function = by.function
        if not by.is_bound:
            return function
        return (
            Method(function, value) if function.cls is not None or self._may_be_of(value, function) else None
        )

    def _may_be_of(self, value: Instance, function: Function) -> bool:
        """Whether an object has all attributes that a function reads of its first parameter."""
        parameters = function.node.args.args
        if value.open or not parameters:
            return bool(parameters)
        read = {
            node.attr
            for node in nodes(function.node)
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == parameters[0].arg
        }
        return all(self.has_attribute(value, name) or not self.lacks_attribute(value, name) for name in read)

    def _runnable(self, options: list[tuple[Condition, Value]]) -> list[tuple[Condition, Function]]:
        """Those of them that are run with the object; what is not is lost."""
        found: list[tuple[Condition, Function]] = []
        for when, option in options:
            while isinstance(option, Partial):
                option = option.function
            if isinstance(option, Method):
                found.append((when, option.function))
            else:
                self._lose()
        return found

    def _lose(self) -> None:
        if self.phase == "forward" and not self.supposing:
            self.order.loosen(Loose.REPLACED)


def _apart(options: list[tuple[Condition, _V]]) -> list[tuple[Condition, _V]]:
    """The same, each only where none before it holds."""
    rest, found = TRUE, []
    for when, option in options:
        found.append((both(rest, when), option))
        rest = both(rest, negate(when))
    return found


def _first_of(value: Value) -> Value:
    while isinstance(value, Choice):
        value = value.options[0][1]
    return value


def _node_of(value: Value) -> ast.AST | None:
    """The code of a method."""
    while isinstance(value, (Method, Partial)):
        value = value.function
    return value.node if isinstance(value, Function) else None
