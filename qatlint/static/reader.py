"""What running code changes that outlives the call: in the instance that runs it, or outside of it.

Two instances in the place of one would no longer share the first, and other code sees the second. The
code of one class is followed from where it starts: through its methods, what it keeps as callables, and
functions of the project that it calls, which may change what they are given.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from qatlint.static.function_syntax import (
    FunctionNode,
    inner_functions,
    is_name,
    is_super,
    last_name,
    meant,
    names_bound,
    parameters_of,
)
from qatlint.static.modulefile import ClassDef, FunctionFound
from qatlint.static.project import Project
from qatlint.static.scope import EMPTY, Attributes, Code, Root, Scope, receiver
from qatlint.static.source import nodes

_HOOKS = ("register_forward_hook", "register_forward_pre_hook")
_REGISTERED = "<hook>"
_MOST = 60
"""Functions that are read for one class."""


class Reader:
    """Follows the code of one class: `classes` is its linearisation."""

    def __init__(
        self, project: Project, classes: Iterable[ClassDef], modules: frozenset[str], plain: frozenset[str]
    ) -> None:
        """`modules` and `plain` as in `Attributes`."""
        self._project = project
        self.methods: dict[str, list[tuple[ClassDef, ast.FunctionDef | ast.AsyncFunctionDef]]] = {}
        empty: frozenset[str] = frozenset()
        for cls in classes:
            empty |= _empty_in(cls)
            for name, method in cls.methods.items():
                self.methods.setdefault(name, []).append((cls, method))
        self._attributes = Attributes(modules, plain, empty, frozenset(self.methods))
        self._stored: dict[str, list[Code]] | None = None
        self._registered: list[Code] = []
        self._done: set[tuple[int, frozenset[tuple[str, Root]]]] = set()
        self.calls: set[str] = set()
        """Names of what the code read so far calls as methods of something."""

    def hooks(self) -> list[str]:
        """What is registered to run with forward: methods, and one name for all functions."""
        found: list[str] = []
        for definitions in self.methods.values():
            for cls, method in definitions:
                if not any(word in cls.text_of(method) for word in _HOOKS):
                    continue
                for node in nodes(method):
                    if isinstance(node, ast.Call) and last_name(node.func) in _HOOKS and node.args:
                        hook = node.args[0]
                        found += [n.attr for n in nodes(hook) if isinstance(n, ast.Attribute)]
                        self._registered += self._hook(hook, method, cls)
        return [*found, _REGISTERED]

    def _hook(self, hook: ast.expr, method: ast.AST, cls: ClassDef) -> Iterator[Code]:
        """A function that is registered: it is given the instance first."""
        code = Scope(self._project, self._method(cls, method), self._attributes).function(hook)
        if code is not None:
            yield code._replace(kept={**code.kept, **_first_is_instance(code.node)})

    def read(self, starts: Iterable[str]) -> Iterator[tuple[str, Scope]]:
        """The scopes of all code that these methods lead to, each with the name of the method."""
        waiting = list(starts)
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            codes = [self._method(cls, method) for cls, method in self.methods.get(name, ())]
            for code in codes or (self._registered if name == _REGISTERED else self._kept_as(name)):
                for scope in self._follow(code):
                    yield name, scope
                    waiting += scope.mentioned(self.methods)

    def follow(self, node: ast.AST, method: ast.AST, cls: ClassDef) -> Iterator[Scope]:
        """The scopes of an expression in a method, and of the functions that it calls."""
        me = receiver(method)
        return self._follow(Code(node, cls.file, me, frozenset(names_bound(method) - set(me))))

    def run(self, code: Code) -> Iterator[Scope]:
        """The scopes of a function that is no method, and of the functions that it calls."""
        return self._follow(code)

    def _follow(self, code: Code) -> Iterator[Scope]:
        """The scope of some code, and of the functions of the project that it calls."""
        waiting = [code]
        while waiting and len(self._done) < _MOST:
            code = waiting.pop()
            key = (id(code.node), frozenset(code.kept.items()))
            if key in self._done:
                continue
            self._done.add(key)
            scope = Scope(self._project, code, self._attributes)
            self.calls |= scope.called()
            yield scope
            for call in scope.calls():
                waiting += self._called(call, scope)
            waiting += self._decorators(code)

    def _method(self, cls: ClassDef, method: ast.AST) -> Code:
        return Code(method, cls.file, receiver(method))

    def _called(self, call: ast.Call, scope: Scope) -> Iterator[Code]:
        """The functions of the project that a call runs, with what it hands them."""
        callee, arguments = call.func, list(call.args)
        if last_name(callee) == "partial" and arguments:
            callee, *arguments = arguments
        keywords = {k.arg: k.value for k in call.keywords if k.arg}
        if isinstance(callee, ast.Attribute):
            held = scope.root(callee.value)
            if (held is not None and not held.name) or is_super(callee.value):
                for cls, method in self.methods.get(callee.attr, ()):
                    own = receiver(method)
                    given = scope.handed(method, arguments, keywords, skip=bool(own))
                    if given:
                        yield Code(method, cls.file, {**own, **given})
                return
        code = scope.function(callee)
        if code is not None and isinstance(code.node, FunctionNode):
            yield code._replace(kept={**code.kept, **scope.handed(code.node, arguments, keywords)})

    def _decorators(self, code: Code) -> Iterator[Code]:
        """Functions of the project that wrap a method: what they hold is one for all instances."""
        for decorator in getattr(code.node, "decorator_list", ()):
            callee = decorator.func if isinstance(decorator, ast.Call) else decorator
            found = self._project.expression(callee, code.file)
            if isinstance(found, FunctionFound):
                held = _held_around(found.node)
                yield Code(found.node, found.file, held)
                for inner in nodes(found.node):
                    if isinstance(inner, ast.FunctionDef) and inner is not found.node:
                        # The wrapper is given the instance first.
                        kept = {n: r for n, r in held.items() if n not in names_bound(inner)}
                        yield Code(inner, found.file, {**kept, **_first_is_instance(inner)})

    def _kept_as(self, attribute: str) -> list[Code]:
        """What is kept as `self.<attribute>` and may be called: a bound method, a lambda, a partial."""
        if self._stored is None:
            self._stored = {}
            for definitions in self.methods.values():
                for cls, method in definitions:
                    self._store(cls, method, self._stored)
        return self._stored.get(attribute, [])

    def _store(self, cls: ClassDef, method: ast.AST, stored: dict[str, list[Code]]) -> None:
        me = receiver(method)
        around: dict[str, Root] = {}
        written: dict[str, ast.FunctionDef] | None = None
        for node in nodes(method):
            if not isinstance(node, ast.Assign) or not _may_be_function(node.value):
                continue
            targets = [t.attr for t in node.targets if isinstance(t, ast.Attribute) and is_name(t.value, me)]
            if not targets:
                continue
            if written is None:
                # What the constructor made lives as long as the callable that it is in.
                around = {**{name: Root(name) for name in names_bound(method)}, **me}
                written = inner_functions(method)
            inner = [f for part in nodes(node.value) if (f := meant(part, written)) is not None]
            for function in (node.value, *inner):
                own = names_bound(function) if function in inner else ()
                kept = {n: r for n, r in around.items() if n not in own}
                for target in targets:
                    stored.setdefault(target, []).append(Code(function, cls.file, kept))


def _first_is_instance(function: ast.AST) -> dict[str, Root]:
    """The first parameter of a function that is handed the instance."""
    return {name: Root("") for name in parameters_of(function)[:1]}


def _held_around(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, Root]:
    """What the functions inside a function share: its names that none of them binds."""
    inner = {
        name
        for node in nodes(function)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and node is not function
        for name in names_bound(node)
    }
    own = names_bound(function) - inner - set(parameters_of(function))
    return {name: Root(name, True) for name in own}


def _empty_in(cls: ClassDef) -> frozenset[str]:
    """Attributes that begin as empty containers in the methods of a class."""
    known: frozenset[str] | None = cls.states.get("empty")
    if known is None:
        found = set()
        for method in cls.methods.values():
            me = receiver(method)
            for node in nodes(method):
                if isinstance(node, ast.Assign) and _is_empty(node.value):
                    found |= {
                        t.attr for t in node.targets if isinstance(t, ast.Attribute) and is_name(t.value, me)
                    }
        known = cls.states["empty"] = frozenset(found)
    return known


def _may_be_function(value: ast.expr) -> bool:
    """Whether an expression may give a function: a bound method, a name, a lambda, a partial of them."""
    if isinstance(value, ast.IfExp):
        return _may_be_function(value.body) or _may_be_function(value.orelse)
    if isinstance(value, ast.Call):
        return last_name(value.func) == "partial"
    return isinstance(value, (ast.Attribute, ast.Name, ast.Lambda))


def _is_empty(node: ast.AST) -> bool:
    """Whether an expression makes a container with nothing in it."""
    if isinstance(node, (ast.List, ast.Dict)):
        return not (node.elts if isinstance(node, ast.List) else node.keys)
    return isinstance(node, ast.Call) and last_name(node.func) in EMPTY and not node.args
