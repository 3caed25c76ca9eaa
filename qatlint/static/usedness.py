"""How a module that forward does not execute is used all the same: the reasons to stay silent."""

from __future__ import annotations

import ast
import re

from qatlint.static.interpreter import Interpreter
from qatlint.static.modulefile import ClassDef
from qatlint.static.project import Project
from qatlint.static.source import nodes

_LAST_WORD = re.compile(r"\w*$")
_BOUNDARY = re.compile(r"\b")
_SETUP = ("__init__", "init_weights", "_init_weights", "reset_parameters", "_reset_parameters", "__repr__")


def called_attributes(project: Project, cls: ClassDef) -> frozenset[str]:
    """Attributes that methods of a class call: `self.act(x)`, `self.acts[i](x)`, or in a loop over them."""
    return frozenset().union(
        *(_called_in(entry) for entry in project.mro(cls) if isinstance(entry, ClassDef))
    )


def _called_in(cls: ClassDef) -> frozenset[str]:
    known: frozenset[str] | None = cls.states.get("called")
    if known is None:
        found: set[str] = set()
        for method in cls.methods.values():
            inside = list(nodes(method))
            calls = [node.func for node in inside if isinstance(node, ast.Call)]
            names = {callee.id for callee in calls if isinstance(callee, ast.Name)}
            found.update(filter(None, map(_attribute, calls)))
            for node in inside:
                if isinstance(node, (ast.For, ast.comprehension)):
                    targets = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
                    if not names.isdisjoint(targets):
                        found.update(filter(None, map(_attribute, ast.walk(node.iter))))
        known = cls.states["called"] = frozenset(found)
    return known


def _attribute(node: ast.AST) -> str:
    """The attribute of `self.act`, `self.act[i]` or `self.act.forward`; "" for anything else."""
    while isinstance(node, ast.Subscript) or (isinstance(node, ast.Attribute) and node.attr == "forward"):
        node = node.value
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return node.attr if is_own and isinstance(node, ast.Attribute) else ""


def how_used(project: Project, run: Interpreter, attribute: str) -> str:
    """In words, how `self.<attribute>` is used without being executed; "" when nothing uses it.

    Begins with `only ` when the use is in a method that forward does not reach.
    """
    unreached = ""
    for entry in project.mro(run.cls):
        if not isinstance(entry, ClassDef):
            continue
        for name, method in entry.methods.items():
            if name in _SETUP or not entry.reads(name, attribute):
                continue
            if id(method) in run.reached:
                return f"read in `{name}`"
            if name not in run.initialisers or _called_later(entry, name, run):
                unreached = unreached or f"only in `{name}`"
    for entry in project.subclasses(run.cls):
        for name in entry.methods:
            if name not in _SETUP and entry.reads(name, attribute):
                return f"used by the subclass `{entry.name}`"
    if _read_elsewhere(run.cls, attribute):
        return "read through another object"
    # Asked last, and only where nobody else keeps the rule silent: it looks at all files.
    if not unreached and run.has_forward and not run.incomplete:
        if project.used_elsewhere(run.cls, attribute) is not None:
            return "read through another object in another file"
    return unreached


def _called_later(cls: ClassDef, name: str, run: Interpreter) -> bool:
    """Whether a method that the constructor runs is named in another one, which it does not run."""
    return any(
        other not in _SETUP and other not in run.initialisers and cls.reads(other, name)
        for other in cls.methods
    )


def _read_elsewhere(cls: ClassDef, attribute: str) -> bool:
    """`other.<attribute>` anywhere in the file: `model.head.fc`. Asked of the text, which is quick; a
    comment or a string that says so only makes the rule silent."""
    text, wanted = cls.file.source.text, f".{attribute}"
    start = text.find(wanted)
    while start >= 0:
        # Not one pattern for all of it: compiling one for each attribute takes longer than the search.
        if _BOUNDARY.match(text, start + len(wanted)) is not None:
            word = _LAST_WORD.search(text, max(0, start - 40), start)
            holder = word[0] if word is not None else ""
            if holder != "self" and not cls.file.imports(holder):
                return True
        start = text.find(wanted, start + 1)
    return False
