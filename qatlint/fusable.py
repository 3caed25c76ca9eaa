"""Which ops of a Trace stand in a row that prepare fuses: convolution, batch norm, add, ReLU.

`runtime.sequences` asks the same of an executed model, with every user of every result at hand. Here only
rows with a function in them matter, since these are what dynamic code keeps from being fused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qatlint.trace import Op

_BEFORE: Mapping[str, tuple[str, ...]] = {
    "bn": ("root",),
    "add": ("bn", "root"),
    "relu": ("add", "bn", "root"),
}


def rows(ops: Sequence[Op]) -> list[tuple[Op, ...]]:
    """The longest rows that end with a function, each from its convolution on, in order."""
    users: dict[int, int] = {}
    for op in ops:
        for made in op.inputs:
            users[made] = users.get(made, 0) + 1
    found: list[tuple[Op, ...]] = []
    for op in ops:
        if not op.is_module:
            row = _row(op, ops, users)
            if row is not None:
                found.append(row)
    inner = {o.number for row in found for o in row[:-1]}
    return [row for row in found if row[-1].number not in inner]


def _row(last: Op, ops: Sequence[Op], users: Mapping[int, int]) -> tuple[Op, ...] | None:
    row = [last]
    while row[0].role != "root":
        head = row[0]
        if head.role == "add" and head.operands != 2:
            return None  # adding a number is no pattern
        wanted = _BEFORE.get(head.role, ())
        before = [ops[n] for n in head.inputs if ops[n].role in wanted and users[n] == 1]
        if not before or not _together(before[0], head):
            return None
        row.insert(0, before[0])
    return tuple(row) if len(row) > 1 else None


def _together(one: Op, other: Op) -> bool:
    """Whether two ops run equally often: in the same regions."""
    return [s.region for s in one.inside] == [s.region for s in other.inside]
