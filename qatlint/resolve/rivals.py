"""The lines of a row where several models have as many names of a report: they may be those of each."""

from __future__ import annotations

from collections.abc import Sequence

from qatlint.trace import QuantOp

MOST = 10
"""Models whose lines are shown; of more of them the lines tell nothing."""
_NAMED = 2


def in_any(
    ops: Sequence[QuantOp], why: str, rivals: Sequence[tuple[str, Sequence[QuantOp]]]
) -> tuple[list[QuantOp], str]:
    """The ops of a row in the model that was chosen, with those in others, by their names, and in words that
    these stand at other lines."""
    spans = {op.span for op in ops}
    others = [(root, found) for root, found in rivals if not {op.span for op in found} <= spans]
    if not others:
        return list(ops), why
    roots = " or ".join(root for root, _ in others[:_NAMED])
    if len(others) > _NAMED:
        number = len(others) - 1 if len(others) <= MOST else "many"
        roots = f"{others[0][0]} or one of {number} others"
    shown = [op for _, found in others for op in found] if len(others) <= MOST else []
    words = f"if {roots} was prepared, it may be another {'of these lines' if shown else 'line'}"
    return [*ops, *shown], "; ".join(filter(None, (why, words)))
