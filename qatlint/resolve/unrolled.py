"""Which line made the n-th module: prepare numbers the calls of a function in the order in which they run.

In one forward of the owner every turn of a loop makes modules of its own, so a loop over `m` calls gives `m`
numbers at each turn (horizon_facts A3).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from qatlint.condition import TRUE
from qatlint.trace import QuantOp, Span


def nth(ops: Sequence[QuantOp], number: int, total: int) -> list[QuantOp]:
    """The ops that may be number `number` of `total` (0 where nobody knows it), by the order in which they
    stand in the forward of their owner: one, or several where the number of turns decides."""
    if any(op.when != TRUE for op in ops):
        return list(ops)  # a branch decides
    groups = [list(group) for _, group in groupby(ops, key=_outermost)]
    looped = [group for group in groups if _outermost(group[0]) is not None]
    if not looped and total > len(ops):
        return list(ops)  # source does not tell of all of them
    turns = 0
    if len(looped) == 1 and total:
        turns, rest = divmod(total - (len(ops) - len(looped[0])), len(looped[0]))
        turns = 0 if rest or turns < 0 else turns
    first = 0
    for position, group in enumerate(groups):
        last = position == len(groups) - 1
        if _outermost(group[0]) is None:
            if number < first + len(group):
                return [group[number - first]]
            first += len(group)
        elif last:
            return _in_turn(group, number - first)
        elif turns:
            if number < first + turns * len(group):
                return _in_turn(group, number - first)
            first += turns * len(group)
        else:
            later = [op for after in groups[position + 1 :] for op in after]
            return _in_turn(group, number - first) + later
    return list(ops)  # they run more often than the source tells


def _in_turn(group: Sequence[QuantOp], number: int) -> list[QuantOp]:
    """The ops of a loop that may be number `number` from its first turn on."""
    if len({op.loops for op in group}) > 1:
        return list(group)  # a loop in the loop: nobody knows how many numbers a turn takes
    return [group[number % len(group)]]


def _outermost(op: QuantOp) -> Span | None:
    return op.loops[0] if op.loops else None
