"""Whether the body of a function may hold dynamic code with ops in it: a cheap look at its syntax."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from qatlint.horizon.ops import meanings, of_function
from qatlint.static.arithmetic import Arithmetic, bound_names
from qatlint.static.leads import BUILTINS, Leads
from qatlint.static.modulefile import ModuleFile
from qatlint.static.project import Project
from qatlint.static.source import nodes

_PASSING = frozenset(
    "len range enumerate reversed list tuple sorted min max int str bool abs getattr any all".split()
)
"""Functions whose result is fixed when their arguments are."""
_ASKING = frozenset("isinstance hasattr callable type super is_scripting is_tracing is_compiling".split())
"""Functions whose answer says nothing about data."""
_VIEWS = frozenset("items values keys children named_children modules named_modules".split())
_OF_MODULES = frozenset(
    "forward parameters named_parameters buffers named_buffers train eval state_dict apply zero_grad "
    "named_modules named_children type item numpy tolist numel register_buffer".split()
)
_FACTS = frozenset("training ndim dtype device is_cuda requires_grad is_sparse".split())
BRANCHING = ("for ", "while ", "if ", "match ", "map(", "multi_apply(", " sum(", "(sum(", "reduce(")
"""A text without any of these has no loop and no branch."""
_INLINE = (" for ", " if ", "map(", "apply(", " sum(", "(sum(", "reduce(")
_WORD = re.compile(r"\w+")
_SWITCH = frozenset("bool str None Optional Union typing".split())
"""Words in the annotations of switches."""
_NO_TENSORS = frozenset(("math", "random", "np", "numpy"))
"""Libraries whose functions are no ops."""
_EXITS = (ast.Break, ast.Continue, ast.Return)
_COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try)
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)


class Branching:
    """One function, read once from top to bottom."""

    def __init__(
        self,
        project: Project,
        leads: Leads | None,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        file: ModuleFile,
    ) -> None:
        self._project = project
        self._file = file
        self._leads = leads
        """The class, for a method."""
        self._node = node
        self._lines = file.source.lines
        self._fixed = {"self", *_flags(node)}
        """Local names that the constructor decides, or whoever calls forward."""
        self._values: dict[str, ast.expr] = {}
        """What local names were last given."""
        self._asked: dict[tuple[int, str], bool] = {}
        self._arithmetic = Arithmetic(node, self._is_fixed)
        self._outer: frozenset[str] = frozenset()
        """Names of the functions around it."""
        self._locals: set[str] | None = None
        """Its own names, when somebody has asked."""

    def is_prospect(self) -> bool:
        return self._in(self._node.body)

    def _in(self, body: list[ast.stmt]) -> bool:
        known = None
        for n, node in enumerate(body):
            if self._statement(node):
                return True
            if n + 1 < len(body) and self._may_end(node):
                # Hundreds of returns in a row: what follows them is looked at once.
                before, known = known, (self._arithmetic.known(), set(self._fixed), dict(self._values))
                if known != before and self._runs_ops(body[n + 1 :]):
                    return True
        return False

    def _may_end(self, node: ast.stmt) -> bool:
        """Whether a branch that may be dynamic returns."""
        return (
            isinstance(node, _COMPOUND)
            and any(isinstance(inner, ast.Return) for inner in _statements([node]))
            and any(isinstance(n, ast.If) and not self._is_fixed(n.test) for n in _statements([node]))
        )

    def _statement(self, node: ast.stmt) -> bool:
        while isinstance(node, ast.If):
            if not self._is_fixed(node.test):
                return self._runs_ops(node.body) or self._runs_ops(node.orelse)
            if self._in(node.body):
                return True
            if len(node.orelse) != 1:
                return self._in(node.orelse)
            node = node.orelse[0]  # an `elif`: hundreds of them are one level, as in the text
        if isinstance(node, _SIMPLE):
            self._learn(node)
            return self._comprehends(node)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            return self._inner(node).is_prospect()
        if isinstance(node, (ast.For, ast.AsyncFor)):
            counted = self._is_counted(node.iter)
            (self._fixed.update if counted else self._fixed.difference_update)(bound_names(node.target))
            self._turn(node)
            self._carry(node.body)
            if not counted or self._is_left(node.body):
                self._filled_in(node.body)
                return self._runs_ops(node.body) or self._runs_ops(node.orelse)
            return self._in(node.body) or self._in(node.orelse)
        if isinstance(node, ast.While):
            self._carry(node.body)
            self._filled_in(node.body)
            inside = self._runs_ops(node.body) or self._runs_ops(node.orelse)
            return inside or any(self._is_op(n) for n in nodes(node.test))
        if isinstance(node, (ast.With, ast.AsyncWith)):
            return self._in(node.body)
        if isinstance(node, ast.Try):
            parts = [node.body, *(h.body for h in node.handlers), node.orelse, node.finalbody]
            return any(self._in(part) for part in parts)
        return isinstance(node, ast.Match)

    def _inner(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Branching:
        """A function that is defined in this one, and sees its names."""
        inner = Branching(self._project, self._leads, node, self._file)
        own = {argument.arg for argument in nodes(node.args) if isinstance(argument, ast.arg)}
        inner._fixed |= self._fixed - own
        inner._outer = self._outer | {n.arg for n in nodes(self._node) if isinstance(n, ast.arg)}
        inner._outer |= {
            n.id for n in nodes(self._node) if isinstance(n, ast.Name) and type(n.ctx) is ast.Store
        }
        inner._values = {name: value for name, value in self._values.items() if name not in own}
        return inner

    def _turn(self, loop: ast.For | ast.AsyncFor) -> None:
        """A turn of a loop begins with another number where it counts, or goes over numbers."""
        counts = isinstance(loop.iter, ast.Call) and _name(loop.iter.func) == "range"
        numbers = ast.Constant(0) if counts else loop.iter
        self._arithmetic.learn(loop.target, numbers)

    def _carry(self, body: list[ast.stmt]) -> None:
        """A loop may begin a turn with what an earlier one has left in its variables."""
        assigned = [node for node in _statements(body) if isinstance(node, (ast.Assign, ast.AugAssign))]
        self._lose_numbers(assigned)
        changed = True
        while changed:
            changed = False
            for node in assigned:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [name for target in targets for name in bound_names(target)]
                kept = [name for name in names if name in self._fixed or name in self._values]
                if kept and not (self._is_fixed(node.value) or self._is_counted(node.value)):
                    self._forget(kept)
                    changed = True

    def _forget(self, names: Iterable[str]) -> None:
        """These are something else now, and nobody knows what."""
        for name in names:
            self._fixed.discard(name)
            self._values.pop(name, None)
        self._asked.clear()

    def _lose_numbers(self, assigned: Iterable[ast.Assign | ast.AugAssign]) -> None:
        """What a turn of a loop makes something else is no number when the next one begins."""
        lost = True
        while lost:
            lost = False
            for node in assigned:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [name for target in targets for name in bound_names(target)]
                if any(map(self._arithmetic.knows, names)) and not self._is_number(node.value):
                    self._arithmetic.forget(names)
                    lost = True

    def _compute(self, node: ast.AST) -> None:
        """What an assignment makes of names of numbers."""
        if isinstance(node, ast.Assign):
            for target in node.targets:
                self._arithmetic.learn(target, node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            self._arithmetic.learn(node.target, node.value)
        elif isinstance(node, ast.AugAssign):
            self._arithmetic.change(node.target, node.value)

    def _is_number(self, node: ast.expr) -> bool:
        return self._arithmetic.is_number(node)

    def _learn(self, node: ast.stmt) -> None:
        """What a name stands for is looked at when somebody asks: most names are never asked for."""
        self._compute(node)
        if isinstance(node, ast.AugAssign):
            if not self._is_fixed(node.value):
                self._forget(bound_names(node.target))
            return
        if isinstance(node, ast.AnnAssign):
            targets: list[ast.expr] = [node.target]
        elif isinstance(node, ast.Assign):
            targets = node.targets
        else:
            return
        if node.value is None:
            return
        for target in targets:
            if isinstance(target, ast.Name):
                name = target.id
                if name in self._fixed:
                    # `flag = flag if flag is not None else self.flag` asks for what the name was before.
                    asks = any(isinstance(n, ast.Name) and n.id == name for n in nodes(node.value))
                    if asks and self._is_fixed(node.value):
                        continue
                    self._fixed.discard(name)
                self._values[name] = node.value
            elif isinstance(target, (ast.Tuple, ast.List)):
                self._forget(bound_names(target))

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
        """A loop that may turn any number of times: what it fills is as long as that, and what it counts as
        many."""
        for inner in _statements(body):
            if isinstance(inner, (ast.Assign, ast.AugAssign)):
                targets = inner.targets if isinstance(inner, ast.Assign) else [inner.target]
                self._forget(name for target in targets for name in bound_names(target))
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
        """Whether a statement holds a dynamic comprehension, `map` or conditional expression with ops."""
        text = "\n".join(self._lines[node.lineno - 1 : node.end_lineno])
        if not any(word in text for word in _INLINE):
            return False
        for inner in nodes(node):
            if isinstance(inner, (ast.ListComp, ast.GeneratorExp, ast.SetComp, ast.DictComp)):
                if not all(self._is_counted(g.iter) for g in inner.generators):
                    parts = [inner.key, inner.value] if isinstance(inner, ast.DictComp) else [inner.elt]
                    if any(self._is_op(n) for part in parts for n in nodes(part)):
                        return True
            elif isinstance(inner, ast.IfExp):
                if not self._is_fixed(inner.test):
                    if any(self._is_op(n) for part in (inner.body, inner.orelse) for n in nodes(part)):
                        return True
            elif isinstance(inner, ast.Call) and inner.args and _name(inner.func) in ("map", "multi_apply"):
                if not any(self._is_counted(a) for a in inner.args[1:]):
                    return True
            elif isinstance(inner, ast.Call) and inner.args and _name(inner.func) in ("sum", "reduce"):
                if not self._is_counted(inner.args[-1 if len(inner.args) < 3 else 1]):
                    return True
        return False

    def _is_fixed(self, node: ast.expr) -> bool:
        """Whether an expression is plainly decided when the model is built, or by whoever calls it."""
        kind = type(node)
        if kind is ast.Constant or kind is ast.JoinedStr or kind is ast.Lambda:
            return True
        if isinstance(node, ast.Name):
            fixed = node.id in self._fixed or self._value_is(node.id, self._is_fixed)
            return fixed or self._is_global(node.id)
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
        return self._leads is not None and self._leads.is_constructed(attribute)

    def _is_dictionary(self, node: ast.expr) -> bool:
        """`self.x`, which the constructor makes an empty dictionary."""
        return (
            isinstance(node, ast.Attribute)
            and _name(node.value) == "self"
            and self._leads is not None
            and self._leads.is_dictionary(node.attr)
        )

    def _is_global(self, name: str) -> bool:
        """Whether a name is one of the file that no function changes."""
        if not self._file.binds(name) or name in self._outer:
            return False
        if self._locals is None:
            self._locals = {
                n.id for n in nodes(self._node) if isinstance(n, ast.Name) and type(n.ctx) is ast.Store
            }
            self._locals.update(n.arg for n in nodes(self._node) if isinstance(n, ast.arg))
        if name in self._locals:
            return False
        text = self._file.source.text
        return "global " not in text or not re.search(rf"\bglobal [^\n]*\b{name}\b", text)

    def _is_fixed_call(self, node: ast.Call) -> bool:
        name = _name(node.func)
        if name in _ASKING or (name == "len" and _is_rank(node)):
            return name != "hasattr" or not self._keeps()
        if isinstance(node.func, ast.Attribute):
            own = self._is_own(node.func.value)
            return name == "dim" or (own and name in _VIEWS)
        if name == "zip":
            return any(self._is_fixed(a) for a in node.args)
        if name == "enumerate":
            return bool(node.args) and self._is_fixed(node.args[0])
        return (name in _PASSING or name not in BUILTINS) and all(self._is_fixed(a) for a in node.args)

    def _is_fixed_comparison(self, node: ast.Compare) -> bool:
        if all(isinstance(op, (ast.Is, ast.IsNot)) for op in node.ops):
            *_, root = _chain(node.left)
            own = isinstance(root, ast.Name) and root.id == "self" and root is not node.left
            if not own and not self._keeps():
                return True  # else it may be what an earlier forward has left, under another name
        return all(self._is_fixed(part) for part in (node.left, *node.comparators))

    def _keeps(self) -> bool:
        """Whether an earlier forward may have left anything behind."""
        return self._leads is not None and self._leads.keeps()

    def _runs_ops(self, body: list[ast.stmt]) -> bool:
        for statement in body:
            if isinstance(statement, _COMPOUND):
                heads, bodies = _parts(statement)
                if any(self._is_op(node) for head in heads for node in nodes(head)):
                    return True
                before = self._arithmetic.known()
                if isinstance(statement, (ast.For, ast.AsyncFor)):
                    self._turn(statement)
                if any(map(self._runs_ops, bodies)):
                    return True
                self._arithmetic.keep(before)
            elif any(map(self._is_op, nodes(statement))):
                return True
            else:
                self._compute(statement)
        return False

    def _is_op(self, node: ast.AST) -> bool:
        """Whether something may be an op of the forward itself, or lead to one."""
        if isinstance(node, ast.BinOp):
            return not (self._is_fixed(node.left) and self._is_fixed(node.right)) and not self._is_number(
                node
            )
        if isinstance(node, ast.AugAssign):
            return not isinstance(node.value, ast.Constant) and not (
                self._is_number(node.target) and self._is_number(node.value)
            )
        if isinstance(node, ast.Assign):
            return any(
                isinstance(target, ast.Subscript)
                and _is_written(target)
                and not self._is_dictionary(target.value)
                for target in node.targets
            )
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Name):
            return node.func.id not in BUILTINS and not node.func.id[:1].isupper()
        if isinstance(node.func, ast.Call):
            return _name(node.func.func) == "getattr"
        if isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if _is_methods_own(node.func.value) or any(_name(a) == "self" for a in node.args):
                return self._leads is not None and self._leads.is_method(name)
            *_, root = _chain(node.func)
            if isinstance(root, ast.Name) and root.id in _NO_TENSORS:
                return False
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "self":
                return self._leads is not None and (
                    self._leads.is_method(name) or self._leads.runs_object("__call__")
                )
            if self._leads is not None and self._leads.runs_object(name):
                return True
            if name.strip("_") in _op_names() or name in ("add", "sub", "mul", "matmul"):
                return True
            if not isinstance(root, ast.Name) or self._project.is_own_import(self._file, root.id):
                return isinstance(root, ast.Name)
            return not self._file.imports(root.id) and not _is_common(name)
        return False


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
        or (name.annotation is not None and _is_switch(name.annotation))
    }


def _is_switch(annotation: ast.expr) -> bool:
    """`bool`, `str | None`, `Optional[bool]`: what is no tensor, and no number of anything."""
    words: set[str] = set()
    for part in nodes(annotation):
        if isinstance(part, (ast.Name, ast.Attribute)):
            words.add(_name(part))
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            words.update(_WORD.findall(part.value))
    return bool(words & {"bool", "str"}) and words <= _SWITCH


def _is_written(target: ast.Subscript) -> bool:
    """Whether `x[...] = y` may write into a tensor: not by name."""
    index = target.slice
    return not (
        isinstance(index, ast.JoinedStr) or (isinstance(index, ast.Constant) and isinstance(index.value, str))
    )


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


def _parts(statement: ast.stmt) -> tuple[list[ast.AST], list[list[ast.stmt]]]:
    """What stands in the head of a compound statement, and its bodies; an `elif` is none of its own."""
    heads: list[ast.AST] = []
    bodies: list[list[ast.stmt]] = []
    while True:
        following: list[ast.stmt] = []
        for name, part in ast.iter_fields(statement):
            if name == "orelse" and isinstance(statement, ast.If):
                following = part
            elif name in ("body", "orelse", "finalbody"):
                bodies.append(part)
            elif name == "handlers":
                bodies += [handler.body for handler in part]
            elif isinstance(part, ast.AST):
                heads.append(part)
            elif type(part) is list:
                heads += part
        if len(following) != 1 or not isinstance(following[0], ast.If):
            return heads, [*bodies, following]
        statement = following[0]


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


def _is_methods_own(node: ast.expr) -> bool:
    """`super()`."""
    return isinstance(node, ast.Call) and _name(node.func) == "super"


@cache
def _is_common(method: str) -> bool:
    """Whether tensors, containers or modules have a method of this name; else it may be a helper of a module
    of the project, whose ops are those of whoever calls it."""
    kinds = (list, dict, set, str)
    return (
        method in _OF_MODULES
        or any(hasattr(kind, method) for kind in kinds)
        or of_function(f"torch.Tensor.{method}") is not None
    )


@cache
def _op_names() -> frozenset[str]:
    return frozenset(
        name.strip("_") for m in meanings() if m.replaced or m.fuses is not None for name in m.functions
    )
