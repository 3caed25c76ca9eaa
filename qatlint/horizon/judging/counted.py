"""How often modules ran, as far as a report tells it."""

from __future__ import annotations

from math import gcd

from qatlint.horizon.judging.facts import modules_around
from qatlint.horizon.report.values import CallCount, Generation, ModelCheck, Section
from qatlint.horizon.report.whole import is_whole


def all_counts(check: ModelCheck) -> list[CallCount]:
    """How often each module ran by the counts and the rows of layers."""
    counted = {count.name for count in check.counts}
    rows: dict[str, int] = {}
    for layer in check.layers:
        if layer.name not in counted:
            rows[layer.name] = max(rows.get(layer.name, 0), layer.call + 1)
    return [*check.counts, *(CallCount(name, times) for name, times in rows.items())]


class Counted:
    """The counts of one report."""

    def __init__(self, check: ModelCheck) -> None:
        self._counts = {count.name: count.times for count in check.counts}
        self._rows = {count.name: count.times for count in all_counts(check)}
        self._is_whole = is_whole(check)
        # The older form has only what did not run once.
        is_older = check.generation is Generation.OLDER and Section.COUNTS in check.sections
        self._others_once = check.all_once or is_older
        self._below: dict[str, int] = {}
        for name, times in self._rows.items():
            for owner in modules_around(name) if times else ():
                self._below[owner] = gcd(self._below.get(owner, 0), times)

    def times(self, name: str) -> int | None:
        """How often a module ran; None where the report does not tell it."""
        if name in self._counts:
            return self._counts[name]
        if self._others_once:
            return 1
        rows = self._rows.get(name, 0)
        # Of an excerpt nobody knows which rows it leaves out.
        return rows if rows > 1 or (rows and self._is_whole) else None

    def runs_of_all_below(self, owner: str) -> int:
        """How often a module may have run at most, by the counts of all that ran below it: each of them runs
        a multiple of that. 0 where none is counted."""
        return self._below.get(owner, 0)
