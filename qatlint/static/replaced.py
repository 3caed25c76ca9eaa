"""Methods and modules in whose place code puts something else, after a model was built or as a class:
`m.forward = m.forward_fuse`, `Net.run = Net.run_deploy`, `setattr(m, "run", MethodType(run, m))`,
`m.head = B()`.

Found in the syntax of all linted files, as `reassigned.py` finds attributes. What a constructor sets, the
interpreter sees for itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from qatlint.static.loosening import computes
from qatlint.static.modulefile import ClassDef, FunctionFound, ModuleFile
from qatlint.static.project import Project
from qatlint.static.source import Unreadable, nodes
from qatlint.static.values import Function

_DEPTH = 4
"""How deep calls around a function are looked through: `partial(MethodType(run, m), 2)`."""
_CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")
_SAME = (ast.Is, ast.Eq)
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Replacement(NamedTuple):
    """What stands in place of a method: one of the first two; with neither, nobody knows."""

    method: str = ""
    """Another method of the same object."""
    function: Function | None = None
    is_bound: bool = True
    """Whether that function is given the object."""
    made: ClassDef | str = ""
    """The class of the object that stands there, of the project or a dotted one of torch."""
    by: str = ""
    """The class whose constructor puts it there: what that does is followed as far as it can be."""


UNKNOWN = Replacement()


class _Set(NamedTuple):
    """Some code that replaces a method."""

    classes: frozenset[str] | None
    """Those of the object, or of what inherits from them; None where nobody knows."""
    by: Replacement


class _Exchange(NamedTuple):
    """Some code that puts other modules in the place of those of some classes, or makes them such."""

    classes: frozenset[str]
    """Those of the modules, or of what inherits from them."""
    made: ClassDef | str
    """The class of what stands there; "" where nobody knows."""
    is_same: bool
    """Whether it is the same object, whose class is set."""


class _Scope(NamedTuple):
    """Where a statement stands."""

    file: ModuleFile
    cls: ClassDef | None = None
    functions: tuple[_FunctionNode, ...] = ()
    """Outermost first."""
    tests: tuple[ast.expr, ...] = ()
    """Of the `if`s in whose bodies it is."""


class Replaced:
    """Of the linted files of a project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._sets: dict[str, list[_Set]] = {}
        """By the name of the method."""
        self._exchanges: list[_Exchange] = []
        self._entries: dict[str, list[_Set]] = {}
        """By the name of a container: what replaces its entries."""
        self.any_of: set[str] = set()
        """Names that are in code which sets attributes by names that it makes or was given."""
        for path in project.linted:
            try:
                file = project.file(path)
            except (Unreadable, OSError):
                continue
            self._read(file.source.tree.body, _Scope(file))

    def of(self, cls: ClassDef, name: str) -> list[Replacement]:
        """What may stand in place of a method of an object that was built as one of a class."""
        unknown = [UNKNOWN] if name in self.any_of else []
        if name not in self._sets:
            return unknown
        own = {entry.full_name for entry in self._project.mro(cls) if isinstance(entry, ClassDef)}
        own |= {below.full_name for below in self._project.subclasses(cls)}
        found = [s.by for s in self._sets[name] if s.classes is None or not s.classes.isdisjoint(own)]
        return list(dict.fromkeys([*found, *unknown]))

    def instead_of_child(
        self, holder: ClassDef, name: str, own: ClassDef | str, *, is_entry: bool
    ) -> set[ClassDef | str]:
        """The classes, other than its own, of which the module may be that an object holds under a name, or
        that is an entry there; "" is any."""
        line = {entry.full_name for entry in self._project.mro(holder) if isinstance(entry, ClassDef)}
        line |= {below.full_name for below in self._project.subclasses(holder)}
        sets = [*self._sets.get(name, ()), *(self._entries.get(name, ()) if is_entry else ())]
        return {
            s.by.made
            for s in sets
            if not s.by.by and s.by.made != own and (s.classes is None or not s.classes.isdisjoint(line))
        }

    def instead_of_any(self, cls: ClassDef, *, is_same: bool = False) -> set[ClassDef | str]:
        """The classes, other than its own, of which any module may be that was built as one of a class;
        `is_same`: the very object."""
        own = {entry.full_name for entry in self._project.mro(cls) if isinstance(entry, ClassDef)}
        return {
            one.made
            for one in self._exchanges
            if not one.classes.isdisjoint(own) and one.made != cls and (one.is_same or not is_same)
        }

    # -- the syntax of a file ------------------------------------------------------------------------

    def _read(self, body: Sequence[ast.stmt], scope: _Scope) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                cls = next((c for c in scope.file.classes if c.node is node), None)
                self._read(node.body, scope._replace(cls=cls, tests=()))
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                self._read(node.body, scope._replace(functions=(*scope.functions, node), tests=()))
            elif isinstance(node, ast.If):
                self._read(node.body, scope._replace(tests=(*scope.tests, node.test)))
                self._read(node.orelse, scope)
            else:
                self._one(node, scope)
                for inner in _bodies(node):
                    self._read(inner, scope)

    def _one(self, node: ast.stmt, scope: _Scope) -> None:
        """A statement that is no definition and no `if`."""
        if isinstance(node, ast.Assign):
            for target in node.targets:
                for holder, name, value in _attributes(target, node.value):
                    self._note(holder, name, value, scope)
                self._note_unnamed(_unnamed(target, node.value), scope)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            for holder, name, value in _attributes(node.target, node.value):
                self._note(holder, name, value, scope)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            for holder, name, value in _set_by(node.value):
                self._note(holder, name, value, scope)
            self._note_unnamed(_unnamed_by(node.value), scope)

    def _note_unnamed(self, found: tuple[ast.expr, ast.expr] | None, scope: _Scope) -> None:
        """Something is set by a name nobody knows, as in a `convert` that goes through all modules: in place
        of one of those classes that this function asks for."""
        is_built = bool(scope.functions) and scope.functions[0].name == "__init__"
        if found is None or not scope.functions or (is_built and getattr(found[0], "id", "") == "self"):
            return
        asked = [cls for node in nodes(scope.functions[0]) for _, classes in _asked(node) for cls in classes]
        known = [cls for node in asked if (cls := self._class(node, scope)) is not None]
        classes = frozenset(cls.full_name for cls in known)
        for by in self._meant(found[1], found[0], "", False, scope):
            self._exchanges.append(_Exchange(classes, by.made, False))

    def _note_class(self, holder: ast.expr, value: ast.expr, scope: _Scope) -> None:
        """An object gets another class: one of its kin, where nobody knows what it is."""
        made, (classes, _) = self._class(value, scope), self._holders(holder, scope)
        if classes is None and made is not None:
            line = [entry for entry in self._project.mro(made)[1:] if isinstance(entry, ClassDef)]
            classes = frozenset(entry.full_name for entry in line)
        self._exchanges.append(_Exchange(classes or frozenset(), made if made is not None else "", True))

    def _note(self, holder: ast.expr, name: str, value: ast.expr, scope: _Scope) -> None:
        if name == "__class__":
            self._note_class(holder, value, scope)
            return
        sets = self._sets
        if name.isdigit() and isinstance(holder, ast.Attribute):  # `m.layers[1]`
            sets, name, holder = self._entries, holder.attr, holder.value
        is_built = bool(scope.functions) and scope.functions[0].name == "__init__"
        is_own = isinstance(holder, ast.Name) and holder.id == "self"
        builder = scope.cls.full_name if is_built and is_own and scope.cls is not None else ""
        classes, is_class = self._holders(holder, scope)
        for by in self._meant(value, holder, name, is_class, scope):
            if by.method != name or by.function is not None:
                sets.setdefault(name, []).append(_Set(classes, by._replace(by=builder)))

    def _holders(self, holder: ast.expr, scope: _Scope) -> tuple[frozenset[str] | None, bool]:
        """The classes of an object whose attribute is set, and whether it is a class itself."""
        if not isinstance(holder, ast.Name):
            return None, False
        if holder.id in ("self", "cls") and scope.cls is not None:
            return frozenset({scope.cls.full_name}), holder.id == "cls"
        values = list(_values_of(holder.id, scope))
        if values:
            made = [self._class(v.func, scope) for v in values if isinstance(v, ast.Call)]
            known = [cls.full_name for cls in made if cls is not None]
            is_known = len(known) == len(values)
            return frozenset(known) if is_known else self._tested(holder.id, scope), False
        if (cls := self._class(holder, scope)) is not None:
            return frozenset({cls.full_name}), True
        return self._tested(holder.id, scope), False

    def _tested(self, name: str, scope: _Scope) -> frozenset[str] | None:
        """The classes that the tests around a statement say an object is of."""
        for test in reversed(scope.tests):
            operands = (
                test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]
            )
            for one in operands:
                tested = _classes_tested(one, name)
                found = [self._class(cls, scope) for cls in tested]
                if found and all(cls is not None for cls in found):
                    return frozenset(cls.full_name for cls in found if cls is not None)
        return None

    def _class(self, node: ast.expr, scope: _Scope) -> ClassDef | None:
        found = self._project.expression(node, scope.file)
        return found if isinstance(found, ClassDef) else None

    # -- what a value is ---------------------------------------------------------------------------

    def _meant(
        self, value: ast.expr, holder: ast.expr, name: str, is_class: bool, scope: _Scope, depth: int = 0
    ) -> Iterator[Replacement]:
        """What may be called where `value` stands as `holder.name`; that method itself where a wrapper of it
        computes nothing."""
        if isinstance(value, ast.IfExp):
            for side in (value.body, value.orelse):
                yield from self._meant(side, holder, name, is_class, scope, depth)
        elif isinstance(value, ast.Attribute):
            yield self._attribute(value, holder, name, scope)
        elif isinstance(value, ast.Name):
            yield self._named(value.id, name, is_class, scope)
        elif isinstance(value, ast.Subscript):
            yield from self._meant(value.value, holder, name, is_class, scope, depth)
        elif isinstance(value, ast.Call) and depth < _DEPTH:
            yield from self._called(value, holder, name, is_class, scope, depth)
        elif not isinstance(value, ast.Constant):
            yield UNKNOWN

    def _attribute(self, value: ast.Attribute, holder: ast.expr, name: str, scope: _Scope) -> Replacement:
        cls = self._base(value, scope)
        if ast.dump(value.value) == ast.dump(holder) or (value.attr == name and cls is None):
            return Replacement(value.attr)
        found = cls and self._method(cls, value.attr, after=_is_super(value.value))
        return Replacement(function=found) if found else UNKNOWN

    def _base(self, value: ast.Attribute, scope: _Scope) -> ClassDef | None:
        """The class of whose methods an attribute is one, that of `super()` for these."""
        return scope.cls if _is_super(value.value) else self._class(value.value, scope)

    def _method(self, cls: ClassDef, name: str, after: bool) -> Function | None:
        line = [entry for entry in self._project.mro(cls) if isinstance(entry, ClassDef)]
        for entry in line[1:] if after else line:
            if name in entry.methods:
                return Function(entry.methods[name], entry.file, None, entry)
        return None

    def _named(self, written: str, name: str, is_bound: bool, scope: _Scope) -> Replacement:
        for function in reversed(scope.functions):
            for node in nodes(function):
                if isinstance(node, _FunctionNode) and node.name == written and node is not function:
                    is_plain = not computes(self._project, scope.file, node)
                    return Replacement(name) if is_plain else UNKNOWN
        values = list(_values_of(written, scope))
        if values:  # what it was before is put back
            is_same = all(isinstance(v, ast.Attribute) and v.attr == name for v in values)
            made = {self._made(v.func, scope) if isinstance(v, ast.Call) else "" for v in values}
            if len(made) == 1 and not is_same:
                return Replacement(made=made.pop())
            return Replacement(name) if is_same else UNKNOWN
        found = self._project.resolve(scope.file, written)
        if not isinstance(found, FunctionFound):
            return UNKNOWN
        return Replacement(function=Function(found.node, found.file), is_bound=is_bound)

    def _made(self, called: ast.expr, scope: _Scope) -> ClassDef | str:
        """The class that is called, of the project or a module of torch; "" where it is none."""
        found = self._project.expression(called, scope.file)
        if isinstance(found, ClassDef):
            return found
        is_module = isinstance(found, str) and found.startswith("torch.nn.")
        return found if is_module and found.rpartition(".")[2][:1].isupper() else ""  # type: ignore

    def _called(
        self, value: ast.Call, holder: ast.expr, name: str, is_class: bool, scope: _Scope, depth: int
    ) -> Iterator[Replacement]:
        """`MethodType(run, m)`, `run.__get__(m)`, `partial(m.run, 2)`, `torch.compile(m.run)`."""
        called, first = value.func, value.args[0] if value.args else None
        if isinstance(called, ast.Attribute) and called.attr == "__get__":
            yield from self._meant(called.value, holder, name, True, scope, depth + 1)
            return
        last = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        if last == "getattr" and len(value.args) > 1:
            text = value.args[1]
            is_text = isinstance(text, ast.Constant) and isinstance(text.value, str)
            is_own = is_text and ast.dump(value.args[0]) == ast.dump(holder)
            yield Replacement(text.value) if is_own else UNKNOWN  # type: ignore[attr-defined]
            return
        if made := self._made(called, scope):
            inner = [
                cls
                for node in ast.walk(value)
                if isinstance(node, ast.Call) and (cls := self._class(node.func, scope)) is not None
            ]
            is_held = last in _CONTAINERS and any(
                isinstance(node, ast.Attribute) and node.attr == name for node in ast.walk(value)
            )
            if is_held:
                yield Replacement(name)
            for one in dict.fromkeys(inner if last in _CONTAINERS else ()) or ([] if is_held else [made]):
                yield Replacement(made=one)
            return
        wrapper = self._project.expression(called, scope.file)
        is_plain = isinstance(wrapper, str) or (
            isinstance(wrapper, FunctionFound) and not computes(self._project, wrapper.file, wrapper.node)
        )
        if first is None or not is_plain:
            yield UNKNOWN
            return
        binds = last in ("MethodType", "partial") and any(
            ast.dump(argument) == ast.dump(holder) for argument in value.args[1:]
        )
        yield from self._meant(first, holder, name, is_class or binds, scope, depth + 1)


def _bodies(node: ast.stmt) -> Iterator[Sequence[ast.stmt]]:
    for field in ("body", "orelse", "finalbody"):
        yield getattr(node, field, ())
    for handler in getattr(node, "handlers", ()):
        yield handler.body
    for case in getattr(node, "cases", ()):
        yield case.body


def _attributes(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.expr, str, ast.expr]]:
    """The object, the name and the value of attributes that are assigned: `m.run`, `m.__dict__["run"]`."""
    if isinstance(target, (ast.Tuple, ast.List)):
        is_spread = isinstance(value, (ast.Tuple, ast.List)) and len(value.elts) == len(target.elts)
        for number, one in enumerate(target.elts):
            yield from _attributes(one, value.elts[number] if is_spread else value)  # type: ignore[attr-defined]
    elif isinstance(target, ast.Attribute):
        yield target.value, target.attr, value
    elif isinstance(target, ast.Subscript):
        holder, key = _namespace(target.value), target.slice
        if holder is None and isinstance(target.value, ast.Attribute):  # an entry of it, whichever
            yield target.value, "0", value
        elif holder is not None and isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield holder, key.value, value


def _unnamed(target: ast.expr, value: ast.expr) -> tuple[ast.expr, ast.expr] | None:
    """The object and the value of an attribute that is assigned by a name that is not written there."""
    if not isinstance(target, ast.Subscript) or isinstance(target.slice, ast.Constant):
        return None
    holder = _namespace(target.value)
    return (holder, value) if holder is not None else None


def _unnamed_by(call: ast.Call) -> tuple[ast.expr, ast.expr] | None:
    """The same of a call."""
    args = _arguments(call)
    return (args[0], args[2]) if len(args) == 3 and not isinstance(args[1], ast.Constant) else None


def _arguments(call: ast.Call) -> list[ast.expr]:
    """The object, the name and the value that a call is given which sets an attribute."""
    called, args = call.func, call.args
    if isinstance(called, ast.Attribute) and called.attr in ("__setattr__", "add_module", "register_module"):
        return args if len(args) == 3 else [called.value, *args]
    return args if isinstance(called, ast.Name) and called.id == "setattr" else []


def _set_by(call: ast.Call) -> Iterator[tuple[ast.expr, str, ast.expr]]:
    """The object, the name and the value of attributes that a call sets."""
    called = call.func
    if isinstance(called, ast.Attribute) and called.attr == "update":
        holder = namespace_of(called.value)
        for keyword in call.keywords:
            if holder is not None and keyword.arg is not None:
                yield holder, keyword.arg, keyword.value
        return
    args = _arguments(call)
    if len(args) == 3 and isinstance(args[1], ast.Constant) and isinstance(args[1].value, str):
        yield args[0], args[1].value, args[2]


def namespace_of(node: ast.expr) -> ast.expr | None:
    """`m` of `m.__dict__` and `vars(m)`."""
    if isinstance(node, ast.Attribute) and node.attr == "__dict__":
        return node.value
    is_vars = isinstance(node, ast.Call) and getattr(node.func, "id", "") == "vars" and node.args
    return node.args[0] if is_vars else None  # type: ignore[attr-defined]


def _namespace(node: ast.expr) -> ast.expr | None:
    """The same, and `m` of `m._modules`."""
    is_held = isinstance(node, ast.Attribute) and node.attr == "_modules"
    return node.value if is_held else namespace_of(node)  # type: ignore[attr-defined]


def _values_of(name: str, scope: _Scope) -> Iterator[ast.expr]:
    """What a local variable is given, by assignments; a parameter or the variable of a loop is given what
    nobody knows, which is itself."""
    for function in reversed(scope.functions):
        found = list(_bound(name, function))
        if found:
            yield from found
            return
    if not scope.functions:
        yield from _bound(name, scope.file.source.tree)


def _bound(name: str, node: ast.AST) -> Iterator[ast.expr]:
    for inner in nodes(node):
        if isinstance(inner, ast.Assign):
            yield from (inner.value for t in inner.targets if isinstance(t, ast.Name) and t.id == name)
        elif isinstance(inner, (ast.For, ast.comprehension)) and isinstance(inner.target, ast.Name):
            if inner.target.id == name:
                yield inner.target
        elif isinstance(inner, ast.arg) and inner.arg == name:
            yield ast.Name(name)


def _classes_tested(test: ast.expr, name: str) -> list[ast.expr]:
    """The classes of which a test says that an object is one."""
    return [cls for subject, classes in _asked(test) if subject == name for cls in classes]


def _asked(test: ast.AST) -> Iterator[tuple[str, list[ast.expr]]]:
    """What is asked of an object, by its name: `isinstance(m, (A, B))`, `type(m) is A`."""
    if isinstance(test, ast.Call) and getattr(test.func, "id", "") == "isinstance" and len(test.args) == 2:
        yield getattr(test.args[0], "id", ""), _entries_of(test.args[1])
    elif isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], _SAME):
        left = test.left
        if isinstance(left, ast.Call) and getattr(left.func, "id", "") == "type" and len(left.args) == 1:
            yield getattr(left.args[0], "id", ""), _entries_of(test.comparators[0])


def _entries_of(classes: ast.expr) -> list[ast.expr]:
    return list(classes.elts) if isinstance(classes, ast.Tuple) else [classes]


def _is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "super"
