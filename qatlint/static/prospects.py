"""Which classes may have dynamic code with ops in it: a cheap look at the syntax.

Watching a forward costs as much as counting its modules. Most classes have no loop and no branch that
anything but the constructor decides, and this is plain to see in nearly all of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from qatlint.horizon.ops import meanings
from qatlint.static.calls import NOT_FORWARD
from qatlint.static.modulefile import ClassDef, FunctionFound, ModuleFile
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
_INLINE = (" for ", " if ", "map(", "apply(")
_OWN = re.compile(r"(?:self|super\(\w*(?:, ?\w+)?\))\.(\w+)")
_ASKED = re.compile(r"""getattr\(\s*self\s*,\s*(?:["'](\w+)["']\s*[,)])?""")
"""An attribute that is asked for by its name, and by which one, where it is not put together."""
_CALLED = re.compile(r"(?<![\w.])([a-z_]\w*)\(")
_CLASSES = re.compile(r"(?<![\w.])(_*[A-Z]\w*)[.(]")
"""What is named like a class, and made, or asked for a method."""
_OF_OTHERS = re.compile(r"\.(\w+)\(")
"""Methods of anything."""
_DEEP = 3
"""Functions of functions that are looked at."""
_CHANGED = re.compile(
    r"self\.(\w+)(?:\[[^\]\n]*\])*[ \t]*"
    r"(?:[-+*/|&]?=(?!=)|,[^=(\n]* = |\.(?:append|appendleft|pop|insert|extend)\()"
)
"""An attribute that is assigned, or filled. Both begin with what is searched for fastest."""
CHECKPOINTING = "checkpoint"
"""In the names of functions that save memory in training: what they are given runs as it would without them,
and is looked at by itself."""
_WORD = re.compile(r"\w+")
_SWITCH = frozenset("bool str None Optional Union typing".split())
"""Words in the annotations of switches."""
_EXITS = (ast.Break, ast.Continue, ast.Return)
_COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try)
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)


def may_be_dynamic(project: Project, cls: ClassDef) -> bool:
    """Whether the methods of a class that forward leads to hold a loop or a branch that may be dynamic, with
    something in it that may be an op; or a dynamic block."""
    try:
        return _may_be_dynamic(project, cls)
    except RecursionError:
        return False  # nested too deeply to be looked through: such a forward is not followed either


def _may_be_dynamic(project: Project, cls: ClassDef) -> bool:
    look = _Look(project, cls)
    if any(_is_prospect(project, cls, name, look) for name in look.texts):
        return True
    if any(name != "__init__" for name in look.texts):
        # What it overrides may run in a loop that a base has written.
        if any(_is_prospect(project, entry, name) for entry, name in look.inherited):
            return True
    if any(_is_dynamic(project, file, name) for file, name in look.functions()):
        return True
    return any(_is_dynamic_object(project, made, called) for made, called in look.objects())


def _is_dynamic_object(project: Project, cls: ClassDef, called: frozenset[str], depth: int = 0) -> bool:
    """The same of an object of a class of the project, by the methods of it that are called."""
    key = ("object", called)
    known: bool | None = cls.states.get(key)
    if known is None:
        cls.states[key] = False  # until it is known: its methods may make another one
        look = _Look(project, cls, called)
        known = (
            any(_is_prospect(project, cls, name, look) for name in look.texts)
            or any(_is_prospect(project, entry, name) for entry, name in look.inherited)
            or any(_is_dynamic(project, file, name) for file, name in look.functions())
        )
        if not known and depth < _DEEP:
            known = any(_is_dynamic_object(project, *inner, depth + 1) for inner in look.objects())
        cls.states[key] = known
    return known


def _is_prospect(project: Project, cls: ClassDef, name: str, look: _Look | None = None) -> bool:
    """The same of one method that stands in a class; `look` is that at the class, where it is there."""
    key = ("prospect", name)
    known: bool | None = cls.states.get(key)
    if known is None:
        method = cls.methods[name]
        text = cls.text_of(method)
        known = "dynamic_block" in text or (
            any(word in text for word in _BRANCHING)
            and _Function(project, look or _Look(project, cls), method, cls.file).is_prospect()
        )
        cls.states[key] = known
    return known


def _is_dynamic(project: Project, file: ModuleFile, name: str, depth: int = 0) -> bool:
    """The same of a plain function of the project, by its name in a file, and of those that it calls."""
    key = (file.path, name)
    known = project.dynamic_functions.get(key)
    if known is None:
        project.dynamic_functions[key] = False  # until it is known: it may call itself
        found = project.resolve(file, name)
        known = False
        if isinstance(found, FunctionFound):
            home, node = found.file, found.node
            text = "\n".join(home.source.lines[node.lineno - 1 : node.end_lineno])
            branches = any(word in text for word in _BRANCHING)
            known = branches and _Function(project, None, node, home).is_prospect()
            if not known and depth < _DEEP:
                calls = {name for name in _CALLED.findall(text) if name not in _BUILTINS}
                known = any(_is_dynamic(project, home, called, depth + 1) for called in sorted(calls))
        project.dynamic_functions[key] = known
    return known


def _at(project: Project, module: ModuleFile, path: str) -> Iterator[tuple[ModuleFile, str]]:
    """The file and name of the function `a.b.f` of a module; nothing where `a.b` is no module."""
    *folders, name = path.split(".")
    for folder in folders:
        found = project.resolve(module, folder) or project.imported(module, module.name, folder)
        if not isinstance(found, ModuleFile):
            return
        module = found
    yield module, name


class _Look:
    """The methods of a class that forward may lead to, as text; those that are `called`, for an object that
    is no module."""

    def __init__(self, project: Project, cls: ClassDef, called: frozenset[str] = frozenset()) -> None:
        self._project = project
        self.cls = cls
        self._line = [entry for entry in project.mro(cls) if isinstance(entry, ClassDef)]
        self.texts: dict[str, str] = {}
        """Of the methods of the class itself: those of its bases are looked at in these."""
        self.inherited: list[tuple[ClassDef, str]] = []
        """Methods of its bases that forward leads to."""
        self._changed: frozenset[str] | None = None
        self._objects: list[tuple[ClassDef, frozenset[str]]] | None = None
        if called:
            reached = self._reached(sorted(called))
        elif any("forward" in entry.methods for entry in self._line):
            reached = self._reached(["forward"])
        else:
            # What a library calls is followed from the methods that are named so.
            reached = self._reached([n for e in self._line for n in e.methods if n.startswith("forward")])
        for entry, name, text in reached:
            if entry is cls:
                self.texts[name] = text
            elif name != "__init__":
                self.inherited.append((entry, name))

    def _reached(self, waiting: list[str], asks: bool = True) -> list[tuple[ClassDef, str, str]]:
        """The methods that these names lead to, by names alone: class, name, and text. `asks`: where an
        attribute is asked for by a name that is put together, any may be meant that the constructor has not
        called."""
        found = []
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen or NOT_FORWARD.search(name):
                continue
            seen.add(name)
            # Each definition of the name: one may call the next with `super()`.
            for entry in self._line:
                method = entry.methods.get(name)
                if method is None:
                    continue
                text = entry.text_of(method)
                found.append((entry, name, text))
                waiting += _OWN.findall(text)
                asked = _ASKED.findall(text) if "getattr(" in text else []
                waiting += asked
                if asks and "" in asked:
                    asks = False
                    built = {name for _, name, _ in self._reached(["__init__"], asks=False)}
                    waiting += [name for e in self._line for name in e.methods if name not in built]
        return found

    def functions(self) -> Iterator[tuple[ModuleFile, str]]:
        """Functions of the project that the methods call: a file, and the name that it has there."""
        file = self.cls.file
        known = self._project.callables.get(file.path)
        if known is None:
            imported = [name for name in file.named(tuple) if len(name) == 1 or not name[0].isupper()]
            own = [name for name in imported if self._project.is_own_import(file, name)]
            known = self._project.callables[file.path] = (file.named(FunctionFound), own)
        texts = self.texts.values()
        joined = "\n".join(texts)
        for names in known:
            for name in names:
                if f"{name}(" in joined and CHECKPOINTING not in name:
                    yield file, name
        if file.stars:
            called = {name for text in texts for name in _CALLED.findall(text)} - _BUILTINS
            for name in sorted(called):
                if file.binding(name) is None:
                    yield file, name
        for name in known[1]:
            if f"{name}." in joined:
                module = self._project.imported_module(file, name) or self._project.resolve(file, name)
                if isinstance(module, ModuleFile):
                    member = re.compile(rf"(?<![\w.]){name}\.([\w.]+)\(")
                    for path in sorted({a for text in texts for a in member.findall(text)}):
                        yield from _at(self._project, module, path)

    def objects(self) -> list[tuple[ClassDef, frozenset[str]]]:
        """Classes of the project that are no modules, of which there may be objects: each with its methods
        that are called on something."""
        if self._objects is None:
            called = {name for text in self.texts.values() for name in _OF_OTHERS.findall(text)}
            self._objects = []
            for file, name, text in self._named_classes():
                found = self._project.resolve(file, name)
                if not isinstance(found, ClassDef) or found in self._line or self._project.is_module(found):
                    continue
                if name not in _CLASSES.findall(text):
                    continue  # a part of a longer name
                line = [entry for entry in self._project.mro(found) if isinstance(entry, ClassDef)]
                methods = {method for entry in line for method in entry.methods}
                meant = methods & (called | {"__call__"})
                if meant:
                    self._objects.append((found, frozenset(meant)))
        return self._objects

    def _named_classes(self) -> Iterator[tuple[ModuleFile, str, str]]:
        """What may be named like a class of the project, in its constructors and own methods: a file, a
        name there, and the text."""
        texts = {self.cls.file.path: (self.cls.file, list(self.texts.values()))}
        for entry in self._line:
            if "__init__" in entry.methods:
                home = texts.setdefault(entry.file.path, (entry.file, []))
                home[1].append(entry.text_of(entry.methods["__init__"]))
        for file, parts in texts.values():
            text = "\n".join(parts)
            names = self._class_names(file)
            if file.stars:
                names = sorted({*names, *_CLASSES.findall(text)})
            for name in names:
                if f"{name}(" in text or f"{name}." in text:
                    yield file, name, text

    def _class_names(self, file: ModuleFile) -> list[str]:
        """Top-level names of a file that are spelt like classes and may be those of the project."""
        known = self._project.class_names.get(file.path)
        if known is None:
            spelt = [name for name in file.named() if name.lstrip("_")[:1].isupper()]
            known = self._project.class_names[file.path] = [
                name for name in spelt if not file.imports(name) or self._project.is_own_import(file, name)
            ]
        return known

    def runs_object(self, method: str) -> bool:
        """Whether a method of this name may be that of an object of the project that is no module."""
        return any(method in called for _, called in self.objects())

    def is_method(self, name: str) -> bool:
        """Whether `self.name` is a method of the class."""
        return any(isinstance(c, ClassDef) and name in c.methods for c in self._project.mro(self.cls))

    def is_constructed(self, attribute: str) -> bool:
        """Whether forward leaves an attribute as the constructor made it, as far as the text says."""
        if self._changed is None:
            texts = [text for name, text in self.texts.items() if name != "__init__"]
            texts += [entry.text_of(entry.methods[name]) for entry, name in self.inherited]
            self._changed = frozenset(n for text in texts for n in _CHANGED.findall(text))
        return attribute not in self._changed


class _Function:
    def __init__(
        self,
        project: Project,
        look: _Look | None,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        file: ModuleFile,
    ) -> None:
        self._project = project
        self._file = file
        self._look = look
        """The class, for a method."""
        self._node = node
        self._lines = file.source.lines
        self._fixed = {"self", *_flags(node)}
        """Local names that the constructor decides, or whoever calls forward."""
        self._values: dict[str, ast.expr] = {}
        """What local names were last given."""
        self._asked: dict[tuple[int, str], bool] = {}

    def is_prospect(self) -> bool:
        return self._in(self._node.body)

    def _in(self, body: list[ast.stmt]) -> bool:
        return any(
            self._statement(node) or (n + 1 < len(body) and self._may_end(node, body[n + 1 :]))
            for n, node in enumerate(body)
        )

    def _may_end(self, node: ast.stmt, rest: list[ast.stmt]) -> bool:
        """Whether a branch that may be dynamic returns, and what follows runs ops."""
        return (
            isinstance(node, _COMPOUND)
            and any(isinstance(inner, ast.Return) for inner in _statements([node]))
            and any(isinstance(n, ast.If) and not self._is_fixed(n.test) for n in _statements([node]))
            and self._runs_ops(rest)
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
            (self._fixed.update if counted else self._fixed.difference_update)(_names(node.target))
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

    def _inner(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> _Function:
        """A function that is defined in this one, and sees its names."""
        inner = _Function(self._project, self._look, node, self._file)
        own = {argument.arg for argument in nodes(node.args) if isinstance(argument, ast.arg)}
        inner._fixed |= self._fixed - own
        inner._values = {name: value for name, value in self._values.items() if name not in own}
        return inner

    def _carry(self, body: list[ast.stmt]) -> None:
        """A loop may begin a turn with what an earlier one has left in its variables."""
        assigned = [node for node in _statements(body) if isinstance(node, (ast.Assign, ast.AugAssign))]
        changed = True
        while changed:
            changed = False
            for node in assigned:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [name for target in targets for name in _names(target)]
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

    def _learn(self, node: ast.stmt) -> None:
        """What a name stands for is looked at when somebody asks: most names are never asked for."""
        if isinstance(node, ast.AugAssign):
            if not self._is_fixed(node.value):
                self._forget(_names(node.target))
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
                self._forget(_names(target))

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
                self._forget(name for target in targets for name in _names(target))
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
        return self._look is not None and self._look.is_constructed(attribute)

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
        if isinstance(node, ast.Assign):
            return any(isinstance(target, ast.Subscript) and _is_written(target) for target in node.targets)
        if not isinstance(node, ast.Call):
            return False
        if isinstance(node.func, ast.Name):
            return node.func.id not in _BUILTINS and not node.func.id[:1].isupper()
        if isinstance(node.func, ast.Attribute):
            name = node.func.attr
            if isinstance(node.func.value, ast.Name) and node.func.value.id == "self":
                return self._look is not None and (
                    self._look.is_method(name) or self._look.runs_object("__call__")
                )
            if self._look is not None and self._look.runs_object(name):
                return True
            if name.strip("_") in _op_names() or name in ("add", "sub", "mul", "matmul"):
                return True
            *_, root = _chain(node.func)
            return isinstance(root, ast.Name) and self._project.is_own_import(self._file, root.id)
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
