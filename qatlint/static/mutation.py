"""What running code changes that outlives the call: in the instance that runs it, or outside of it.

Two instances in the place of one would no longer share the first, and other code sees the second. The
code of one class is followed from where it starts: through its methods, what it keeps as callables, and
functions of the project that it calls, which may change what they are given.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple

from qatlint.static.modulefile import ClassDef, ExpressionFound, FunctionFound, ModuleFile
from qatlint.static.project import Project
from qatlint.static.source import nodes

MUTATORS = frozenset(
    "append extend insert pop popitem clear update add discard remove setdefault popleft appendleft".split()
)
"""Methods that change a list, a dict or a set."""
_CHANGERS = MUTATORS.union(
    "extendleft rotate sort reverse move_to_end subtract put put_nowait push write writelines fill resize "
    "difference_update intersection_update symmetric_difference_update __setitem__ __delitem__ normal "
    "uniform random randn rand randint integers choice shuffle permutation standard_normal".split()
)
"""Methods that change the object they are called on; a generator of random numbers is changed by a draw."""
_FIRST_CHANGED = frozenset(
    "heappush heappop heapify heappushpop heapreplace insort insort_left insort_right shuffle copyto "
    "putmask setitem delitem next".split()
)
"""Functions that change their first argument."""
_FILLED = frozenset(("out", "generator"))
"""Keywords of functions whose argument the call changes."""
_INSIDE = frozenset("get setdefault values items keys".split())
"""Methods that give a part of the object, not a new one."""
_THROUGH = frozenset("enumerate reversed zip iter list tuple sorted".split())
"""Functions that give the elements of their arguments."""
_REGISTERS = frozenset("register_buffer register_parameter register_module add_module __setattr__".split())
_HOOKS = ("register_forward_hook", "register_forward_pre_hook")
_REGISTERED = "<hook>"
_SPELT_OUT = frozenset("dir str repr format".split())
"""Functions that name all attributes or modules of what they are given."""
_EMPTY = frozenset("list dict set deque defaultdict OrderedDict Counter Queue".split())
_BUILTINS = frozenset(dir(builtins))
_MOST = 60
"""Functions that are read for one class."""
_RECENT = 64
"""Functions of which it is remembered what is in them: the modules of one class ask for the same ones."""

_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Root(NamedTuple):
    """What an expression is a part of. The instance itself has no name."""

    name: str
    outside: bool = False
    """Kept by a class, a module or a closure, not by the instance."""


class Attributes(NamedTuple):
    """What is known of the attributes of an instance."""

    modules: frozenset[str]
    """Those that hold modules, whose methods are not those of containers."""
    plain: frozenset[str]
    """Those that hold numbers and the like, which nothing changes in place."""
    empty: frozenset[str]
    """Those that begin as empty containers: somebody fills them."""
    methods: frozenset[str]


class Code(NamedTuple):
    """A function or an expression to read, and what its names mean."""

    node: ast.AST
    file: ModuleFile
    kept: Mapping[str, Root]
    """Names that stand for things which outlive a call."""
    local: frozenset[str] = frozenset()
    """Names of the functions around it that do not."""


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
                    if isinstance(node, ast.Call) and _last(node.func) in _HOOKS and node.args:
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
        if _last(callee) == "partial" and arguments:
            callee, *arguments = arguments
        keywords = {k.arg: k.value for k in call.keywords if k.arg}
        if isinstance(callee, ast.Attribute):
            held = scope.root(callee.value)
            if (held is not None and not held.name) or _is_super(callee.value):
                for cls, method in self.methods.get(callee.attr, ()):
                    own = receiver(method)
                    given = scope.handed(method, arguments, keywords, skip=bool(own))
                    if given:
                        yield Code(method, cls.file, {**own, **given})
                return
        code = scope.function(callee)
        if code is not None and isinstance(code.node, _Function):
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
            targets = [t.attr for t in node.targets if isinstance(t, ast.Attribute) and _is_name(t.value, me)]
            if not targets:
                continue
            if written is None:
                # What the constructor made lives as long as the callable that it is in.
                around = {**{name: Root(name) for name in names_bound(method)}, **me}
                written = _inner_functions(method)
            inner = [f for part in nodes(node.value) if (f := _meant(part, written)) is not None]
            for function in (node.value, *inner):
                own = names_bound(function) if function in inner else ()
                kept = {n: r for n, r in around.items() if n not in own}
                for target in targets:
                    stored.setdefault(target, []).append(Code(function, cls.file, kept))


class Scope:
    """One function (with those inside it), and what its names stand for."""

    def __init__(self, project: Project, code: Code, attributes: Attributes) -> None:
        self._project = project
        self._code = code
        self._attributes = attributes
        self._nodes = _nodes_run(code.node)
        self._globals = {n for node in self._nodes if isinstance(node, ast.Global) for n in node.names}
        self._kept = dict(code.kept)
        self._local = (names_bound(code.node) | code.local) - self._globals - set(self._kept)
        self._inner: dict[str, ast.FunctionDef] | None = None
        for _ in range(2):  # an alias of an alias
            for node in self._nodes:
                self._learn(node)

    @property
    def name(self) -> str:
        """The name of the function."""
        return getattr(self._code.node, "name", "")

    def mentioned(self, methods: Iterable[str]) -> list[str]:
        """Attributes of the instance that the code reads, also by a name that is put together."""
        found = []
        for node in self._nodes:
            if isinstance(node, ast.Attribute):
                if self._is_instance(node.value) or _is_super(node.value):
                    found.append(node.attr)
            elif isinstance(node, ast.Call) and _last(node.func) == "getattr" and len(node.args) > 1:
                if self._is_instance(node.args[0]):
                    found += _matching(node.args[1], methods)
        return found

    def _is_instance(self, node: ast.AST) -> bool:
        """Whether this is a name of the instance or of its class."""
        held = self._kept.get(node.id) if isinstance(node, ast.Name) else None
        return held is not None and not held.name

    def called(self) -> set[str]:
        """Names of the methods that are called on something else than the instance."""
        found = set()
        for call in self.calls():
            callee = call.func
            if isinstance(callee, ast.Attribute):
                if not self._is_instance(callee.value) and not _is_super(callee.value):
                    found.add(callee.attr)
        return found

    def decorators(self) -> set[str]:
        """Last names of what decorates the function."""
        decorators = getattr(self._code.node, "decorator_list", ())
        return {_last(d.func if isinstance(d, ast.Call) else d) for d in decorators}

    def keeps(self, calls: frozenset[str]) -> str:
        """The attribute of the instance that is given the result of one of these calls, or a generator."""
        for node in self._nodes:
            if isinstance(node, ast.Assign):
                made = node.value
                called = isinstance(made, ast.Call) and _last(made.func) in calls
                called = called and "parametrizations" not in ast.dump(made)
                for target in node.targets if called or isinstance(made, ast.GeneratorExp) else ():
                    if isinstance(target, ast.Attribute) and self._is_instance(target.value):
                        return target.attr
        return ""

    def is_method(self, callee: ast.expr) -> bool:
        """Whether a called expression is a method of the instance, which is read itself."""
        return isinstance(callee, ast.Attribute) and self._is_instance(callee.value)

    def is_of_library(self, callee: ast.expr) -> bool:
        """Whether a called expression is a function that is imported from outside of the project."""
        base = callee
        while isinstance(base, ast.Attribute):
            base = base.value
        if not isinstance(base, ast.Name) or base.id in self._local:
            return False
        return isinstance(self._project.expression(callee, self._code.file), str)

    def calls(self) -> Iterator[ast.Call]:
        """All calls."""
        return (node for node in self._nodes if isinstance(node, ast.Call))

    def changes(self) -> Iterator[Root]:
        """What the code changes that outlives it."""
        for node in self._nodes:
            for root in self._changed_by(node):
                if root is not None and root.name:
                    yield root

    def uses(self, names: Container[str]) -> Iterator[Root]:
        """What the code reads one of these attributes of."""
        for node in self._nodes:
            if isinstance(node, ast.Attribute) and node.attr in names:
                root = self.root(node.value)
                if root is not None:
                    yield root

    def meets_names(self) -> Iterator[tuple[str, ast.expr | None]]:
        """In words, how the code reads all names of the instance, or asks whether there is one that is put
        together: then with the expression of it (see `may_spell`)."""
        for node in self._nodes:
            if isinstance(node, ast.Call) and node.args:
                name, first = _last(node.func), node.args[0]
                if name in _SPELT_OUT and self._is_instance(first):
                    yield f"calls `{name}` on the whole object", None
                optional = name == "hasattr" or (name == "getattr" and len(node.args) > 2)
                if optional and len(node.args) > 1 and self._is_instance(first):
                    yield "asks for attributes by names that it puts together", node.args[1]
            elif (isinstance(node, ast.FormattedValue) and self._is_instance(node.value)) or (
                isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod) and self._is_instance(node.right)
            ):
                yield "spells out the whole object", None
            elif isinstance(node, ast.Constant) and node.value == "_modules":
                yield "reads the `_modules` of the object", None

    def tells_instances_apart(self) -> bool:
        """Whether the instance itself is a key, or is numbered."""
        for node in self._nodes:
            parts: list[ast.expr] = []
            if isinstance(node, ast.Call) and _last(node.func) in ("id", "hash"):
                parts = node.args
            elif isinstance(node, ast.Subscript):
                parts = [node.slice]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                parts = node.args[:1] if node.func.attr in ("get", "setdefault", "add", "index") else []
            if any(isinstance(p, ast.Name) and self._kept.get(p.id) == Root("") for p in parts):
                return True
        return False

    def root(self, node: ast.AST) -> Root | None:
        """What outlives the call and `node` is, or is a part of; None for anything else."""
        attribute = ""
        while True:
            if isinstance(node, ast.Attribute):
                attribute, node = node.attr, node.value
            elif isinstance(node, (ast.Subscript, ast.Starred, ast.NamedExpr)):
                node = node.value
            elif isinstance(node, (ast.IfExp, ast.BoolOp)):
                options = node.values if isinstance(node, ast.BoolOp) else [node.body, node.orelse]
                return next((r for option in options if (r := self.root(option)) is not None), None)
            elif isinstance(node, ast.Call):
                inner = self._given_back(node)
                if inner is None:
                    return None
                if _last(node.func) == "type":
                    return Root(attribute, True) if self.root(inner) is not None else None
                if _last(node.func) == "getattr" and len(node.args) > 1 and isinstance(inner, ast.Name):
                    named = node.args[1]
                    attribute = (
                        str(named.value) if isinstance(named, ast.Constant) else attribute or "__dict__"
                    )
                if _last(node.func) == "vars":
                    attribute = "__dict__"
                node = inner
            else:
                break
        if not isinstance(node, ast.Name):
            return None
        held = self._kept.get(node.id)
        if held is not None:
            return Root(held.name or attribute, held.outside or (not held.name and attribute == "__class__"))
        return None if node.id in self._local else self._global(node.id, attribute)

    def function(self, callee: ast.expr) -> Code | None:
        """The function of the project that an expression means, with what it sees of this scope."""
        if isinstance(callee, (ast.Name, ast.Lambda)):
            if self._inner is None:
                self._inner = _inner_functions(self._code.node)
            inner = _meant(callee, self._inner)
            if inner is not None:
                own = names_bound(inner)
                around = {n: r for n, r in self._kept.items() if n not in own}
                return Code(inner, self._code.file, around, frozenset(self._local - set(around)))
        base = callee
        while isinstance(base, ast.Attribute):
            base = base.value
        if not isinstance(base, ast.Name) or base.id in self._local or base.id in self._kept:
            return None
        found = self._project.expression(callee, self._code.file)
        if isinstance(found, FunctionFound):
            return Code(found.node, found.file, {})
        if found is None and isinstance(callee, ast.Attribute):
            holder = self._project.expression(callee.value, self._code.file)
            if isinstance(holder, ClassDef) and callee.attr in holder.methods:
                return Code(holder.methods[callee.attr], holder.file, {})
        return None

    def handed(
        self,
        function: _Function,
        arguments: list[ast.expr],
        keywords: Mapping[str, ast.expr],
        *,
        skip: bool = False,
    ) -> dict[str, Root]:
        """The parameters of `function` that get something which outlives the call."""
        listed = [a.arg for a in (*function.args.posonlyargs, *function.args.args)][int(skip) :]
        pairs = [*zip(listed, arguments, strict=False), *keywords.items()]
        return {name: root for name, value in pairs if (root := self.root(value)) is not None}

    def _changed_by(self, node: ast.AST) -> Iterator[Root | None]:
        if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            yield self.root(node)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            if node.id in self._globals:
                yield Root(node.id, True)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            held = self._kept.get(node.target.id)
            if held is not None and held.name not in self._attributes.plain:
                yield held
        elif isinstance(node, ast.Attribute) and node.attr in _CHANGERS:
            # Called, or handed on to be called.
            root = self.root(node.value)
            if root is not None and not (
                root.name in self._attributes.modules and self._is_direct(node.value)
            ):
                yield root
        elif isinstance(node, ast.Call):
            yield from self._changed_by_call(node)

    def _changed_by_call(self, call: ast.Call) -> Iterator[Root | None]:
        callee, name = call.func, _last(call.func)
        in_place = name.endswith("_") and not name.endswith("__")
        if isinstance(callee, ast.Attribute) and in_place:
            yield self.root(callee.value)
        if call.args:
            first = call.args[0]
            unbound = isinstance(callee, ast.Attribute) and _last(callee.value) in _EMPTY
            says_so = any(k.arg == "inplace" and _is_true(k.value) for k in call.keywords)
            if in_place or says_so or name in _FIRST_CHANGED or (unbound and name in _CHANGERS):
                yield self.root(first)
            if name in ("setattr", "delattr", "__setattr__") and len(call.args) > 1:
                held = self.root(first)
                if held is not None:
                    yield held._replace(name=held.name or _text(call.args[1]))
            if name in _REGISTERS and isinstance(callee, ast.Attribute):
                held = self.root(callee.value)
                if held is not None or _is_super(callee.value):
                    yield Root(held.name if held and held.name else _text(first))
        for keyword in call.keywords:
            if keyword.arg in _FILLED:
                yield self.root(keyword.value)
        if self._is_unseen(callee):
            for value in (*call.args, *(k.value for k in call.keywords)):
                held = self.root(value) if isinstance(value, (ast.Attribute, ast.Name)) else None
                if held is not None and held.name in self._attributes.empty:
                    yield held

    def _is_unseen(self, callee: ast.expr) -> bool:
        """Whether a call may run code that is not read here: a child, or a callable that was handed in."""
        if isinstance(callee, ast.Name):
            return callee.id in self._local and self.function(callee) is None
        root = self.root(callee)
        return root is not None and root.name not in self._attributes.methods

    def _is_direct(self, node: ast.AST) -> bool:
        """Whether this is `self.<attribute>` or an entry of it, not a part of that."""
        while isinstance(node, ast.Subscript):
            node = node.value
        holder = node.value if isinstance(node, ast.Attribute) else node
        return isinstance(holder, ast.Name)

    def _given_back(self, call: ast.Call) -> ast.expr | None:
        """The object that the result of a call is, or is a part of, where that can be told."""
        callee = call.func
        if isinstance(callee, ast.Attribute):
            return callee.value if callee.attr in _INSIDE else None
        if isinstance(callee, ast.Name) and call.args and callee.id in ("getattr", "type", "vars"):
            return call.args[0]
        return None

    def _global(self, name: str, attribute: str) -> Root | None:
        if name in self._globals:
            return Root(name, True)
        found = self._project.resolve(self._code.file, name)
        if isinstance(found, ExpressionFound):
            return Root(name, True)
        if isinstance(found, (ClassDef, FunctionFound, ModuleFile)):
            return Root(f"{name}.{attribute}", True) if attribute else None
        if found is None and name not in _BUILTINS:
            return Root(name, True)  # of a function around the class, or of a star import
        return None

    def _learn(self, node: ast.AST) -> None:
        """Note the local names that a statement gives to what outlives the call."""
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._alias(target, node.value)
        elif isinstance(node, (ast.NamedExpr, ast.AnnAssign)) and node.value is not None:
            self._alias(node.target, node.value)
        elif isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            self._elements(node.target, node.iter)

    def _alias(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, (ast.Tuple, ast.List)) and isinstance(value, (ast.Tuple, ast.List)):
            for one, part in zip(target.elts, value.elts, strict=False):
                self._alias(one, part)
        elif isinstance(target, ast.Name) and target.id in self._local:
            root = self.root(value)
            if root is not None and not self._is_global_number(root, value):
                self._kept[target.id] = root

    def _is_global_number(self, root: Root, value: ast.expr) -> bool:
        """Whether a variable of a module is no object that could be changed through another name."""
        if not root.outside or not isinstance(value, ast.Name):
            return False
        found = self._project.resolve(self._code.file, value.id)
        return isinstance(found, ExpressionFound) and isinstance(found.node, (ast.Constant, ast.Tuple))

    def _elements(self, target: ast.expr, iterable: ast.expr) -> None:
        sources = [iterable]
        while sources and isinstance(sources[0], ast.Call) and _last(sources[0].func) in _THROUGH:
            sources = sources[0].args + sources[1:]
        root = next((r for source in sources if (r := self.root(source)) is not None and r.name), None)
        if root is not None:
            for name in nodes(target):
                if isinstance(name, ast.Name) and name.id in self._local:
                    self._kept[name.id] = root


def called_on_others(cls: ClassDef) -> frozenset[str]:
    """Names that the methods of a class read of something else than the instance: methods, among others."""
    known = cls.states.get("called")
    if known is None:
        known = cls.states["called"] = frozenset(_called_on_others(cls))
    return known


def _called_on_others(cls: ClassDef) -> Iterator[str]:
    for method in cls.methods.values():
        me = receiver(method)
        for node in nodes(method):
            if isinstance(node, ast.Attribute) and not _is_name(node.value, me) and not _is_super(node.value):
                yield node.attr


@lru_cache(maxsize=_RECENT)
def names_bound(function: ast.AST) -> frozenset[str]:
    """All names that a function or something in it binds: an approximation of its local names."""
    found = set(_parameters(function))
    for node in nodes(function):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node is not function:
            found.add(node.name)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
    return frozenset(found)


@lru_cache(maxsize=_RECENT)
def _nodes_run(code: ast.AST) -> tuple[ast.AST, ...]:
    """What runs when a function is called, neither defaults nor decorators, or an expression evaluated."""
    if isinstance(code, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return tuple(n for part in code.body for n in nodes(part))
    return tuple(nodes(code.body if isinstance(code, ast.Lambda) else code))


def _parameters(node: ast.AST) -> list[str]:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        return []
    arguments = node.args
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return [a.arg for a in (*found, arguments.vararg, arguments.kwarg) if a is not None]


def receiver(method: ast.AST) -> dict[str, Root]:
    """The first parameter of a method, which is the instance or its class."""
    decorators = {_last(d) for d in getattr(method, "decorator_list", ())}
    parameters = _parameters(method)
    if "staticmethod" in decorators or not parameters:
        return {}
    return {parameters[0]: Root("", "classmethod" in decorators)}


def _first_is_instance(function: ast.AST) -> dict[str, Root]:
    """The first parameter of a function that is handed the instance."""
    return {name: Root("") for name in _parameters(function)[:1]}


def _held_around(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, Root]:
    """What the functions inside a function share: its names that none of them binds."""
    inner = {
        name
        for node in nodes(function)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) and node is not function
        for name in names_bound(node)
    }
    own = names_bound(function) - inner - set(_parameters(function))
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
                        t.attr for t in node.targets if isinstance(t, ast.Attribute) and _is_name(t.value, me)
                    }
        known = cls.states["empty"] = frozenset(found)
    return known


def _inner_functions(function: ast.AST) -> dict[str, ast.FunctionDef]:
    """The functions that are written inside `function`, by name."""
    found: dict[str, ast.FunctionDef] = {}
    for node in nodes(function):
        if isinstance(node, ast.FunctionDef) and node is not function:
            found.setdefault(node.name, node)
    return found


def _meant(callee: ast.AST, inner: Mapping[str, ast.FunctionDef]) -> ast.FunctionDef | ast.Lambda | None:
    """The one of some functions that `callee` names, or the lambda that it is."""
    if isinstance(callee, ast.Lambda):
        return callee
    return inner.get(callee.id) if isinstance(callee, ast.Name) else None


def _may_be_function(value: ast.expr) -> bool:
    """Whether an expression may give a function: a bound method, a name, a lambda, a partial of them."""
    if isinstance(value, ast.IfExp):
        return _may_be_function(value.body) or _may_be_function(value.orelse)
    if isinstance(value, ast.Call):
        return _last(value.func) == "partial"
    return isinstance(value, (ast.Attribute, ast.Name, ast.Lambda))


def _matching(name: ast.expr, methods: Iterable[str]) -> list[str]:
    """Methods that a name may mean that is put together: `f"_forward_{mode}"`."""
    if isinstance(name, ast.Constant):
        return [str(name.value)]
    if not isinstance(name, ast.JoinedStr):
        return []
    pattern = "".join(re.escape(str(p.value)) if isinstance(p, ast.Constant) else ".*" for p in name.values)
    return [method for method in methods if re.fullmatch(pattern, method)]


def may_spell(name: ast.expr, attribute: str) -> bool:
    """Whether a name that is put together may be that of a module made beside `attribute`: the same with
    something more at its end."""
    if isinstance(name, ast.Constant):
        return False
    if isinstance(name, ast.JoinedStr):
        return bool(_matching(name, (f"{attribute}_1", f"{attribute}1", f"{attribute}s")))
    texts = [n.value for n in nodes(name) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    starts = [re.split(r"[%{]", text)[0] for text in texts if text]
    return any(f"{attribute}{end}".startswith(start) for start in starts for end in ("_1", "1", "s"))


def _last(callee: ast.AST) -> str:
    if isinstance(callee, ast.Attribute):
        return callee.attr
    return callee.id if isinstance(callee, ast.Name) else ""


def _is_super(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and _last(node.func) == "super"


def _is_name(node: ast.AST, names: Mapping[str, Root]) -> bool:
    return isinstance(node, ast.Name) and node.id in names


def _is_empty(node: ast.AST) -> bool:
    """Whether an expression makes a container with nothing in it."""
    if isinstance(node, (ast.List, ast.Dict)):
        return not (node.elts if isinstance(node, ast.List) else node.keys)
    return isinstance(node, ast.Call) and _last(node.func) in _EMPTY and not node.args


def _is_true(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _text(node: ast.AST) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "__dict__"
