"""What single turns of a loop tell: how many of them pick one element, what a variable is in the first."""

from __future__ import annotations

from typing import NamedTuple

from qatlint.trace import Times


class PickedTurns(NamedTuple):
    """`i // by` picks each element in `by` turns running, `i % by` in every `by`-th turn."""

    loop: int
    by: int | None
    """None: a number that is fixed when the model is built, and not known."""
    cyclic: bool
    position: int | None = None
    """Of which element it is asked, where that is known."""

    def positions(self, turns: int) -> int:
        """How many positions, from the first on, so many turns surely pick."""
        if self.by is None:
            return min(turns, 1)
        return min(turns, self.by) if self.cyclic else -(-turns // self.by)

    def of(self, times: Times) -> Times:
        """How often the element is picked, when the loop goes round so often; the first of them, where
        nobody knows which one."""
        if self.by is None:
            return Times(0, times.most)
        most = None if self.cyclic else self.by
        return Times(
            self._turns(times.least, self.by),
            most if times.most is None else self._turns(times.most, self.by),
        )

    def _turns(self, count: int, by: int) -> int:
        position = self.position or 0
        if self.cyclic:
            return len(range(position, count, by)) if position < by else 0
        return max(min(count - position * by, by), 0)


class FirstTurn(NamedTuple):
    """The value (None, True or False) of a variable in the first turn of a loop."""

    loop: int
    value: bool | None
