"""Classes in which there is plainly nothing to find: each module has one name and is called at most once.

Interpreting a class costs twenty times as much as looking at its syntax, and most classes assign what they
have just made to one attribute, and call that in one place. Whatever this reading does not know is not
plain, and is interpreted; so it may only err on that side. `benchmarks/plain.py` holds it against the
interpreter on any source.
"""

from __future__ import annotations

import ast

from qatlint.static.modulefile import ClassDef
from qatlint.static.plain_methods import Method
from qatlint.static.plain_numbers import keeps_no_module
from qatlint.static.plain_words import BASES, TELLING, Counts, Function, Holder, NotPlainError
from qatlint.static.project import Project
from qatlint.static.source import nodes

_MOST_ENTERED = 12
"""Methods that are entered from one another."""


def is_plain(project: Project, cls: ClassDef) -> bool:
    """Whether no rule can find anything in a class, as far as its syntax tells at a glance."""
    try:
        PlainClass(project, cls).read()
    except (NotPlainError, RecursionError):
        return False
    return True


class PlainClass:
    """What the constructor leaves in the attributes, and how often forward uses each."""

    def __init__(self, project: Project, cls: ClassDef) -> None:
        self.project = project
        self.cls = cls
        self.line = project.mro(cls)
        self.kinds: dict[str, int] = {}
        """Attribute -> what it may be."""
        self.origins: dict[str, tuple[Holder, str]] = {}
        """Attribute -> the local name of the constructor that it was given."""
        self.made: set[str] = set()
        """Attributes that are given something which the class makes."""
        self.called: set[str] = set()
        """Attributes that are called."""
        self.settled: set[str] = set()
        """Attributes that are used several times, since they are taken for numbers."""
        self.mentioned: set[str] = set()
        """Attributes that forward mentions."""
        self.extends_layer = False
        """Whether it inherits from a layer of torch that holds no module."""
        self.entered: list[tuple[int, str]] = []
        """The methods that are being read."""
        self.summaries: dict[tuple[int, str], tuple[Counts, int]] = {}
        """(place in the line, method) -> (how often one execution uses each attribute, what it returns)."""

    def read(self) -> None:
        """Raises `NotPlainError` for a class that is not plain."""
        for entry in self.line:
            if isinstance(entry, ClassDef):
                self._check(entry)
            elif entry.dotted.rpartition(".")[2] in BASES:
                continue
            elif keeps_no_module(entry.dotted):
                self.extends_layer = True
            else:
                raise NotPlainError(f"base {entry.dotted}")
        if self.find("forward") is None:
            raise NotPlainError("no forward")
        built: Counts = {}
        if self.find("__init__") is not None:
            built, _ = self.enter("__init__", constructing=True)
        run, _ = self.enter("forward", constructing=False)
        for key in {*built, *run}:
            if built.get(key, 0) + run.get(key, 0) > 1:
                raise NotPlainError(f"{key} twice")
        for name in self.called & self.settled:
            raise NotPlainError(f"{name} is no number")
        for name in self.made - self.mentioned:
            raise NotPlainError(f"{name} unused")

    def _check(self, cls: ClassDef) -> None:
        """What a class of the line may have in its body."""
        told: bool | None = cls.states.get("plain")
        if told is None:
            told = cls.states["plain"] = (
                all(keyword.arg == "metaclass" for keyword in cls.node.keywords)
                and not any(name[:2] == "__" and name not in ("__init__", "__repr__") for name in cls.methods)
                and all(_is_quiet(statement) for statement in cls.node.body)
            )
        if not told:
            raise NotPlainError("the body of the class")

    def find(self, name: str, start: int = 0) -> tuple[int, ClassDef, Function] | None:
        """The method of this name, from a place in the line of classes on."""
        for number in range(start, len(self.line)):
            entry = self.line[number]
            if isinstance(entry, ClassDef) and name in entry.methods:
                return number, entry, entry.methods[name]
        return None

    def enter(self, name: str, *, constructing: bool, start: int = 0) -> tuple[Counts, int]:
        """What one execution of a method uses, and what it returns."""
        found = self.find(name, start)
        if found is None:
            raise NotPlainError(f"no method {name}")
        number, cls, node = found
        key = (number, name)
        known = self.summaries.get(key)
        if known is not None:
            if constructing and any(
                isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store) for n in nodes(node)
            ):
                raise NotPlainError(f"{name} builds twice")
            return known
        if key in self.entered or len(self.entered) > _MOST_ENTERED:
            raise NotPlainError("recursion")
        text = cls.text_of(node)
        for word in TELLING:
            if word in text:
                raise NotPlainError(f"`{word}`")
        self.entered.append(key)
        body = Method(self.project, self, cls, node, number, constructing)
        result = self.summaries[key] = body.read()
        self.entered.pop()
        return result


def _is_quiet(statement: ast.stmt) -> bool:
    """Whether a statement of a class body makes nothing."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Pass)):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, ast.Assign):
        return not any(isinstance(n, ast.Call) for n in nodes(statement.value))
    if isinstance(statement, ast.AnnAssign):
        return statement.value is None or not any(isinstance(n, ast.Call) for n in nodes(statement.value))
    return False
