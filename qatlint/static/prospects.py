"""Which classes may have dynamic code with ops in it: a cheap look at the syntax.

Watching a forward costs as much as counting its modules. Most classes have no loop and no branch that
anything but the constructor decides, and this is plain to see in nearly all of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

from qatlint.horizon.ops import meanings
from qatlint.static.modulefile import ClassDef, ModuleFile
from qatlint.static.project import Project
from qatlint.static.source import nodes

_PASSING = frozenset(
    "len range enumerate reversed list tuple sorted min max int str bool abs getattr any all".split()
)
"""Functions whose result is fixed when their arguments are."""
_ASKING = frozenset("isinstance hasattr callable type super is_scripting is_tracing is_compiling".split())
"""Functions whose answer says nothing about data."""
_VIEWS = frozenset("items values keys children named_children modules named_modules".split())
_FACTS = frozenset("training ndim dtype device is_cuda requires_grad is_sparse".split())
_BUILTINS = frozenset(
    "abs all any bool dict divmod enumerate float getattr hasattr int isinstance iter len list map max min "
    "next print range repr reversed round set setattr slice sorted str sum super tuple type zip".split()
)
_BRANCHING = ("for ", "while ", "if ", "match ", "map(", "multi_apply(")
_OWN = re.compile(r"self\.(\w+)")
_CHANGED = re.compile(
    r"self\.(\w+)(?:\[[^\]\n]*\])*[ \t]*"
    r"(?:[-+*/|&]?=(?!=)|,[^=(\n]* = |\.(?:append|appendleft|pop|insert|extend)\()"
)
"""An attribute that is assigned, or filled. Both begin with what is searched for fastest."""
_EXITS = (ast.Break, ast.Continue, ast.Return)
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)


def may_be_dynamic(project: Project, cls: ClassDef) -> bool:
    """Whether the methods of a class that forward leads to hold a loop or a branch that may be dynamic, with
    something in it that may be an op; or a dynamic block."""
    look = _Look(project, cls)
    return any(
        "dynamic_block" in text
        or (any(word in text for word in _BRANCHING) and _Function(look, cls.methods[name]).is_prospect())
        for name, text in look.texts.items()
    ) or any(_Function(look, node).is_prospect() for node in look.functions())


class _Look:
    """The methods of a class that forward may lead to, as text."""

    def __init__(self, project: Project, cls: ClassDef) -> None:
        self._project = project
        self.cls = cls
        self.texts: dict[str, str] = {}
        self._lines = cls.file.source.lines
        self._changed: frozenset[str] | None = None
        methods = cls.methods
        if "forward" in methods:
            self._reach(["forward"], self.texts)
            return
        # Without a forward of its own, a base may call anything but what its constructor calls.
        constructing: dict[str, str] = {}
        self._reach(["__init__"], constructing)
        self._reach([name for name in methods if name not in constructing], self.texts)

    def _reach(self, waiting: list[str], found: dict[str, str]) -> None:
        methods = self.cls.methods
        while waiting:
            name = waiting.pop()
            if name in found or name not in methods:
                continue
            node = methods[name]
            text = found[name] = "\n".join(self._lines[node.lineno - 1 : node.end_lineno])
            waiting += _OWN.findall(text)

    def functions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Functions of the file that the methods call, where they have a loop or a branch."""
        for node in _branching(self.cls.file):
            if any(f"{node.name}(" in text for text in self.texts.values()):
                yield node

    def is_method(self, name: str) -> bool:
        """Whether `self.name` is a method of the class."""
        return any(isinstance(c, ClassDef) and name in c.methods for c in self._project.mro(self.cls))

    def is_constructed(self, attribute: str) -> bool:
        """Whether forward leaves an attribute as the constructor made it, as far as the text says."""
        if self._changed is None:
            texts = [text for name, text in self.texts.items() if name != "__init__"]
            self._changed = frozenset(n for text in texts for n in _CHANGED.findall(text))
        return attribute not in self._changed


class _Function:
    def __init__(self, look: _Look, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._look = look
        self._node = node
        self._lines = look.cls.file.source.lines
        self._fixed = {"self", *_flags(node)}
        """Local names that the constructor decides, or whoever calls forward."""
        self._values: dict[str, ast.expr] = {}
        """What local names were last given."""
        self._asked: dict[tuple[int, str], bool] = {}

    def is_prospect(self) -> bool:
        return self._in(self._node.body)

    def _in(self, body: list[ast.stmt]) -> bool:
        return any(self._statement(node) for node in body)

    def _statement(self, node: ast.stmt) -> bool:
        if isinstance(node, _SIMPLE):
            if isinstance(node, ast.Assign):
                self._learn(node)
            return self._comprehends(node)
        if isinstance(node, (ast.For, ast.AsyncFor)):
            if not self._is_counted(node.iter) or self._is_left(node.body):
                self._filled_in(node.body)
                return self._runs_ops(node.body)
            self._fixed.update(_names(node.target))
            return self._in(node.body) or self._in(node.orelse)
        if isinstance(node, ast.While):
            self._filled_in(node.body)
            return self._runs_ops(node.body)
        if isinstance(node, ast.If):
            if not self._is_fixed(node.test):
                return self._runs_ops(node.body) or self._runs_ops(node.orelse)
            return self._in(node.body) or self._in(node.orelse)
        if isinstance(node, (ast.With, ast.AsyncWith)):
            return self._in(node.body)
        if isinstance(node, ast.Try):
            parts = [node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody]
            return any(self._in(part) for part in parts)
        return isinstance(node, ast.Match)

    def _learn(self, node: ast.Assign) -> None:
        """What a name stands for is looked at when somebody asks: most names are never asked for."""
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._values[target.id] = node.value
                self._fixed.discard(target.id)
            elif isinstance(target, (ast.Tuple, ast.List)):
                for name in _names(target):
                    self._values.pop(name, None)
                    self._fixed.discard(name)

    def _value_is(self, name: str, ask: Callable[[ast.expr], bool]) -> bool:
        """Whether the value that a name was last given is `_is_fixed`, or `_is_counted`."""
        value = self._values.get(name)
        if value is None:
            return False
        key = (id(value), ask.__name__)
        if key not in self._asked:
            self._asked[key] = False  # until it is known: `x = f(x)` asks for itself
            self._asked[key] = ask(value)
        return self._asked[key]

    def _filled_in(self, body: list[ast.stmt]) -> None:
        """A loop that may turn any number of times: what it fills is as long as that."""
        for statement in body:
            for node in nodes(statement):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                    if node.func.attr in ("append", "extend", "insert"):
                        self._values.pop(_name(node.func.value), None)

    def _is_counted(self, node: ast.expr) -> bool:
        """Whether something that is looped over has plainly the same length in every forward."""
        if isinstance(node, (ast.List, ast.Tuple)):
            return not any(isinstance(element, ast.Starred) for element in node.elts)
        if isinstance(node, (ast.ListComp, ast.GeneratorExp)):
            return all(self._is_counted(g.iter) and not g.ifs for g in node.generators)
        if isinstance(node, ast.Name):
            return node.id in self._fixed or self._value_is(node.id, self._is_counted)
        if isinstance(node, ast.Call) and node.args:
            name = _name(node.func)
            if name in ("enumerate", "reversed", "list", "tuple"):
                return self._is_counted(node.args[0])
            if name == "zip":
                return any(self._is_counted(a) for a in node.args)
            if name == "range" and len(node.args) == 1:
                size = node.args[0]
                if isinstance(size, ast.Call) and _name(size.func) == "len" and size.args:
                    return self._is_counted(size.args[0])
        return self._is_fixed(node)

    def _is_left(self, body: list[ast.stmt]) -> bool:
        """Whether turns of a loop, or the loop, are left early under a test that may be dynamic."""
        return any(
            isinstance(node, ast.If)
            and not self._is_fixed(node.test)
            and any(isinstance(inner, _EXITS) for inner in _statements([*node.body, *node.orelse]))
            for node in _statements(body)
        )

    def _comprehends(self, node: ast.stmt) -> bool:
        """Whether a statement holds a dynamic comprehension, or `map`, that runs ops."""
        lines = self._lines[node.lineno - 1 : node.end_lineno]
        if not any(" for " in line or "map(" in line or "apply(" in line for line in lines):
            return False
        for inner in nodes(node):
            if isinstance(inner, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
                if not all(self._is_counted(g.iter) for g in inner.generators):
                    parts = [inner.key, inner.value] if isinstance(inner, ast.DictComp) else [inner.elt]
                    if any(self._is_op(n) for part in parts for n in nodes(part)):
                        return True
            elif isinstance(inner, ast.Call) and inner.args and _name(inner.func) in ("map", "multi_apply"):
                if not any(self._is_counted(a) for a in inner.args[1:]):
                    return True
        return False

    def _is_fixed(self, node: ast.expr) -> bool:
        """Whether an expression is plainly decided when the model is built, or by whoever calls it."""
        kind = type(node)
        if kind is ast.Constant or kind is ast.JoinedStr or kind is ast.Lambda:
            return True
        if isinstance(node, ast.Name):
            return node.id in self._fixed or self._value_is(node.id, self._is_fixed)
        if isinstance(node, ast.Attribute):
            return self._is_own(node) or any(
                (isinstance(part, ast.Attribute) and part.attr in _FACTS)
                or (isinstance(part, ast.Name) and part.id[:1].isupper())
                for part in _chain(node)
            )
        if isinstance(node, ast.Call):
            return self._is_fixed_call(node)
        if isinstance(node, ast.Compare):
            return self._is_fixed_comparison(node)
        if isinstance(node, ast.Subscript):
            return self._is_fixed(node.value) and (
                isinstance(node.slice, ast.Slice) or self._is_fixed(node.slice)
            )
        if isinstance(node, (ast.BoolOp, ast.UnaryOp, ast.BinOp, ast.IfExp, ast.Tuple, ast.List)):
            return all(self._is_fixed(part) for part in _operands(node))
        return False

    def _is_own(self, node: ast.expr) -> bool:
        """`self.x.y`, where forward does not change `self.x`."""
        attribute = ""
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            attribute = node.attr if isinstance(node, ast.Attribute) else attribute
            node = node.value
        if not isinstance(node, ast.Name) or node.id != "self":
            return False
        return self._look.is_constructed(attribute)

    def _is_fixed_call(self, node: ast.Call) -> bool:
        name = _name(node.func)
        if name in _ASKING or (name == "len" and _is_rank(node)):
            return True
        if isinstance(node.func, ast.Attribute):
            own = self._is_own(node.func.value)
            return name == "dim" or (own and name in _VIEWS)
        if name == "zip":
            return any(self._is_fixed(a) for a in node.args)
        if name == "enumerate":
            return bool(node.args) and self._is_fixed(node.args[0])
        return (name in _PASSING or name not in _BUILTINS) and all(self._is_fixed(a) for a in node.args)

    def _is_fixed_comparison(self, node: ast.Compare) -> bool:
        if all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            *_, root = _chain(node.left)
            if not (isinstance(root, ast.Name) and root.id == "self" and root is not node.left):
                return True
        return all(self._is_fixed(part) for part in (node.left, *node.comparators))

    def _runs_ops(self, body: list[ast.stmt]) -> bool:
        return any(self._is_op(node) for statement in body for node in nodes(statement))

    def _is_op(self, node: ast.AST) -> bool:
        """Whether something may be an op of the forward itself, or lead to one."""
        if isinstance(node, ast.BinOp):
            return not (self._is_fixed(node.left) and self._is_fixed(node.right))
        if isinstance(node, ast.AugAssign):
            return not isinstance(node.value, ast.Constant)
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Name):
            return node.func.id not in _BUILTINS and not node.func.id[:1].isupper()
        if isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "self":
                return self._look.is_method(name)
            return name.strip("_") in _op_names() or name in ("add", "sub", "mul", "matmul")
        return False


@lru_cache(maxsize=1)
def _branching(file: ModuleFile) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions at the top of a file that have a loop or a branch; classes of one file come one by one."""
    functions = [s for s in file.source.tree.body if isinstance(s, (ast.FunctionDef, ast.AsyncFunctionDef))]
    kinds = (ast.For, ast.While, ast.If)
    return [f for f in functions if any(isinstance(s, kinds) for s in _statements(f.body))]


def _flags(method: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Parameters that are switches by their default or annotation."""
    spec = method.args
    names = [*spec.posonlyargs, *spec.args]
    defaults: list[ast.expr | None] = [None] * (len(names) - len(spec.defaults))
    pairs = [*zip(names, [*defaults, *spec.defaults], strict=True)]
    pairs += zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    return {
        name.arg
        for name, default in pairs
        if (isinstance(default, ast.Constant) and isinstance(default.value, (bool, str)))
        or (isinstance(name.annotation, ast.Name) and name.annotation.id in ("bool", "str"))
    }


def _operands(node: ast.expr) -> Iterator[ast.expr]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            yield child


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements and those in them."""
    stack = list(body)
    while stack:
        node = stack.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, part, None)
            if type(inner) is list:
                stack += inner


def _names(target: ast.expr) -> list[str]:
    if isinstance(target, (ast.Tuple, ast.List)):
        return [name for element in target.elts for name in _names(element)]
    return [target.id] if isinstance(target, ast.Name) else []


def _chain(node: ast.expr) -> Iterator[ast.expr]:
    """`x.a[0].b`, `x.a[0]`, `x.a`, `x`."""
    while True:
        yield node
        if not isinstance(node, (ast.Attribute, ast.Subscript)):
            return
        node = node.value


def _is_rank(node: ast.Call) -> bool:
    """`len(x.shape)`."""
    return bool(node.args) and _name(node.args[0]) == "shape"


@cache
def _op_names() -> frozenset[str]:
    return frozenset(
        name.strip("_") for m in meanings() if m.replaced or m.fuses is not None for name in m.functions
    )
