"""Variables that a loop carries from turn to turn: what its body assigns, and attributes that methods move
on, read from the syntax."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import NamedTuple, TypeGuard

from qatlint.static.modulefile import ClassDef
from qatlint.static.source import children, nodes


class Carried(NamedTuple):
    """How the body of a loop changes a variable."""

    counter: bool = False
    """`n += 1` once, at the body's own level."""
    moved: bool = False
    """`n += 1` once, at any level: it goes through the numbers in order."""
    later: ast.expr | None = None
    """The one expression that every turn assigns to it: from the second turn on it is that."""

    def differs_from(self, before: object) -> bool:
        """Whether a test tells the first turn, where the variable still is `before`, from all others:
        `if prev is None`, `if first`."""
        if self.later is None:
            return False
        if not isinstance(self.later, ast.Constant):
            return before is None
        if before is None:
            return self.later.value is not None
        return isinstance(before, bool) and self.later.value is (not before)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


class Moved(NamedTuple):
    """A place where a method assigns an attribute of its object."""

    path: str
    line: int
    first: int
    """First and last line of the method."""
    last: int

    def happens_in(self, path: str, loop: ast.AST) -> bool:
        """Whether turns of a loop change the attribute. A loop in another method may call this one."""
        start, end = getattr(loop, "lineno", 0), getattr(loop, "end_lineno", 0)
        if path == self.path and self.first <= start <= self.last:
            return start <= self.line <= end
        return True


def moves(cls: ClassDef, attribute: str) -> Iterator[Moved]:
    """Where the methods of a class assign `self.<attribute>`, the constructor left out."""
    for name in cls.writers_of(attribute):
        method = cls.methods.get(name)
        if name == "__init__" or method is None:
            continue
        for node in nodes(method):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and node.attr == attribute:
                yield Moved(cls.file.path, node.lineno, method.lineno, method.end_lineno or 0)


def carried(body: list[ast.stmt]) -> dict[str, Carried]:
    """Names that the body of a loop assigns."""
    result: dict[str, Carried] = {}
    top = {id(s) for s in body}
    assigned = {id(s.targets[0]): s.value for s in body if _is_plain(s)}
    skips = False
    stack: list[ast.AST] = list(body)
    while stack:
        node = stack.pop()
        kind = type(node)
        if kind is ast.Continue:
            skips = True
        if kind in _FUNCTIONS:
            skips = skips or any(isinstance(n, ast.Continue) for n in nodes(node))
            continue
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            name = node.target.id
            one = isinstance(node.value, ast.Constant) and node.value.value == 1
            moved = one and isinstance(node.op, ast.Add) and name not in result
            result[name] = Carried(moved and id(node) in top, moved)
            stack.append(node.value)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            once = node.id not in result
            result[node.id] = Carried(later=assigned.get(id(node)) if once else None)
        stack += children(node)
    if skips:
        # A turn that is cut short does not come to the assignment.
        return {name: change._replace(later=None) for name, change in result.items()}
    return result


def _is_plain(node: ast.stmt) -> TypeGuard[ast.Assign]:
    return isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
