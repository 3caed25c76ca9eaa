"""Edits of one tree, collected first and carried out together.

Nodes are keyed by identity. A replacement is a function of the already rewritten node, so an edit inside
another one (`self.relu(self.relu(x))`, a loop in a loop) is kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import libcst as cst

Rewrite = Callable[[cst.CSTNode], cst.CSTNode]


def always(node: cst.CSTNode) -> Rewrite:
    """The rewrite that puts `node` in the place of whatever is there."""
    return lambda _: node


@dataclass(slots=True)
class Edits:
    """What to change in a tree. Statements are inserted after a line or block, in order."""

    replace: dict[cst.CSTNode, Rewrite] = field(default_factory=dict)
    after: dict[cst.CSTNode, list[cst.BaseStatement]] = field(default_factory=dict)
    before: dict[cst.CSTNode, list[cst.BaseStatement]] = field(default_factory=dict)
    append: dict[cst.SimpleStatementSuite, list[cst.BaseSmallStatement]] = field(default_factory=dict)
    """Small statements put at the end of a one-line suite (`if use: self.a = A()`)."""
    remove: set[cst.CSTNode] = field(default_factory=set)
    imports: set[str] = field(default_factory=set)
    """Import lines that must exist: `import copy`."""

    def insert_after(self, statement: cst.CSTNode, new: cst.BaseStatement) -> None:
        """Put `new` on the line after `statement`, behind what was put there before."""
        self.after.setdefault(statement, []).append(new)

    def insert_before(self, statement: cst.CSTNode, new: cst.BaseStatement) -> None:
        """Put `new` on the line before `statement`, below the comments above it."""
        self.before.setdefault(statement, []).append(new)

    def overlaps(self, other: Edits) -> bool:
        """Whether both change one node."""
        theirs = (*other.replace, *other.remove)
        return any(node in self.replace or node in self.remove for node in theirs)

    def add(self, other: Edits) -> None:
        """Take over the edits of `other`, which must not overlap."""
        self.replace.update(other.replace)
        self.remove.update(other.remove)
        self.imports.update(other.imports)
        for node, statements in other.after.items():
            self.after.setdefault(node, []).extend(statements)
        for node, statements in other.before.items():
            self.before.setdefault(node, []).extend(statements)
        for suite, small in other.append.items():
            self.append.setdefault(suite, []).extend(small)


class Rewriter(cst.CSTTransformer):
    """Carries out `Edits`."""

    def __init__(self, edits: Edits) -> None:
        super().__init__()
        self._edits = edits

    def on_leave(  # type: ignore[override]  # one handler for every kind of node
        self, original_node: cst.CSTNode, updated_node: cst.CSTNode
    ) -> cst.CSTNode | cst.FlattenSentinel[cst.CSTNode] | cst.RemovalSentinel:
        edits = self._edits
        result = updated_node
        if original_node in edits.replace:
            result = edits.replace[original_node](result)
        if isinstance(original_node, cst.SimpleStatementSuite) and original_node in edits.append:
            result = _extend(cst.ensure_type(result, cst.SimpleStatementSuite), edits.append[original_node])
        first = edits.before.get(original_node, [])
        if first and isinstance(result, cst.SimpleStatementLine):
            first = [first[0].with_changes(leading_lines=result.leading_lines), *first[1:]]
            result = result.with_changes(leading_lines=[])
        kept = [] if original_node in edits.remove else [result]
        new = edits.after.get(original_node, [])
        if first or new:
            return cst.FlattenSentinel([*first, *kept, *new])
        return kept[0] if kept else cst.RemoveFromParent()


def _extend(suite: cst.SimpleStatementSuite, new: list[cst.BaseSmallStatement]) -> cst.SimpleStatementSuite:
    separator = cst.Semicolon(whitespace_after=cst.SimpleWhitespace(" "))
    body = [*suite.body, *new]
    for position, statement in enumerate(body[:-1]):
        if not isinstance(statement.semicolon, cst.Semicolon):
            body[position] = statement.with_changes(semicolon=separator)
    return suite.with_changes(body=body)
