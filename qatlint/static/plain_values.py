"""Expressions of a method, read once: what their values may be, and what they use of the modules."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from qatlint.static.leads import CHECKPOINTING
from qatlint.static.modulefile import ClassDef, ExpressionFound, Found, FunctionFound, ModuleFile
from qatlint.static.plain_numbers import computes_numbers, is_made_once, keeps_no_module, numbers_of
from qatlint.static.plain_words import (
    ADDING,
    COMPUTING,
    HANDING,
    HELD,
    LOOKING,
    NUMBER,
    OF_TENSORS,
    OPEN,
    OWN_API,
    PLAIN,
    SETUP,
    Counts,
    Function,
    NotPlainError,
    Owner,
    root,
)
from qatlint.static.project import Project

T = TypeVar("T")


class Values:
    """The state of a method that is read, and its expressions. All methods raise `NotPlainError`."""

    def __init__(
        self, project: Project, owner: Owner, cls: ClassDef, node: Function, number: int, constructing: bool
    ) -> None:
        self.project = project
        self.owner = owner
        self.cls = cls
        self.file = cls.file
        self.node = node
        self.number = number
        self.constructing = constructing
        names = [*node.args.posonlyargs, *node.args.args]
        self.me = names[0].arg if names else ""
        self.counts: Counts = {}
        """How often each attribute, and each local name that may hold a module, is handed on or called."""
        self.kinds: dict[str, int] = {}
        """Local name -> what it may be."""
        self.from_functions: set[str] = set()
        """Local names that hold what a function gave."""
        self.returned = PLAIN
        self.targets: list[str] = []
        """Counters of the loops around."""

    def _apart(self, run: Callable[[], T]) -> tuple[Counts, T]:
        """What a part uses by itself, and what it gave."""
        outer, self.counts = self.counts, {}
        result = run()
        inner, self.counts = self.counts, outer
        return inner, result

    def _merge(self, *ways: Counts) -> None:
        for key in {key for way in ways for key in way}:
            self._count(key, max(way.get(key, 0) for way in ways))

    def _count(self, key: str, number: int = 1) -> None:
        count = self.counts.get(key, 0) + number
        if count > 1:
            if self.is_settled(key):
                return
            raise NotPlainError(f"{key} twice")
        self.counts[key] = count

    def is_settled(self, key: str) -> bool:
        """Whether a name that is used several times is that of a number, or of what makes modules. Asked only
        then: most names are used once."""
        if key.startswith("self."):
            origin = self.owner.origins.get(key[5:])
            if origin is None or not origin[0].is_settled(origin[1]):
                return False
            self.owner.settled.add(key[5:])
            return True
        kind = self.kinds.get(key)
        if not self.constructing:
            return kind is PLAIN
        if kind is OPEN or (kind is HELD and key in self.from_functions):
            return key in numbers_of(self.project, self.cls, self.node)
        return kind is PLAIN

    def _iterate(self, target: ast.expr, over: ast.expr, run: Callable[[], object], bound: set[str]) -> None:
        names = self._bind(target, over)
        self.targets += names
        inner, _ = self._apart(run)
        del self.targets[len(self.targets) - len(names) :]
        for key, count in inner.items():
            if key in names or key in bound:
                continue
            listed, _, counter = key.partition("[")
            if counter and counter[:-1] in names:
                self._count(listed)
            elif count and not self.is_settled(key):
                raise NotPlainError(f"{key} in a loop")

    def _bind(self, target: ast.expr, over: ast.expr) -> list[str]:
        """Give the targets of a loop what they may hold; their names."""
        if isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and not over.keywords:
            called = over.func.id
            if (
                called == "enumerate"
                and over.args
                and isinstance(target, ast.Tuple)
                and len(target.elts) == 2
            ):
                return [*self._name_all(target.elts[0], PLAIN), *self._bind(target.elts[1], over.args[0])]
            if called == "zip" and isinstance(target, ast.Tuple) and len(target.elts) == len(over.args):
                pairs = zip(target.elts, over.args, strict=True)
                return [name for part, arg in pairs for name in self._bind(part, arg)]
            if called in ("reversed", "list", "tuple") and len(over.args) == 1:
                return self._bind(target, over.args[0])
            if called == "range":
                self._look(over)
                return self._name_all(target, PLAIN)
        return self._name_all(target, self._value(over))

    def _name_all(self, target: ast.expr, kind: int) -> list[str]:
        if isinstance(target, ast.Name):
            self.kinds[target.id] = kind
            return [target.id]
        if isinstance(target, (ast.Tuple, ast.List)):
            return [name for part in target.elts for name in self._name_all(part, kind)]
        if isinstance(target, ast.Starred):
            return self._name_all(target.value, kind)
        raise NotPlainError("target")

    def _is_me(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == self.me

    def _look(self, node: ast.expr) -> None:
        """An expression of which nothing is kept."""
        kind = type(node)
        if kind is ast.Name or kind is ast.Constant:
            return
        if isinstance(node, ast.Attribute):
            self._mention(node)
        elif isinstance(node, ast.Subscript):
            self._look(node.value)
            self._look(node.slice)
        elif isinstance(node, ast.Call):
            self._call(node)
        elif isinstance(node, (ast.Lambda, ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)):
            raise NotPlainError("expression")
        elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
            self._value(node)
        else:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.expr):
                    self._look(child)

    def _mention(self, node: ast.Attribute) -> None:
        """An attribute that is only looked at."""
        inner: ast.expr = node
        while isinstance(inner, (ast.Attribute, ast.Subscript)):
            if isinstance(inner, ast.Attribute) and self._is_me(inner.value):
                self._note(inner.attr)
                if self.owner.find(inner.attr) is not None:
                    self._method(inner.attr)
                return
            if isinstance(inner, ast.Subscript):
                self._look(inner.slice)
            inner = inner.value
        if not isinstance(inner, ast.Name):
            self._look(inner)

    def _note(self, attribute: str) -> None:
        if not self.constructing:
            self.owner.mentioned.add(attribute)

    def _value(self, node: ast.expr) -> int:
        """An expression whose value is called, kept or handed on: what it may be."""
        kind = type(node)
        if kind is ast.Constant or kind is ast.JoinedStr:
            return PLAIN
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Call):
            return self._call(node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.IfExp):
            self._look(node.test)
            first, kind_of_first = self._apart(partial(self._value, node.body))
            second, kind_of_second = self._apart(partial(self._value, node.orelse))
            self._merge(first, second)
            return max(kind_of_first, kind_of_second)
        if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return max([PLAIN, *(self._value(e) for e in node.elts)])
        if isinstance(node, ast.Starred):
            return self._value(node.value)
        if isinstance(node, ast.Dict):
            return max([PLAIN, *(self._value(v) for v in node.values)])
        if isinstance(node, ast.BinOp):
            found = max(self._value(node.left), self._value(node.right))
            if not isinstance(node.op, (ast.Add, ast.Mult)):
                return PLAIN  # no list of modules is divided
            if found is HELD and isinstance(node.op, ast.Mult):
                raise NotPlainError("operator")
            return PLAIN if found is OPEN else found
        if isinstance(node, ast.BoolOp):
            return max(self._value(v) for v in node.values)
        if isinstance(node, (ast.Compare, ast.UnaryOp)):
            self._look(node)
            return PLAIN
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.SetComp)):
            return self._comprehend(node.generators, [node.elt])
        if isinstance(node, ast.DictComp):
            return self._comprehend(node.generators, [node.key, node.value])
        if isinstance(node, ast.Slice):
            return PLAIN
        raise NotPlainError(f"expression {kind.__name__}")

    def _comprehend(self, generators: list[ast.comprehension], elements: list[ast.expr]) -> int:
        found = PLAIN
        kinds = dict(self.kinds)

        def run(rest: list[ast.comprehension]) -> bool:
            nonlocal found
            if not rest:
                found = max(found, *(self._value(e) for e in elements), PLAIN)
                return False
            for test in rest[0].ifs:
                self._look(test)
            if len(rest) == 1:
                return run([])
            self._iterate(rest[1].target, rest[1].iter, lambda: run(rest[1:]), set())
            return False

        self._iterate(generators[0].target, generators[0].iter, lambda: run(generators), set())
        self.kinds = kinds
        return found

    def _name(self, node: ast.Name) -> int:
        if node.id == self.me:
            raise NotPlainError("self is handed on")
        kind = self.kinds.get(node.id)
        if kind is None:
            self._global(node.id)
            return PLAIN
        if kind is not PLAIN:
            self._count(node.id)
        return kind

    def _global(self, name: str) -> None:
        """Raises where a name of the file may be a module that was made once for all."""
        if is_made_once(self.project.resolve(self.file, name)):
            raise NotPlainError(f"{name} is global")

    def _is_foreign(self, name: str) -> bool:
        """Whether a name of the file is an object of a class from elsewhere that is no module, such as a
        registry: each call of its methods gives something else, as far as anybody can tell."""
        found = self.project.resolve(self.file, name)
        if not isinstance(found, ExpressionFound) or not isinstance(found.node, ast.Call):
            return False
        maker = self.project.expression(found.node.func, found.file)
        return isinstance(maker, str) and not maker.startswith("torch.")

    def _attribute(self, node: ast.Attribute, *, called: bool = False) -> int:
        path = [node.attr]
        inner = node.value
        while isinstance(inner, ast.Attribute):
            path.append(inner.attr)
            inner = inner.value
        if self._is_me(inner):
            first = path[-1]
            self._note(first)
            if len(path) == 1 and self.owner.find(first) is not None:
                used, _ = self._apart(partial(self._method, first))
                if used:
                    raise NotPlainError("a method is handed on")
                return PLAIN
            kind = self.owner.kinds.get(first)
            if kind is None:
                if first in OWN_API or any(
                    isinstance(c, ClassDef) and first in c.constants for c in self.owner.line
                ):
                    return PLAIN
                if self.owner.extends_layer and not called:
                    return PLAIN
                raise NotPlainError(f"unknown {first}")
            if len(path) > 1 and not called and NUMBER.search(path[0]):
                return PLAIN
            if len(path) > 1 and self.constructing and kind is not PLAIN:
                raise NotPlainError("a part of an attribute")
            if kind is not PLAIN or called:
                self._count(f"self.{first}")
            if called:
                self.owner.called.add(first)
            return kind
        if not isinstance(inner, ast.Name):
            self._look(inner)
        holder = root(inner)
        if self._is_me(holder):
            raise NotPlainError("a part of an element")
        if isinstance(holder, ast.Name):
            kind = self.kinds.get(holder.id, PLAIN)
            if kind is HELD and not any(map(NUMBER.search, path)):
                if holder is not inner or len(path) > 1 or called or not self.constructing:
                    raise NotPlainError("a part of a local name")
                self._count(f"{holder.id}.{path[0]}")
                return OPEN
        return PLAIN

    def _is_own_method(self, node: ast.Attribute) -> bool:
        return self._is_me(node.value) and self.owner.find(node.attr) is not None

    def _method(self, name: str) -> int:
        """A method that is executed here, or handed on as it is."""
        return PLAIN if self.constructing and name in SETUP else self._enter(name, 0)

    def _enter(self, name: str, start: int) -> int:
        counts, returned = self.owner.enter(name, constructing=self.constructing, start=start)
        for key, count in counts.items():
            self._count(key, count)
        return returned

    def _subscript(self, node: ast.Subscript) -> int:
        if isinstance(node.value, ast.Attribute) and self._is_me(node.value.value):
            attribute = node.value.attr
            self._note(attribute)
            kind = self.owner.kinds.get(attribute)
            if kind is not None and kind is not PLAIN:
                index = node.slice
                if self.constructing or not isinstance(index, ast.Name) or index.id not in self.targets:
                    raise NotPlainError("indexed")
                self._count(f"self.{attribute}[{index.id}]")
                return kind
        self._look(node.slice)
        if isinstance(node.value, ast.Call) and self.constructing and isinstance(node.slice, ast.Constant):
            return self._value(node.value)  # one of several that were just made
        if isinstance(node.value, ast.Name):
            held = self.kinds.get(node.value.id, PLAIN)
            if held is OPEN:
                return PLAIN
            if held is HELD and node.value.id in self.from_functions and isinstance(node.slice, ast.Constant):
                self._count(f"{node.value.id}[{node.slice.value!r}]")
                return HELD
        kind = self._value(node.value)
        if kind is HELD:
            raise NotPlainError("indexed")
        return kind

    def _arguments(self, node: ast.Call) -> int:
        found = PLAIN
        for argument in node.args:
            found = max(found, self._value(argument))
        for keyword in node.keywords:
            found = max(found, self._value(keyword.value))
        return found

    def _look_at_all(self, node: ast.Call) -> None:
        for argument in node.args:
            self._look(argument)
        for keyword in node.keywords:
            self._look(keyword.value)

    def _call(self, node: ast.Call) -> int:
        callee = node.func
        if isinstance(callee, ast.Name):
            return self._call_name(node, callee.id)
        if isinstance(callee, ast.Attribute):
            return self._call_attribute(node, callee)
        if isinstance(callee, ast.Subscript):
            if self._subscript(callee) is PLAIN and not self.constructing:
                raise NotPlainError("picked")
            return self._called_with(node)
        if not self.constructing:
            raise NotPlainError("call of a call")
        made = self._value(callee)
        return max(made, self._arguments(node)) if isinstance(callee, ast.Call) and made is PLAIN else HELD

    def _called_with(self, node: ast.Call) -> int:
        """What a call of a module, or of a method, gives: tensors, once it runs."""
        kind = self._arguments(node)
        if kind is not PLAIN:
            raise NotPlainError("a module is handed to a module")
        return HELD if self.constructing else PLAIN

    def _call_name(self, node: ast.Call, name: str) -> int:
        kind = self.kinds.get(name)
        if kind is not None:
            if not self.constructing:
                if kind is not PLAIN:
                    self._count(name)
                return self._called_with(node)
            self._arguments(node)
            return HELD
        if name in LOOKING:
            self._look_at_all(node)
            return PLAIN
        if name == "getattr":
            return self._asked(node)
        if name in HANDING:
            if name == "filter" and not (node.args and isinstance(node.args[0], ast.Constant)):
                raise NotPlainError("filter")  # what it is given first may run for each element
            return self._arguments(node)
        if name == "super":
            return PLAIN
        found = self.project.resolve(self.file, name)
        return self._call_found(node, found, name)

    def _asked(self, node: ast.Call) -> int:
        """`getattr(x, "name")` is `x.name`."""
        if len(node.args) < 2:
            raise NotPlainError("getattr")
        holder, name, *default = node.args
        if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
            raise NotPlainError("a name that is put together")
        found = self._attribute(ast.Attribute(holder, name.value, ast.Load()))
        return max([found, *(self._value(value) for value in default)])

    def _call_attribute(self, node: ast.Call, callee: ast.Attribute) -> int:
        held = callee.value
        if isinstance(held, ast.Call) and isinstance(held.func, ast.Name) and held.func.id == "super":
            return self._call_super(node, callee.attr)
        if self._is_me(held):
            if self.owner.find(callee.attr) is not None:
                if self._arguments(node) is not PLAIN:
                    raise NotPlainError("handed to a method")
                return self._method(callee.attr)
            if callee.attr in OWN_API:
                self._look_at_all(node)
                return PLAIN
            self._attribute(callee, called=True)
            return self._called_with(node)
        first = root(held)
        if self._is_me(first):
            if callee.attr in OF_TENSORS:
                self._look(held)
                self._look_at_all(node)
                return PLAIN
            if callee.attr in ("items", "values", "keys", "append", "insert", "extend", "get"):
                raise NotPlainError(callee.attr)
            if self.constructing and NUMBER.search(callee.attr):
                self._look(held)
                self._look_at_all(node)
                return PLAIN
            if isinstance(held, ast.Subscript):
                if self._subscript(held) is not PLAIN:
                    raise NotPlainError("a part of an element")
            else:
                self._attribute(callee, called=True)
            return self._called_with(node)
        if isinstance(first, ast.Name) and first.id not in self.kinds:
            found = self.project.expression(callee, self.file)
            if found is not None:
                return self._call_found(node, found, callee.attr)
            if self.constructing:
                if self._arguments(node) is HELD:
                    raise NotPlainError("a module is handed to a method")
                if not self._is_foreign(first.id):
                    self._global(first.id)
                return HELD
        if callee.attr in ADDING and isinstance(held, ast.Name):
            kind = self._arguments(node)
            self.kinds[held.id] = max(self.kinds.get(held.id, PLAIN), kind)
            return PLAIN
        # A method of a value.
        if isinstance(first, ast.Name):
            if self.kinds.get(first.id, PLAIN) is HELD:
                raise NotPlainError("a method of a local name")
            self._look(held)
        else:
            self._value(held)
        if self._arguments(node) is not PLAIN:
            raise NotPlainError("a module is handed to a method")
        return PLAIN

    def _call_super(self, node: ast.Call, name: str) -> int:
        if self.owner.find(name, self.number + 1) is None:
            self._look_at_all(node)
            return PLAIN
        if self._arguments(node) is HELD:
            raise NotPlainError("handed to a base")
        return self._enter(name, self.number + 1)

    def _call_found(self, node: ast.Call, found: Found | ModuleFile | str | None, name: str) -> int:
        if not self.constructing:
            if CHECKPOINTING in name:
                for argument in node.args:
                    if isinstance(argument, ast.Attribute) and self._is_own_method(argument):
                        self._method(argument.attr)
                    else:
                        self._value(argument)
                return PLAIN
            if isinstance(found, ClassDef) or (
                isinstance(found, str) and ".nn." in found and name[:1].isupper()
            ):
                raise NotPlainError("made in forward")
            if isinstance(found, str) and found.startswith(("torch.nn.functional.", "math.", "einops.")):
                self._look_at_all(node)
                return PLAIN
            if self._arguments(node) is not PLAIN:
                raise NotPlainError("a module is handed to a function")
            return PLAIN
        if isinstance(found, str):
            if keeps_no_module(found):
                self._look_at_all(node)
                return HELD
            if found.startswith("torch.nn."):
                if name in ("Parameter", "Buffer"):
                    self._look_at_all(node)
                    return PLAIN
            elif found.startswith(COMPUTING) and not name[:1].isupper():
                self._look_at_all(node)
                return PLAIN
            elif found == "functools.partial":
                # It may be called any number of times, always with the same arguments.
                for argument in (*node.args[1:], *(k.value for k in node.keywords)):
                    if self._value(argument) is HELD:
                        raise NotPlainError("partial")
                for argument in node.args[:1]:
                    self._look(argument)
                return PLAIN
            self._arguments(node)
            return HELD
        if isinstance(found, FunctionFound):
            if found.node.decorator_list:
                raise NotPlainError("decorated function")
            kind = self._arguments(node)
            if computes_numbers(self.project, found):
                return kind
            if kind is HELD:
                raise NotPlainError("a module is handed to a function")
            return HELD
        if isinstance(found, ExpressionFound) and isinstance(found.node, ast.Call):
            maker = self.project.expression(found.node.func, found.file)
            if isinstance(maker, FunctionFound) and computes_numbers(self.project, maker):
                return self._arguments(node)
        if self._arguments(node) is HELD:
            raise NotPlainError("a module is handed to a constructor")
        return HELD
