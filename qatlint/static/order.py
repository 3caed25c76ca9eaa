"""In which order a model runs its ops, as it is followed: what a number that prepare counts up goes by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from qatlint.condition import Condition
from qatlint.horizon.ops import Boundary
from qatlint.static.held import Held
from qatlint.static.values import LoopFrame
from qatlint.trace import Loose, Quant

_WEIGHTS = (
    *(Loose.NO, Loose.GENERATED, Loose.OVERRIDDEN, Loose.UNFOLLOWED, Loose.DECORATED),
    *(Loose.REPLACED, Loose.EXCHANGED),
)


class RawRan(NamedTuple):
    """An op as it ran once."""

    op: int
    entry: int
    """Which run of a forward that was."""
    outside: int
    """How many of the loops are around that forward, or its dynamic block."""
    again: bool
    """Whether that block ran before."""
    loops: tuple[LoopFrame, ...]
    turns: tuple[int, ...]
    """The turn of each of them."""
    when: Condition
    inside: bool | None
    """Whether it is between the stubs; None where nobody can tell."""
    loose: Loose


class _Entry(NamedTuple):
    """A forward that is being followed."""

    number: int
    loops: int
    """How many loops are around it, and how many dynamic blocks."""
    blocks: int
    ran: dict[tuple[str, int], int]
    """Name of a block and op -> in which run of such a block it ran first."""


class _Scope(NamedTuple):
    """A dynamic block that is being followed."""

    loops: int
    name: str = ""
    number: int = 0
    """Another one each time."""


class Order:
    """`runs`: what ran so far. It is told of forwards and blocks as they begin and end, with the numbers of
    loops and blocks that are open."""

    def __init__(self) -> None:
        self.runs: list[RawRan] = []
        self._numbers = 0
        self._entries: list[_Entry] = []
        self._loose: list[Loose] = []
        """Of each of them, whether nobody knows any more in which order it runs."""
        self._scopes: list[_Scope] = []
        self._behind: set[int] = set()
        """The ops whose results may be between the stubs, whatever they are."""
        self.begin_again()

    def begin_again(self) -> None:
        """The forward of the root begins."""
        self.runs.clear()
        self._scopes.clear()
        self._behind.clear()
        self._entries[:] = [_Entry(0, 0, 0, {})]
        self._loose[:] = [Loose.NO]

    def enter(self, loops: int, blocks: int) -> None:
        """The forward of a child begins."""
        self._numbers += 1
        self._entries.append(_Entry(self._numbers, loops, blocks, {}))
        self._loose.append(Loose.NO)

    def leave(self) -> None:
        """It ends."""
        self._entries.pop()
        self._loose.pop()

    def loosen(self, how: Loose) -> None:
        """Nobody knows in which order the forward that is being followed runs the rest. What is missing in it
        weighs more than what may be missing, and this more than what is in another order."""
        self._loose[-1] = max(self._loose[-1], how, key=_WEIGHTS.index)

    def loosen_since(self, begin: int, how: Loose) -> None:
        """The same for what that forward runs from a position of `runs` on, where it runs anything there."""
        number = self._entries[-1].number
        found = [n for n, run in enumerate(self.runs[begin:], begin) if run.entry == number]
        for n in found:
            if self.runs[n].loose is Loose.NO:
                self.runs[n] = self.runs[n]._replace(loose=how)
        if found:
            self.loosen(how)

    def enter_block(self, name: str, loops: int, blocks: int) -> None:
        """A block begins, in so many others."""
        self._numbers += 1
        self._scopes[blocks:] = [_Scope(loops, name, self._numbers)]

    def ran(
        self,
        op: int,
        when: Condition,
        loops: Sequence[LoopFrame],
        blocks: int,
        given: Sequence[Held],
        boundary: Boundary,
    ) -> None:
        """An op runs."""
        entry = self._entries[-1]
        scope = self._scopes[blocks - 1] if blocks > entry.blocks else _Scope(entry.loops)
        first = entry.ran.setdefault((scope.name, op), scope.number)
        turns = tuple(loop.turn for loop in loops)
        again = first != scope.number
        inside = self._inside(given)
        if boundary is Boundary.QUANT or (boundary is Boundary.NONE and inside is not False):
            self._behind.add(op)
        raw = RawRan(op, entry.number, scope.loops, again, tuple(loops), turns, when, inside, self._loose[-1])
        self.runs.append(raw)

    def _inside(self, given: Sequence[Held]) -> bool | None:
        """Whether what is made of these is between the stubs."""
        if any(held.quant is Quant.QUANTIZED for held in given):
            return True
        if any(held.quant is Quant.UNKNOWN or not held.made.isdisjoint(self._behind) for held in given):
            return None  # also a mask of something quantised: strip may go by dtypes or by the graph
        return False if given else None
