"""Which ops of a Trace stand in a row that prepare fuses: convolution, batch norm, add, ReLU.

`runtime.sequences` asks the same of an executed model, with every user of every result at hand. Here only
rows with a function in them matter, since these are what dynamic code keeps from being fused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from qatlint.trace import Op, Region, Varies

_BEFORE: Mapping[str, tuple[str, ...]] = {
    "bn": ("root",),
    "add": ("bn", "root"),
    "relu": ("add", "bn", "root"),
}


def rows(ops: Sequence[Op], regions: Sequence[Region]) -> list[tuple[Op, ...]]:
    """The longest rows that end with a function, each from its convolution on, in order. What a turn leaves
    out behind a `continue` or the like is not looked at."""
    users: dict[int, list[Op]] = {}
    for op in ops:
        for made in op.inputs:
            users.setdefault(made, []).append(op)
    alone = {made for made, found in users.items() if not ops[made].read and _is_used_once(found, regions)}
    found: list[tuple[Op, ...]] = []
    for op in ops:
        if not op.is_module:
            row = _row(op, ops, alone, regions)
            if row is not None:
                found.append(row)
    inner = {o.number for row in found for o in row[:-1]}
    return [row for row in found if row[-1].number not in inner]


def _row(last: Op, ops: Sequence[Op], alone: set[int], regions: Sequence[Region]) -> tuple[Op, ...] | None:
    row = [last]
    while row[0].role != "root":
        head = row[0]
        if head.role == "add" and head.operands != 2:
            return None  # adding a number is no pattern
        wanted = _BEFORE.get(head.role, ())
        runs = _counting(head, regions)
        before = [ops[n] for n in head.inputs if ops[n].role in wanted and n in alone]
        before = [op for op in before if _counting(op, regions) == runs]
        if not before:
            return None
        row.insert(0, before[0])
    return tuple(row) if len(row) > 1 else None


def _counting(op: Op, regions: Sequence[Region]) -> list[int]:
    """The regions that decide how often an op runs in the model that was built: a branch that the constructor
    decides is there or not."""
    around = [regions[s.region] for s in op.inside]
    return [r.number for r in around if r.loops or (r.varies is not Varies.STATIC and r.statement != "rest")]


def _is_used_once(users: Sequence[Op], regions: Sequence[Region]) -> bool:
    """Whether one op at most takes a result, on each path."""
    return all(_exclude(one, other, regions) for one, other in combinations(users, 2))


def _exclude(one: Op, other: Op, regions: Sequence[Region]) -> bool:
    """Whether two ops stand on the two sides of one `if`."""
    sides = [
        {(regions[s.region].span, regions[s.region].statement) for s in op.inside} for op in (one, other)
    ]
    return any(
        (span, {"if": "else", "else": "if"}.get(statement)) in sides[1] for span, statement in sides[0]
    )
