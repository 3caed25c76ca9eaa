"""Edits of one tree, collected first and carried out together.

Nodes are keyed by identity. A replacement is a function of the already rewritten node, so an edit inside
another one (`self.relu(self.relu(x))`, a loop in a loop) is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import libcst as cst

from qatlint.codemods.refused import Refused

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
    wrap: dict[cst.BaseSuite, dict[range, cst.WithItem]] = field(default_factory=dict)
    """Statements of a body, by their numbers, that go into a `with` together."""
    imports: set[str] = field(default_factory=set)
    """Import lines that must exist: `import copy`."""

    def insert_after(self, statement: cst.CSTNode, new: cst.BaseStatement) -> None:
        """Put `new` on the line after `statement`, behind what was put there before."""
        self.after.setdefault(statement, []).append(new)

    def insert_before(self, statement: cst.CSTNode, new: cst.BaseStatement) -> None:
        """Put `new` on the line before `statement`, below the comments above it."""
        self.before.setdefault(statement, []).append(new)

    def overlaps(self, other: Edits) -> bool:
        """Whether both change one node, or put one statement somewhere else."""
        theirs = (*other.replace, *other.remove)
        return any(node in self.replace or node in self.remove for node in theirs) or any(
            not set(one).isdisjoint(two)
            for body, runs in other.wrap.items()
            for one in runs
            for two in self.wrap.get(body, ())
        )

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
        for body, runs in other.wrap.items():
            self.wrap.setdefault(body, {}).update(runs)

    def size(self, statement: cst.CSTNode) -> int:
        """How many statements one becomes."""
        kept = statement not in self.remove
        return len(self.before.get(statement, ())) + kept + len(self.after.get(statement, ()))


class Rewriter(cst.CSTTransformer):
    """Carries out `Edits`."""

    def __init__(self, edits: Edits, indent: str = "    ") -> None:
        """`indent`: what a level of the file is indented by."""
        super().__init__()
        self._edits = edits
        self._indent = indent

    def on_leave(  # type: ignore[override]  # one handler for every kind of node
        self, original_node: cst.CSTNode, updated_node: cst.CSTNode
    ) -> cst.CSTNode | cst.FlattenSentinel[cst.CSTNode] | cst.RemovalSentinel:
        edits = self._edits
        result = updated_node
        if original_node in edits.replace:
            result = edits.replace[original_node](result)
        if isinstance(original_node, cst.BaseSuite) and original_node in edits.wrap:
            result = self._wrapped(original_node, result)
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

    def _wrapped(self, original: cst.BaseSuite, body: cst.CSTNode) -> cst.IndentedBlock:
        """A body with some of its statements in `with` blocks; comments behind it stay there."""
        runs = self._edits.wrap[original]
        if isinstance(body, cst.SimpleStatementSuite):
            (item,) = runs.values()
            line = cst.SimpleStatementLine(body.body, trailing_whitespace=body.trailing_whitespace)
            return cst.IndentedBlock([cst.With([item], cst.IndentedBlock([line]))])
        body = cst.ensure_type(body, cst.IndentedBlock)
        starts = [0]
        for statement in cst.ensure_type(original, cst.IndentedBlock).body:
            starts.append(starts[-1] + self._edits.size(statement))
        if len(body.body) != starts[-1]:
            raise Refused("another fix has changed the same statements")
        made: list[cst.BaseStatement] = []
        position = 0
        for run, item in sorted(runs.items(), key=lambda pair: pair[0].start):
            start, stop = starts[run.start], starts[run.stop]
            made.extend(body.body[position:start])
            # A file may be indented by blanks in one place and by tabs in another.
            deeper = (s.visit(_Deeper(body.indent or self._indent)) for s in body.body[start:stop])
            inside = [statement for statement in deeper if isinstance(statement, cst.BaseStatement)]
            made.append(_block(item, inside, body.indent))
            position = stop
        return body.with_changes(body=[*made, *body.body[position:]])


class _Deeper(cst.CSTTransformer):
    """Moves the lines behind a backslash with their statement."""

    def __init__(self, indent: str) -> None:
        super().__init__()
        self._indent = indent

    def leave_SimpleWhitespace(  # noqa: N802
        self, original_node: cst.SimpleWhitespace, updated_node: cst.SimpleWhitespace
    ) -> cst.BaseParenthesizableWhitespace:
        if "\n" not in updated_node.value:
            return updated_node
        return cst.SimpleWhitespace(updated_node.value.replace("\n", f"\n{self._indent}"))


def _block(item: cst.WithItem, inside: Sequence[cst.BaseStatement], indent: str | None) -> cst.With:
    """`with` around statements; what stands above the first of them stays above. `indent`: of a level, where
    it is another one than in the rest of the file."""
    first = inside[0]
    assert isinstance(first, cst.SimpleStatementLine | cst.BaseCompoundStatement)
    above = first.leading_lines
    body = [first.with_changes(leading_lines=[]), *inside[1:]]
    return cst.With([item], cst.IndentedBlock(body, indent=indent), leading_lines=above)


def _extend(suite: cst.SimpleStatementSuite, new: list[cst.BaseSmallStatement]) -> cst.SimpleStatementSuite:
    separator = cst.Semicolon(whitespace_after=cst.SimpleWhitespace(" "))
    body = [*suite.body, *new]
    for position, statement in enumerate(body[:-1]):
        if not isinstance(statement.semicolon, cst.Semicolon):
            body[position] = statement.with_changes(semicolon=separator)
    return suite.with_changes(body=body)
