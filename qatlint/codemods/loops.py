"""Loops whose number of turns is known when the model is built: how to count them in `__init__`, and
which name counts them in the loop."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import libcst as cst

from qatlint.codemods.edits import Edits, Rewriter, always
from qatlint.codemods.locate import (
    COMPREHENSIONS,
    Tree,
    children,
    self_attribute,
    self_name,
    walk,
)
from qatlint.codemods.opened import OpenedFile
from qatlint.codemods.purity import PURE_BUILTINS
from qatlint.codemods.refused import Refused
from qatlint.codemods.scope import bound_by, bound_in, parameters, rebinds
from qatlint.finding import LoopSite

Loop = cst.For | cst.CompFor
_DEPTH = 5
"""How many local names may stand behind one another."""
_SIMPLE = re.compile(r"[\w.]+(\([\w.]*\))?")
"""Source that needs no parentheses anywhere."""
_NUMBERS = re.compile(r"range\((-?\d+, ?-?\d+(?:, ?-?[1-9]\d*)?)\)")
"""A range between numbers that are written out."""
_VIEWS = ("values", "items", "keys")
_CHILDREN = ("children", "named_children")


@dataclass(frozen=True, slots=True)
class Turns:
    """The turns of a loop: the counter runs over `range(start, stop)` (stop is source text)."""

    counter: str
    start: int
    stop: str
    needs: frozenset[str]
    """Attributes of self that `stop` reads."""

    def domain(self, skip_first: bool = False) -> str:
        """The `range(...)` over the values of the counter."""
        start = self.start + 1 if skip_first else self.start
        return f"range({start}, {self.stop})" if start else f"range({self.stop})"

    @property
    def position(self) -> str:
        """The index of a turn, from 0 on."""
        return f"{self.counter} - {self.start}" if self.start else self.counter


def enclosing_loops(
    tree: Tree, method: cst.FunctionDef, node: cst.CSTNode, sites: tuple[LoopSite, ...]
) -> list[Loop]:
    """The loops of `sites` (outermost first) that stand around `node`. Raises `Refused`."""
    around = list(_loops_around(tree, method, node))
    found: list[Loop] = []
    for site in sites:
        if not site.known:
            raise Refused(f"the number of turns is not fixed when the model is built: {site.why}")
        matching = [loop for loop in around if _is_at(tree, loop, site)]
        if not matching:
            raise Refused(f"the loop at line {site.span.line} does not stand around the call itself")
        loop = matching[0]
        if isinstance(loop, cst.CompFor) and loop.inner_for_in is not None:
            raise Refused("the comprehension has several `for`")
        found.append(loop)
    for loop in found:
        _refuse_late(tree, loop, node)
    return found


def _loops_around(tree: Tree, method: cst.FunctionDef, node: cst.CSTNode) -> Iterator[Loop]:
    """Outermost first."""
    found: list[Loop] = []
    inner = node
    for around in tree.ancestors(node):
        if isinstance(around, cst.For) and inner is around.body:
            found.append(around)
        elif isinstance(around, COMPREHENSIONS) and inner is not around.for_in:
            found.append(around.for_in)
        if around is method:
            break
        inner = around
    return reversed(found)


def _is_at(tree: Tree, loop: Loop, site: LoopSite) -> bool:
    if isinstance(loop, cst.For):
        return tree.begins_at(loop, site.span)
    # `ast` counts the parentheses of a generator, libcst does not: look for what lies inside.
    return tree.inside(tree.parent(loop), site.span)


def _refuse_late(tree: Tree, loop: Loop, node: cst.CSTNode) -> None:
    """A function made in the loop may run after the loop, when the counter has its last value."""
    stop = loop if isinstance(loop, cst.For) else tree.parent(loop)
    for around in tree.ancestors(node):
        if around is stop:
            return
        if isinstance(around, cst.Lambda | cst.FunctionDef):
            raise Refused("the call stands in a function that is made in the loop and may run later")


class LoopCounter:
    """Finds or adds the counter of each loop, and counts the turns where the modules are made."""

    def __init__(self, file: OpenedFile, edits: Edits, cls: cst.ClassDef, maker: cst.FunctionDef) -> None:
        self._file = file
        self._tree = file.tree
        self._edits = edits
        self._cls = cls
        self._names = file.names_for(cls)
        self._maker = maker
        self._known: dict[Loop, Turns] = {}

    def turns(self, loop: Loop, method: cst.FunctionDef, made: str) -> Turns:
        """The turns of `loop` in `method`, countable in the maker of `made`. Raises `Refused`."""
        if loop not in self._known:
            if loop.asynchronous is not None:
                raise Refused("the loop is asynchronous")
            count = _Count(self._file, self._cls, method, self._maker, made)
            self._known[loop] = self._plan(loop, method, count)
        return self._known[loop]

    def _plan(self, loop: Loop, method: cst.FunctionDef, count: _Count) -> Turns:
        target, call = loop.target, loop.iter
        if isinstance(call, cst.Call) and isinstance(call.func, cst.Name) and _plain(call):
            args = [arg.value for arg in call.args]
            if call.func.value == "range":
                start, stop = _range_bounds(args)
                if start is not None and stop is not None and isinstance(target, cst.Name):
                    counter = self._counter(loop, method, target)
                    if counter is not None:
                        return Turns(counter, start, count.text(stop), count.needs)
            if call.func.value == "enumerate" and isinstance(target, cst.Tuple):
                first = target.elements[0].value
                start = _integer(args[1]) if len(args) == 2 else 0
                if isinstance(first, cst.Name) and start is not None:
                    counter = self._counter(loop, method, first)
                    if counter is not None:
                        length = count.length(args[0])
                        return Turns(counter, start, _plus(length, start), count.needs)
        length = count.length(call)
        counter = self._names.take_counter(method)
        self._edits.replace[loop] = lambda updated: _enumerated(updated, counter)
        return Turns(counter, 0, length, count.needs)

    def _counter(self, loop: Loop, method: cst.FunctionDef, target: cst.Name) -> str | None:
        """The counter the loop has; an unused `_` gets a name; None when the body rebinds it."""
        body = loop.body if isinstance(loop, cst.For) else self._tree.parent(loop)
        inside = [c for c in children(body) if c is not loop]
        if any(rebinds(child, target.value) for child in inside):
            return None
        if target.value.strip("_"):
            return target.value
        if any(isinstance(n, cst.Name) and n.value == target.value for c in inside for n in walk(c)):
            return target.value
        counter = self._names.take_counter(method)
        self._edits.replace[target] = lambda updated: updated.with_changes(value=counter)
        return counter


class _Count:
    """Writes down how many turns there are, in terms of what the maker of the modules can read."""

    def __init__(
        self,
        file: OpenedFile,
        cls: cst.ClassDef,
        method: cst.FunctionDef,
        maker: cst.FunctionDef,
        made: str,
    ) -> None:
        self._file = file
        self._tree = file.tree
        self._cls = cls
        self._method = method
        self._receiver = self_name(method)
        self._maker = maker
        self._maker_receiver = self_name(maker) or "self"
        self._bound = bound_in(method)
        self._maker_bound = bound_in(maker)
        self._made = made
        self.needs: frozenset[str] = frozenset()

    def length(self, iterable: cst.BaseExpression, depth: int = 0) -> str:
        """The number of elements of `iterable`, as source. Raises `Refused`."""
        if isinstance(iterable, cst.Tuple | cst.List | cst.Set):
            if any(isinstance(e, cst.StarredElement) for e in iterable.elements):
                raise self._not_available(iterable)
            return str(len(iterable.elements))
        if isinstance(iterable, cst.Name) and depth < _DEPTH:
            assigned = self._assigned_once(iterable.value)
            if assigned is not None:
                return self.length(assigned, depth + 1)
        if isinstance(iterable, cst.Call) and _plain(iterable):
            args = [arg.value for arg in iterable.args]
            if isinstance(iterable.func, cst.Name):
                name = iterable.func.value
                if name in ("enumerate", "reversed", "list", "tuple", "sorted") and args:
                    return self.length(args[0], depth)
                if name == "zip" and args:
                    return self._shortest(args, depth)
                if name == "range":
                    start, stop = _range_bounds(args)
                    if start == 0 and stop is not None:
                        return self.text(stop)
                    text = self.text(iterable)
                    numbers = _NUMBERS.fullmatch(text)
                    return str(len(range(*map(int, numbers[1].split(","))))) if numbers else f"len({text})"
            elif isinstance(iterable.func, cst.Attribute) and not args:
                if iterable.func.attr.value in _VIEWS:
                    return self.length(iterable.func.value, depth)
                if iterable.func.attr.value in _CHILDREN:
                    return f"len(list({self.text(iterable)}))"
        if isinstance(iterable, cst.Name | cst.Attribute | cst.Subscript):
            return f"len({self.text(iterable)})"
        raise self._not_available(iterable)

    def _shortest(self, args: list[cst.BaseExpression], depth: int) -> str:
        """`zip` ends with its shortest argument: one that can be counted is an upper bound."""
        reason: Refused | None = None
        for arg in args:
            try:
                return self.length(arg, depth)
            except Refused as refused:
                reason = reason or refused
        assert reason is not None
        raise reason

    def text(self, expression: cst.BaseExpression, depth: int = 0) -> str:
        """`expression` as the maker can write it: local names replaced by what they were assigned once.

        Raises `Refused`.
        """
        locals_used: list[tuple[cst.Name, str]] = []
        for node in walk(expression):
            attribute = self_attribute(node, self._receiver)
            if attribute is not None:
                self._need(attribute, expression)
            elif isinstance(node, cst.Name) and not self._is_label(node):
                assigned = self._assigned_once(node.value) if depth < _DEPTH else None
                if assigned is not None:
                    locals_used.append((node, self.text(assigned, depth + 1)))
                else:
                    self._check_name(node, expression)
            elif isinstance(node, cst.Call):
                if not self._may_call(node.func):
                    raise self._not_available(expression)
            elif isinstance(node, cst.Lambda | cst.NamedExpr | cst.Await | cst.Yield | cst.CompFor):
                raise self._not_available(expression)
        if self._receiver != self._maker_receiver and self.needs:
            raise self._not_available(expression)
        bare = expression.with_changes(lpar=[], rpar=[])
        if isinstance(bare, cst.Name) and locals_used:
            return locals_used[0][1]
        values = Edits()
        for name, text in locals_used:
            value = self._file.expression(text if _SIMPLE.fullmatch(text) else f"({text})")
            values.replace[name] = always(value)
        replaced = bare.visit(Rewriter(values))
        assert isinstance(replaced, cst.BaseExpression)
        text = self._tree.code(replaced)
        return f"({text})" if "\n" in text else text

    def _may_call(self, callee: cst.BaseExpression) -> bool:
        if isinstance(callee, cst.Name):
            return callee.value in PURE_BUILTINS
        return isinstance(callee, cst.Attribute) and callee.attr.value in (*_VIEWS, *_CHILDREN)

    def _need(self, attribute: str, expression: cst.BaseExpression) -> None:
        for statement in self._cls.body.body:
            if isinstance(statement, cst.FunctionDef) and statement.name.value == attribute:
                raise self._not_available(expression)  # a property: it may read what is made later
        self.needs |= {attribute}

    def _is_label(self, node: cst.Name) -> bool:
        """Whether `node` is no variable: an attribute's name, a keyword, or `self` in `self.x`."""
        parent = self._tree.parent(node)
        if isinstance(parent, cst.Attribute):
            return parent.attr is node or node.value == self._receiver
        return isinstance(parent, cst.Arg) and parent.keyword is node

    def _check_name(self, node: cst.Name, whole: cst.BaseExpression) -> None:
        """Refuse a name that means something else, or nothing, where the maker would write it."""
        name = node.value
        if self._bound[name] or self._maker_bound[name]:
            raise self._not_available(whole)
        if self._file.bound[name] > 1 or (not self._file.bound[name] and name not in PURE_BUILTINS):
            raise self._not_available(whole)

    def _assigned_once(self, name: str) -> cst.BaseExpression | None:
        """The value of a local name that the method assigns once, by a plain statement of its body."""
        if self._bound[name] != 1 or name in parameters(self._method):
            return None
        for line in self._method.body.body:
            if isinstance(line, cst.SimpleStatementLine) and name in bound_by(line):
                for small in line.body:
                    if isinstance(small, cst.Assign) and len(small.targets) == 1:
                        target = small.targets[0].target
                        if isinstance(target, cst.Name) and target.value == name:
                            return small.value if self._stays(name, small.value) else None
        return None

    def _stays(self, name: str, value: cst.BaseExpression) -> bool:
        """Whether what a local name holds cannot grow or shrink: nothing but reading is done with it."""
        if isinstance(value, cst.Tuple | cst.Integer):
            return True
        for node in walk(self._method):
            if not isinstance(node, cst.Name) or node.value != name or self._is_label(node):
                continue
            parent = self._tree.parent(node)
            if isinstance(parent, cst.Arg):
                call = self._tree.parent(parent)
                if not (isinstance(call, cst.Call) and self._may_call(call.func)):
                    return False
            elif isinstance(parent, cst.Attribute):
                call = self._tree.parent(parent)
                if isinstance(call, cst.Call) and call.func is parent and not self._may_call(parent):
                    return False
            elif isinstance(parent, cst.Subscript):
                if isinstance(self._tree.parent(parent), cst.AssignTarget | cst.AugAssign | cst.Del):
                    return False
            elif isinstance(parent, cst.AugAssign):
                return False
            elif isinstance(parent, cst.Assign) and parent.value is node:
                return False  # another name for the same list
        return True

    def _not_available(self, expression: cst.BaseExpression) -> Refused:
        text = self._tree.short(expression)
        return Refused(f"the iterable `{text}` is not available where `{self._made}` is made")


def _plain(call: cst.Call) -> bool:
    """Only positional arguments, none starred (`start=` of `enumerate` is as good as positional)."""
    return all(not arg.star and (arg.keyword is None or arg.keyword.value == "start") for arg in call.args)


def _range_bounds(args: list[cst.BaseExpression]) -> tuple[int | None, cst.BaseExpression | None]:
    if len(args) == 1:
        return 0, args[0]
    if len(args) == 2:
        return _integer(args[0]), args[1]
    return None, None


def _integer(node: cst.BaseExpression) -> int | None:
    return node.evaluated_value if isinstance(node, cst.Integer) else None


def _plus(length: str, start: int) -> str:
    if not start:
        return length
    return f"{length} + {start}" if _SIMPLE.fullmatch(length) else f"({length}) + {start}"


def _enumerated(updated: cst.CSTNode, counter: str) -> cst.CSTNode:
    """`for x in xs` -> `for i, x in enumerate(xs)`; a tuple gets the parentheses it then needs."""
    assert isinstance(updated, cst.For | cst.CompFor)
    target = _parenthesized(updated.target)
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    elements = [cst.Element(cst.Name(counter), comma=comma), cst.Element(target)]
    space = cst.SimpleWhitespace(" ")
    changes: dict[str, object] = {
        "target": cst.Tuple(elements=elements, lpar=[], rpar=[]),
        "iter": cst.Call(cst.Name("enumerate"), [cst.Arg(_parenthesized(updated.iter))]),
    }
    for field in ("whitespace_after_for", "whitespace_after_in"):
        if getattr(updated, field).empty:
            changes[field] = space
    return updated.with_changes(**changes)


def _parenthesized(node: cst.BaseExpression) -> cst.BaseExpression:
    if isinstance(node, cst.Tuple) and not node.lpar:
        return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return node
