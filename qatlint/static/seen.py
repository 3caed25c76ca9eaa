"""Regions, ops and dynamic blocks while a forward is watched."""

from __future__ import annotations

import ast

from qatlint.horizon.ops import Meaning, Role
from qatlint.static.machine import EnteredBlock, Frame, Place
from qatlint.static.values import Value


class RawRegion:
    """A loop, or one side of a branch, while it is watched."""

    __slots__ = (
        "at",
        "atoms",
        "behind",
        "beside",
        "body",
        "branch",
        "breaks",
        "cls",
        "exits",
        "file",
        "function",
        "node",
        "of",
        "only",
        "over",
        "receiver",
        "skips",
        "statement",
        "subject",
    )

    def __init__(self, node: ast.AST, branch: str, frame: Frame, receiver: str) -> None:
        self.node = node
        self.branch = branch
        """`if` or `else` for a side of a branch, `case` for one of a `match`, `either` for both of a
        conditional expression, `rest` for what follows a statement by which its body may be left, `test`
        for that of a loop, `unbroken` for the `else` of one, "" for a loop."""
        self.file = frame.file
        self.cls = frame.cls
        self.function = frame.name
        self.receiver = receiver
        self.atoms: set[int] = set()
        """The undecided tests that let it run."""
        self.over: list[Value] = []
        """What it runs over."""
        self.exits: list[RawRegion] = []
        """Branches in it by which the loop is left early."""
        self.skips: list[RawRegion] = []
        """Those by which a turn is."""
        self.breaks: list[RawRegion] = []
        """Those that end the loop, so that its `else` does not run."""
        self.of: RawRegion | None = None
        """The loop whose `else` it is."""
        self.statement: ast.stmt | None = None
        """For a comprehension or a call: the statement that it is a part of."""
        self.at: ast.stmt | None = None
        """The statement of its body that is running."""
        self.subject: ast.expr | None = None
        """What the `match` of a `case` is about."""
        self.only: ast.expr | None = None
        """The test behind the pattern of a `case`."""
        self.behind: ast.stmt | None = None
        """The statement that a `rest` follows."""
        self.body: list[ast.stmt] = []
        """Its statements; a comprehension, a call and an expression have none."""
        self.beside: RawRegion | None = None
        """The region whose body a `rest` is a part of."""


class RawOp:
    """An op as it was met."""

    __slots__ = (
        "inputs",
        "inside",
        "is_module",
        "meaning",
        "node",
        "operands",
        "place",
        "read",
        "role",
        "scope",
        "via",
        "written",
    )

    def __init__(
        self,
        meaning: Meaning | None,
        role: Role | None,
        node: ast.AST,
        place: Place,
        written: str,
        is_module: bool,
        inside: tuple[tuple[RawRegion, ast.stmt | None], ...],
        scope: EnteredBlock | None,
        via: tuple[Place, ...],
        operands: int,
    ) -> None:
        self.meaning = meaning
        self.role = role
        self.node = node
        self.place = place
        self.written = written
        self.is_module = is_module
        self.inside = inside
        self.scope = scope
        self.via = via
        self.operands = operands
        self.inputs: set[int] = set()
        self.read = False
        """Whether something takes its result that is no op by itself."""


class RawBlock:
    """A dynamic block as it was entered."""

    __slots__ = (
        "block",
        "cls",
        "foreign",
        "function",
        "imported",
        "inside",
        "module",
        "named",
        "statement",
        "within",
    )

    def __init__(
        self,
        block: EnteredBlock,
        statement: ast.With | ast.AsyncWith,
        frame: Frame,
        named: str,
        module: bool,
        imported: bool,
        inside: tuple[RawRegion, ...],
        within: EnteredBlock | None,
        foreign: bool,
    ) -> None:
        self.block = block
        self.statement = statement
        self.cls = frame.cls
        self.function = frame.name
        self.named = named
        self.module = module
        self.imported = imported
        self.inside = inside
        self.within = within
        self.foreign = foreign
