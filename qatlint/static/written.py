"""What stands where in the source: facts that decide whether a rewrite can be written down.

The interpreter knows what happens; a fix needs to know how it is spelt. These are the questions of
`qatlint.clone_plan`, so that it offers no fix which the codemods would then refuse.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple

from qatlint.static.modulefile import ClassDef, ModuleFile
from qatlint.static.source import nodes

Method = ast.FunctionDef | ast.AsyncFunctionDef

_PASSED_ON = frozenset({"enumerate", "reversed", "list", "tuple", "sorted"})
_BUILTINS = frozenset(
    "abs bool dict divmod float getattr hasattr int isinstance len list max min range reversed round set "
    "sorted str sum tuple zip enumerate".split()
)
_VIEWS = frozenset({"values", "items", "keys", "children", "named_children"})
_MOVING = (ast.Lambda, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom, ast.comprehension)
_DEPTH = 5


class Site(NamedTuple):
    """The class and the method around a node; None outside of one."""

    cls: ClassDef | None
    method: Method | None

    @property
    def name(self) -> str:
        """`Model` or `Model.forward`, for a message."""
        parts = (self.cls.name if self.cls else "", self.method.name if self.method else "")
        return ".".join(filter(None, parts))


def site_of(file: ModuleFile, line: int) -> Site:
    """The innermost class around a line, and its method there."""
    around = [c for c in file.classes if c.node.lineno <= line <= (c.node.end_lineno or 0)]
    cls = max(around, key=lambda c: c.node.lineno, default=None)
    for statement in cls.node.body if cls is not None else ():
        if isinstance(statement, Method) and statement.lineno <= line <= (statement.end_lineno or 0):
            return Site(cls, statement)
    return Site(cls, None)


def has_room_after_super(cls: ClassDef) -> bool:
    """Whether the class has a constructor with a line `super().__init__(...)` of its own."""
    constructor = cls.methods.get("__init__")
    return constructor is not None and any(
        isinstance(s, ast.Expr)
        and isinstance(s.value, ast.Call)
        and isinstance(s.value.func, ast.Attribute)
        and s.value.func.attr == "__init__"
        and isinstance(s.value.func.value, ast.Call)
        and isinstance(s.value.func.value.func, ast.Name)
        and s.value.func.value.func.id == "super"
        for s in constructor.body
    )


def has_room_for_stub(cls: ClassDef) -> bool:
    """Whether there is a line in the constructor behind which a QuantStub can be made: one that makes such a
    stub, or one that runs the constructor of a base. Where there is no constructor, one can be written."""
    constructor = cls.methods.get("__init__")
    if constructor is None:
        return True
    return bool(constructor.args.args) and any(_makes_room(s) for s in constructor.body)


def _makes_room(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        call = statement.value
        return isinstance(call, ast.Call) and _last_name(call.func) == "__init__"
    value = statement.value if isinstance(statement, ast.Assign) else None
    return isinstance(value, ast.Call) and _last_name(value.func) == "QuantStub"


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


_FUNCTIONS = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_APART = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


def standing_apart(method: Method) -> frozenset[int]:
    """Ids of the nodes of a method that have no `self` at hand, or may run several times in one run of it:
    those of functions and comprehensions inside of it, and all of a static method."""
    arguments = (*method.args.posonlyargs, *method.args.args)
    decorators = {_last_name(d) for d in method.decorator_list}
    if not arguments or "staticmethod" in decorators:
        return frozenset(map(id, nodes(method)))
    inner = (n for n in nodes(method) if n is not method and isinstance(n, _APART))
    return frozenset(id(n) for part in inner for n in nodes(part))


def standing_in_comprehensions(method: Method) -> frozenset[int]:
    """Ids of those of them that only run several times: what stands in front of the statement is at hand."""
    arguments = (*method.args.posonlyargs, *method.args.args)
    if not arguments or "staticmethod" in {_last_name(d) for d in method.decorator_list}:
        return frozenset()
    inner = [n for n in nodes(method) if n is not method and isinstance(n, _APART)]
    away = {id(n) for part in inner if isinstance(part, _FUNCTIONS) for n in nodes(part)}
    return frozenset(id(n) for part in inner for n in nodes(part)) - away


class Written:
    """Questions to the text of one method."""

    def __init__(self, method: Method) -> None:
        self._method = method
        arguments = method.args
        parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        parameters += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
        self._receiver = parameters[0].arg if parameters else ""
        self._parameters = {a.arg for a in parameters}
        self._stored: dict[str, int] = {}
        for node in nodes(method):
            if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
                self._stored[node.id] = self._stored.get(node.id, 0) + 1

    def means(self, callee: ast.AST, attribute: str) -> bool:
        """Whether a called expression is `self.<attribute>` or a method of it, or a local name that stands
        for it only. A name that the method does not bind (a function that was handed the module) is taken
        to be."""
        if isinstance(callee, ast.Name):
            if callee.id not in self._stored:
                return True
            assigned = self._assigned_once(callee.id, anywhere=True)
            return assigned is not None and self.is_attribute(assigned, attribute)
        while isinstance(callee, ast.Attribute) and not self.is_attribute(callee, attribute):
            callee = callee.value
        return self.is_attribute(callee, attribute)

    def is_attribute(self, node: ast.AST, attribute: str) -> bool:
        """Whether an expression is `self.<attribute>`."""
        return (
            isinstance(node, ast.Attribute)
            and node.attr == attribute
            and isinstance(node.value, ast.Name)
            and node.value.id == self._receiver
        )

    def countable(self, iterable: ast.AST, depth: int = 0) -> bool:
        """Whether the constructor can say how many elements `iterable` has."""
        if isinstance(iterable, (ast.Tuple, ast.List, ast.Set)):
            return not any(isinstance(e, ast.Starred) for e in iterable.elts)
        if isinstance(iterable, ast.Name) and depth < _DEPTH:
            assigned = self._assigned_once(iterable.id)
            if assigned is not None:
                return self.countable(assigned, depth + 1)
        if isinstance(iterable, ast.Call):
            callee = iterable.func
            if isinstance(callee, ast.Name) and iterable.args:
                if callee.id in _PASSED_ON:
                    return self.countable(iterable.args[0], depth)
                if callee.id == "zip":
                    return any(self.countable(a, depth) for a in iterable.args)
                if callee.id == "range":
                    return all(self._is_available(a, depth) for a in iterable.args)
            if isinstance(callee, ast.Attribute) and callee.attr in _VIEWS and not iterable.args:
                return self.countable(callee.value, depth)
            return False
        if isinstance(iterable, (ast.Name, ast.Attribute, ast.Subscript)):
            return self._is_available(iterable, depth)
        return False

    def attributes(self, expression: ast.AST, depth: int = 0) -> Iterator[str]:
        """The attributes of the object that an expression of this method reads, also through local names."""
        for node in nodes(expression):
            if isinstance(node, ast.Attribute):
                if isinstance(node.value, ast.Name) and node.value.id == self._receiver:
                    yield node.attr
            elif isinstance(node, ast.Name) and depth < _DEPTH:
                assigned = self._assigned_once(node.id)
                if assigned is not None:
                    yield from self.attributes(assigned, depth + 1)

    def _is_available(self, expression: ast.AST, depth: int) -> bool:
        """Whether the constructor can evaluate an expression of this method: nothing local is in it."""
        for node in _outside_in(expression, self._receiver):
            if isinstance(node, _MOVING):
                return False
            if isinstance(node, ast.Call) and not _is_reading(node.func):
                return False
            if isinstance(node, ast.Name):
                if node.id not in self._stored and node.id not in self._parameters:
                    continue
                assigned = self._assigned_once(node.id) if depth < _DEPTH else None
                if assigned is None or not self._is_available(assigned, depth + 1):
                    return False
        return True

    def _assigned_once(self, name: str, *, anywhere: bool = False) -> ast.expr | None:
        """What a local name is, when one plain statement of the body (or anywhere in it) says so."""
        if name in self._parameters or self._stored.get(name) != 1:
            return None
        for statement in nodes(self._method) if anywhere else self._method.body:
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    if isinstance(target, ast.Name) and target.id == name:
                        return statement.value
        return None


def _outside_in(expression: ast.AST, receiver: str) -> Iterator[ast.AST]:
    """The nodes of an expression; `self` of `self.x` is left out."""
    pending = [expression]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == receiver:
            continue
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            pending.extend(node.args)
            pending.extend(k.value for k in node.keywords)
            continue
        pending.extend(ast.iter_child_nodes(node))


def _is_reading(callee: ast.AST) -> bool:
    if isinstance(callee, ast.Name):
        return callee.id in _BUILTINS
    return isinstance(callee, ast.Attribute) and callee.attr in _VIEWS
