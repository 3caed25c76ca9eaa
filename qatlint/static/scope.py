"""One function: what its names stand for that outlives the call, and what of that it changes and reads."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import NamedTuple

from qatlint.static.assembled_names import matching
from qatlint.static.function_syntax import (
    FunctionNode,
    inner_functions,
    is_name,
    is_super,
    last_name,
    meant,
    names_bound,
    nodes_run,
    parameters_of,
)
from qatlint.static.modulefile import ClassDef, ExpressionFound, FunctionFound, ModuleFile
from qatlint.static.mutators import CHANGERS, FILLED, FIRST_CHANGED, REGISTERS
from qatlint.static.project import Project
from qatlint.static.source import nodes

_INSIDE = frozenset("get setdefault values items keys".split())
"""Methods that give a part of the object, not a new one."""
_THROUGH = frozenset("enumerate reversed zip iter list tuple sorted".split())
"""Functions that give the elements of their arguments."""
_SPELT_OUT = frozenset("dir str repr format".split())
"""Functions that name all attributes or modules of what they are given."""
EMPTY = frozenset("list dict set deque defaultdict OrderedDict Counter Queue".split())
"""What makes containers, which are empty where they are given nothing."""
_BUILTINS = frozenset(dir(builtins))


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


class Scope:
    """One function (with those inside it), and what its names stand for."""

    def __init__(self, project: Project, code: Code, attributes: Attributes) -> None:
        self._project = project
        self._code = code
        self._attributes = attributes
        self._nodes = nodes_run(code.node)
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
                if self._is_instance(node.value) or is_super(node.value):
                    found.append(node.attr)
            elif isinstance(node, ast.Call) and last_name(node.func) == "getattr" and len(node.args) > 1:
                if self._is_instance(node.args[0]):
                    found += matching(node.args[1], methods)
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
                if not self._is_instance(callee.value) and not is_super(callee.value):
                    found.add(callee.attr)
        return found

    def decorators(self) -> set[str]:
        """Last names of what decorates the function."""
        decorators = getattr(self._code.node, "decorator_list", ())
        return {last_name(d.func if isinstance(d, ast.Call) else d) for d in decorators}

    def keeps(self, calls: frozenset[str]) -> str:
        """The attribute of the instance that is given the result of one of these calls, or a generator."""
        for node in self._nodes:
            if isinstance(node, ast.Assign):
                made = node.value
                called = isinstance(made, ast.Call) and last_name(made.func) in calls
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
                name, first = last_name(node.func), node.args[0]
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
            if isinstance(node, ast.Call) and last_name(node.func) in ("id", "hash"):
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
                if last_name(node.func) == "type":
                    return Root(attribute, True) if self.root(inner) is not None else None
                if last_name(node.func) == "getattr" and len(node.args) > 1 and isinstance(inner, ast.Name):
                    named = node.args[1]
                    attribute = (
                        str(named.value) if isinstance(named, ast.Constant) else attribute or "__dict__"
                    )
                if last_name(node.func) == "vars":
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
                self._inner = inner_functions(self._code.node)
            inner = meant(callee, self._inner)
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
        function: FunctionNode,
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
        elif isinstance(node, ast.Attribute) and node.attr in CHANGERS:
            # Called, or handed on to be called.
            root = self.root(node.value)
            if root is not None and not (
                root.name in self._attributes.modules and self._is_direct(node.value)
            ):
                yield root
        elif isinstance(node, ast.Call):
            yield from self._changed_by_call(node)

    def _changed_by_call(self, call: ast.Call) -> Iterator[Root | None]:
        callee, name = call.func, last_name(call.func)
        in_place = name.endswith("_") and not name.endswith("__")
        if isinstance(callee, ast.Attribute) and in_place:
            yield self.root(callee.value)
        if call.args:
            first = call.args[0]
            unbound = isinstance(callee, ast.Attribute) and last_name(callee.value) in EMPTY
            says_so = any(k.arg == "inplace" and _is_true(k.value) for k in call.keywords)
            if in_place or says_so or name in FIRST_CHANGED or (unbound and name in CHANGERS):
                yield self.root(first)
            if name in ("setattr", "delattr", "__setattr__") and len(call.args) > 1:
                held = self.root(first)
                if held is not None:
                    yield held._replace(name=held.name or _text(call.args[1]))
            if name in REGISTERS and isinstance(callee, ast.Attribute):
                held = self.root(callee.value)
                if held is not None or is_super(callee.value):
                    yield Root(held.name if held and held.name else _text(first))
        for keyword in call.keywords:
            if keyword.arg in FILLED:
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
        while sources and isinstance(sources[0], ast.Call) and last_name(sources[0].func) in _THROUGH:
            sources = sources[0].args + sources[1:]
        root = next((r for source in sources if (r := self.root(source)) is not None and r.name), None)
        if root is not None:
            for name in nodes(target):
                if isinstance(name, ast.Name) and name.id in self._local:
                    self._kept[name.id] = root


def receiver(method: ast.AST) -> dict[str, Root]:
    """The first parameter of a method, which is the instance or its class."""
    decorators = {last_name(d) for d in getattr(method, "decorator_list", ())}
    parameters = parameters_of(method)
    if "staticmethod" in decorators or not parameters:
        return {}
    return {parameters[0]: Root("", "classmethod" in decorators)}


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
            if isinstance(node, ast.Attribute) and not is_name(node.value, me) and not is_super(node.value):
                yield node.attr


def _is_true(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is True


def _text(node: ast.AST) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else "__dict__"
