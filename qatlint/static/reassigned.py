"""What code sets again after it was built: attributes, and names of modules.

What a constructor gives an attribute is no fact about a model where any other code gives it something else:
`switch_to_deploy`, or a builder that sets `model.flag`. This is found in the syntax of all linted files, and
only for whom it decides something (`unsettled.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from qatlint.static.modulefile import ClassDef
from qatlint.static.project import Project
from qatlint.static.replaced import Replaced
from qatlint.static.source import Unreadable, children

_SELVES = ("self", "cls")
_CHANGES = frozenset("append clear extend insert pop remove reverse setdefault sort update".split())
"""Methods of containers that change them."""
_BUILT_BY = "__init__"
_NAMESPACES = ("__dict__", "_modules", "_buffers", "_parameters")
_UNNAMED = (_BUILT_BY, "__setattr__")
"""Methods that may give attributes any names: the first is followed, the second is told them."""
_TAKEN = {"setattr": 3, "delattr": 2, "__setattr__": 3, "__delattr__": 2}
"""Functions that set attributes by their names -> how many arguments they take, with the object."""
_ADDING = frozenset("add_module register_module register_buffer register_parameter".split())
"""Methods that do the same."""


class _Home(NamedTuple):
    """Where some code stands."""

    cls: str
    """The class around it, "" where there is none."""
    function: str
    """The method, or the function; "" at the level of the module."""


class _Mention(NamedTuple):
    home: _Home
    is_own: bool
    """Of `self`, or of `super()`."""


class Reassigned:
    """Of the linted files of a project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.methods = Replaced(project)
        self._outside: set[str] = set()
        """Attributes that are set on something else than `self`."""
        self._refilled: set[str] = set()
        """Attributes of something else than `self` whose entries are changed."""
        self._own: dict[tuple[str, str], set[str]] = {}
        """(class, attribute of `self`) -> the methods that set it, or change its entries."""
        self._constants: dict[str, set[str]] = {}
        """Class -> names that are set in its body, and those of its methods."""
        self._deleted: set[str] = set()
        """Attributes that are deleted, but by a constructor."""
        self._globals: set[str] = set()
        """What functions set, or change, and have not made themselves."""
        self._mentions: dict[str, set[_Mention]] = {}
        """Attribute, or text -> where it is read, or stands."""
        self._setters: set[str] = set()
        """Functions that set attributes by names that are not written there."""
        self._calls: dict[str, list[ast.Call]] = {}
        self._texts: dict[str, set[str]] = {}
        """Function -> what stands in its code that may be a name."""
        self._listed: dict[str, set[str]] = {}
        """Function -> those of them that are entries of a list, or keys."""
        self._only_building: dict[tuple[tuple[str, ...], str], bool] = {}
        for path in project.linted:
            try:
                file = project.file(path)
            except (Unreadable, OSError):
                continue
            _Reading(file.name, self).read(file.source.tree)
        for setter in self._setters:
            calls = self._calls.get(setter, ())
            self._outside |= self._texts.get(setter, set())
            self._outside |= {name for call in calls for name in _names_given(call)}
            self.methods.any_of |= self._listed.get(setter, set())
            self.methods.any_of |= {name for call in calls for name in _keys_given(call)}
        self._calls.clear()

    def attribute(
        self, cls: ClassDef | None, name: str, *, holds_entries: bool = False, in_subclasses: bool = False
    ) -> bool:
        """Whether an attribute of an instance is set after it was built, or what it holds is changed where
        these are entries; `in_subclasses`: also by one of these, since what was built may be one."""
        if name in self._outside or (holds_entries and name in self._refilled):
            return True
        if cls is None:
            return False
        kin = [entry for entry in self._project.mro(cls) if isinstance(entry, ClassDef)]
        line = tuple(entry.full_name for entry in kin)
        if any(self._sets_later(entry.full_name, line, name) for entry in kin):
            return True
        if not in_subclasses:
            return False
        below = [sub.full_name for sub in self._project.subclasses(cls)]
        return self.is_overridden(cls, name) or any((sub, name) in self._own for sub in below)

    def is_overridden(self, cls: ClassDef, name: str) -> bool:
        """Whether a class that inherits from one has something of its own under a name."""
        return any(name in self._constants.get(s.full_name, ()) for s in self._project.subclasses(cls))

    def is_deleted(self, name: str) -> bool:
        """Whether some code deletes an attribute of this name."""
        return name in self._deleted

    def constant(self, name: str, *, holds_entries: bool) -> bool:
        """Whether a name of a module, or of the body of a class, is given another value by a function or from
        outside, or what it holds is changed where these are entries."""
        return name in self._globals or name in self._outside or (holds_entries and name in self._refilled)

    def _sets_later(self, cls: str, line: tuple[str, ...], name: str) -> bool:
        methods = self._own.get((cls, name), ())
        return any(not self._is_building(line, method) for method in methods)

    def _is_building(self, line: tuple[str, ...], method: str) -> bool:
        """Whether a method only runs while an instance of a class is built, whose bases are `line`."""
        if method == _BUILT_BY:
            return True
        key = line, method
        if key not in self._only_building:
            self._only_building[key] = False  # one that calls itself says nothing
            mentions = self._mentions.get(method, ())
            self._only_building[key] = bool(mentions) and all(
                mention.is_own and self._is_building(line, mention.home.function) for mention in mentions
            )
        return self._only_building[key]

    # -- what the reading of a file tells ------------------------------------------------------------

    def sets(self, home: _Home, name: str, is_own: bool) -> None:
        """Some code sets an attribute."""
        if is_own and home.cls:
            self._own.setdefault((home.cls, name), set()).add(home.function)
        else:
            self._outside.add(name)

    def deletes(self, home: _Home, name: str, is_own: bool) -> None:
        """Some code deletes an attribute."""
        self.sets(home, name, is_own)
        if not (is_own and home.function == _BUILT_BY):
            self._deleted.add(name)

    def refills(self, home: _Home, name: str, is_own: bool) -> None:
        """Some code changes the entries of what an attribute holds."""
        if is_own and home.cls:
            self.sets(home, name, is_own)
        else:
            self._refilled.add(name)

    def sets_any(self, home: _Home) -> None:
        """Some code sets attributes whose names it makes, or was given."""
        self._setters.add(home.function)

    def calls(self, function: str, call: ast.Call) -> None:
        """A function is called."""
        self._calls.setdefault(function, []).append(call)

    def sets_constant(self, cls: str, name: str) -> None:
        """The body of a class sets a name."""
        self._constants.setdefault(cls, set()).add(name)

    def sets_global(self, name: str) -> None:
        """A function sets a name of a module, or changes what it means."""
        self._globals.add(name)

    def writes(self, home: _Home, text: str) -> None:
        """A text stands in some code, which may be a name that it uses."""
        if home.function:
            self._texts.setdefault(home.function, set()).add(text)

    def lists(self, home: _Home, texts: Iterable[ast.expr | None]) -> None:
        """A list of expressions, or of keys, stands in some code."""
        known = {_text(text) for text in texts if text is not None}
        self._listed.setdefault(home.function, set()).update(known - {""})

    def mentions(self, name: str, mention: _Mention) -> None:
        """An attribute is read, or a text is its name."""
        self._mentions.setdefault(name, set()).add(mention)


class _Reading:
    """One file."""

    def __init__(self, module: str, found: Reassigned) -> None:
        self._module, self._found = module, found

    def read(self, tree: ast.Module) -> None:
        """All that stands in it."""
        self._all(tree, _Home("", ""), frozenset(), frozenset())

    def _all(self, node: ast.AST, home: _Home, locals_: frozenset[str], globals_: frozenset[str]) -> None:
        pending = list(children(node))
        while pending:
            child = pending.pop()
            if isinstance(child, ast.ClassDef):
                outer = home.cls.rpartition(":")[2]
                inner = f"{outer}.{child.name}" if outer and not home.function else child.name
                cls = f"{self._module}:{inner}"
                for name in _names_set(child.body):
                    self._found.sets_constant(cls, name)
                self._all(child, _Home(cls, ""), frozenset(), frozenset())
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                inner_home = home if home.function else _Home(home.cls, child.name)
                declared = frozenset(n for s in ast.walk(child) if isinstance(s, ast.Global) for n in s.names)
                own = {a.arg for a in ast.walk(child.args) if isinstance(a, ast.arg)}
                own |= {n.id for n in ast.walk(child) if isinstance(n, ast.Name) and _is_stored(n)}
                self._all(child, inner_home, (locals_ | own) - declared, globals_ | declared)
            else:
                self._one(child, home, locals_, globals_)
                pending += children(child)

    def _one(self, node: ast.AST, home: _Home, locals_: frozenset[str], globals_: frozenset[str]) -> None:
        if isinstance(node, ast.Attribute):
            is_own = _is_self(node.value)
            if isinstance(node.ctx, ast.Load):
                self._found.mentions(node.attr, _Mention(home, is_own))
            elif isinstance(node.ctx, ast.Del):
                self._found.deletes(home, node.attr, is_own)
            else:
                self._found.sets(home, node.attr, is_own)
        elif isinstance(node, ast.Name) and _is_stored(node):
            if home.function and node.id in globals_:
                self._found.sets_global(node.id)
        elif isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            self._changes(node.value, home, locals_)
            name = _text(node.slice)
            if name and _is_namespace(node.value):
                note = self._found.deletes if isinstance(node.ctx, ast.Del) else self._found.sets
                note(home, name, _is_of_self(node.value))
                self._entry(name, node.value.value if isinstance(node.value, ast.Attribute) else None, home)
        elif isinstance(node, ast.Call):
            self._call(node, home, locals_)
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            self._found.lists(home, node.elts)
        elif isinstance(node, ast.Dict):
            self._found.lists(home, node.keys)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            self._found.mentions(node.value, _Mention(home, False))
            self._found.writes(home, node.value)

    def _call(self, node: ast.Call, home: _Home, locals_: frozenset[str]) -> None:
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in _CHANGES:
            self._changes(called.value, home, locals_)
            if called.attr == "update" and _is_namespace(called.value):
                for keyword in node.keywords:
                    if keyword.arg is not None:
                        self._found.sets(home, keyword.arg, is_own=False)
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        self._found.calls(name, node)
        for keyword in node.keywords:
            self._found.writes(home, keyword.arg or "")
        if name == "type" and len(node.args) == 3:  # a class that is made: what it has, bases may have, too
            for own in _names_given(node.args[2]):
                self._found.sets(home, own, is_own=False)
        self._by_name(name, node, home)

    def _by_name(self, function: str, node: ast.Call, home: _Home) -> None:
        """Attributes that a call sets or deletes, by the names it is given."""
        called, args = node.func, node.args
        on = [called.value] if isinstance(called, ast.Attribute) else []
        if function == "pop" and on and args and _is_namespace(on[0]):
            self._found.deletes(home, _text(args[0]), _is_of_self(on[0]))
        if function in _ADDING:
            args = [*on, *args, *(k.value for k in node.keywords if k.arg == "name")]
        elif len(args) + len(on) == _TAKEN.get(function):  # `object.__setattr__(m, "flag", True)` takes all
            args = [*on, *args]
        elif len(args) != _TAKEN.get(function):
            return
        if len(args) < 2:
            return
        is_own, text = _is_self(args[0]), _text(args[1])
        if text and function.strip("_") == "delattr":
            self._found.deletes(home, text, is_own)
        elif text:
            self._found.sets(home, text, is_own)
            self._entry(text, args[0], home)
        elif not (is_own and home.function in _UNNAMED) and function.strip("_") == "setattr":
            self._found.sets_any(home)

    def _entry(self, name: str, holder: ast.expr | None, home: _Home) -> None:
        """What is set by a name that is a number is an entry: `setattr(m.layers, "1", new)`."""
        if name.isdigit() and isinstance(holder, ast.Attribute):
            self._found.refills(home, holder.attr, _is_self(holder.value))

    def _changes(self, container: ast.expr, home: _Home, locals_: frozenset[str]) -> None:
        """The entries of a container are changed."""
        while isinstance(container, ast.Subscript):
            container = container.value
        if isinstance(container, ast.Attribute):
            self._found.refills(home, container.attr, _is_self(container.value))
        elif isinstance(container, ast.Name) and container.id not in locals_:
            self._found.sets_global(container.id)


def _names_set(body: Iterable[ast.stmt]) -> Iterator[str]:
    for statement in body:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            targets = [statement.target]
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield statement.name
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _names_given(given: ast.expr) -> Iterator[str]:
    """The keywords and the texts in a call, or in what it hands in, also in dictionaries and other calls."""
    for node in ast.walk(given):
        if isinstance(node, ast.keyword) and node.arg is not None:
            yield node.arg
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _keys_given(call: ast.Call) -> Iterator[str]:
    """The keywords of a call, the texts that it hands in as they are, and the keys of dictionaries."""
    yield from map(_text, call.args)
    for node in ast.walk(call):
        if isinstance(node, ast.keyword) and node.arg is not None:
            yield node.arg
        elif isinstance(node, ast.Dict):
            yield from (_text(key) for key in node.keys if key is not None)


def _is_stored(node: ast.Name) -> bool:
    return not isinstance(node.ctx, ast.Load)


def _is_self(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id == "super"
    return isinstance(node, ast.Name) and node.id in _SELVES


def _is_namespace(node: ast.expr) -> bool:
    """`m.__dict__`, `m._modules`, `vars(m)`, `globals()`."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id in ("vars", "globals")
    return isinstance(node, ast.Attribute) and node.attr in _NAMESPACES


def _is_of_self(namespace: ast.expr) -> bool:
    return isinstance(namespace, ast.Attribute) and _is_self(namespace.value)


def _text(node: ast.expr) -> str:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else ""  # type: ignore[attr-defined]
