"""The numbers that each call of a forward may have, where there are too many paths to try each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import inf
from typing import NamedTuple

from qatlint.condition import TRAINING
from qatlint.resolve.executions import Times
from qatlint.resolve.sequence import Loop, once, varying_loops, written_out
from qatlint.trace import Ran


class Total(NamedTuple):
    """How many calls a report has."""

    calls: int
    is_sure: bool
    """False where it may have more than it names."""


class Positions:
    """The calls in a row, with how many run before and behind each: the least and the most."""

    def __init__(self, runs: Sequence[Ran], total: Total, proven: Mapping[int, Times]) -> None:
        """What only training runs counts for nothing; `inside` of the others may be unknown."""
        self._runs = [run for run in runs if any(TRAINING not in term for term in run.when)]
        self._total = total
        # Each by its position here, since one op may run under several conditions.
        numbered = [run._replace(op=n) for n, run in enumerate(self._runs)]
        varying = varying_loops(numbered)
        self._parts = written_out(numbered, proven, varying)
        self._before, self._behind = self._counted(self._parts), self._counted(self._parts[::-1])

    def _counted(self, parts: Sequence[int | Loop]) -> tuple[list[float], list[float]]:
        """(least, most) that run before each of the parts and, as the last entry, in all. Before a loop of
        unknown length the most is what may run before its last turn."""
        least = list(accumulate((self._least(part) for part in parts), initial=0.0))
        most = list(accumulate((inf if isinstance(part, Loop) else 1.0 for part in parts), initial=0.0))
        return least, [
            inf if n < len(parts) and isinstance(parts[n], Loop) else sum_ for n, sum_ in enumerate(most)
        ]

    def _least(self, part: int | Loop) -> float:
        if isinstance(part, Loop):
            return 0.0
        run = self._runs[part]
        is_sure = run.inside is not None and any(term <= {-TRAINING} for term in run.when)
        return float(is_sure)

    def at(self, number: int) -> tuple[int, ...]:
        """The ops that may have a number."""
        first, last = _span(self._before, len(self._parts), number)
        if self._total.is_sure:
            from_end = _span(self._behind, len(self._parts), self._total.calls - 1 - number)
            first, last = (
                max(first, len(self._parts) - from_end[1]),
                min(last, len(self._parts) - from_end[0]),
            )
        found: list[int] = []
        for part in self._parts[first:last]:
            found.extend(part.ops if isinstance(part, Loop) else (part,))
        return once(self._runs[n].op for n in found)


def _span(sums: tuple[list[float], list[float]], length: int, number: int) -> tuple[int, int]:
    """The first of the parts that may have a number, and the one behind the last: both sums only rise."""
    least, most = sums
    return bisect_left(most, number, hi=length), bisect_right(least, number, hi=length)
