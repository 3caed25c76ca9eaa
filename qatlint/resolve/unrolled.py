"""Which line made the n-th module: prepare numbers the calls of a function in the order in which they run.

In one forward of the owner every turn of a loop makes modules of its own, so a loop over `m` calls gives
`m` numbers at each turn (horizon_facts A3). What is outside of the stubs has no number (A2). Where source
does not tell how often a loop turns or which branch is taken, how many there are in all decides, as far as
it can.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import product
from typing import NamedTuple

from qatlint.condition import TRAINING, atoms_of, holds
from qatlint.resolve.executions import Times
from qatlint.resolve.positions import Positions, Total
from qatlint.resolve.proven import NOTHING_PROVEN, Proof
from qatlint.resolve.sequence import Loop, once, varying_loops, written_out
from qatlint.trace import Loose, Ran

_MOST_TESTS = 8
"""Tests of which all outcomes are tried; with more of them, numbers are counted from both ends."""
_EXACT, _OPEN, _FEWER, _MORE = range(4)
"""How the calls that source tells of fit to those of the report: as many; nobody knows how many; the report
has fewer; the report has more."""
BRANCH, TURNS = "a branch decides", "the number of turns of a loop decides"
STUBS = "what lies between the stubs decides"
TAKING_TURNS = "the order in which a generator and the loop that takes from it run decides"
DECORATED = "a decorator in that forward computes, too, and was not followed: it may be another line"
OVERRIDDEN = "a subclass has another of the methods that run before: it may be another line"
REPLACED = "other code puts something else in the place of a method there: it may be another line"
EXCHANGED = "other code puts another module in the place of the one around it: it may be another line"
UNFOLLOWED = "was not followed and may compute, too: it may be another line"
_WORDS = {
    Loose.EXCHANGED: EXCHANGED,
    Loose.REPLACED: REPLACED,
    Loose.DECORATED: DECORATED,
    Loose.UNFOLLOWED: UNFOLLOWED,
    Loose.OVERRIDDEN: OVERRIDDEN,
}
"""Why calls may be missing that nobody followed; the first that is so is said."""
_SURELY = (Loose.DECORATED, Loose.REPLACED, Loose.EXCHANGED)
"""Those of which a number of calls that fits proves nothing."""
BRANCHES = f"branches decide, more than the {_MOST_TESTS} of which all ways are tried,"
MANY_STUBS = f"what lies between the stubs decides, of more than {_MOST_TESTS} calls in doubt,"


class Nth(NamedTuple):
    """The ops that one of several numbered calls may be."""

    ops: tuple[int, ...]
    """Their positions in the Flow, in order."""
    why: str = ""
    """What decides which of them it is."""
    known: int = 0
    """Of how many calls source tells, where that is fewer than the report has."""
    more: int = 0
    """The same where that is more."""


class _Row(NamedTuple):
    """Calls in their order, the turns of one loop among them, which need not be written out: a report may
    claim that there are any number of them."""

    before: Sequence[int]
    body: Sequence[int] = ()
    turns: int = 0
    behind: Sequence[int] = ()

    @property
    def length(self) -> int:
        """How many there are."""
        return len(self.before) + len(self.body) * self.turns + len(self.behind)

    def at(self, number: int) -> int:
        """The one with a number below `length`."""
        if number < len(self.before):
            return self.before[number]
        number -= len(self.before)
        in_loop = len(self.body) * self.turns
        return self.body[number % len(self.body)] if number < in_loop else self.behind[number - in_loop]


class _Way(NamedTuple):
    """The calls of one path through a forward."""

    how: int
    flat: _Row = _Row(())
    """The ops in their order, where it is known."""
    parts: Sequence[int | Loop] = ()
    """The same with loops in it, where it is not."""

    def at(self, number: int, total: Total) -> tuple[int, tuple[int, ...]]:
        """How that fits, and the ops that may have a number."""
        if self.how == _OPEN:
            return _OPEN, _possible(self.parts, number, total.calls if total.is_sure else 0)
        if number < self.flat.length and self.how != _MORE:
            return self.how, (self.flat.at(number),)
        return _MORE, ()


class Calls:
    """The numbered calls of one forward, of which the report has so many."""

    def __init__(self, runs: Sequence[Ran], total: Total, proof: Proof = NOTHING_PROVEN) -> None:
        self._proven, self._groups, runs = proof.turns, proof.groups, proof.simplified(runs)
        self._loose = [run for run in runs if run.loose is not Loose.NO]
        self._runs = [run for run in runs if not run.again]
        runs, self._is_lumped = _doubted(self._runs)
        self._branch = STUBS if any(run.inside is None for run in runs) else BRANCH
        self._all = once(run.op for run in runs)
        self._take(runs, total)
        if self._may_miss and not self._are_all():
            self._take(runs, total._replace(is_sure=False))
        elif self._may_miss:
            self._loose = [run for run in self._loose if run.loose is Loose.GENERATED]

    def _take(self, runs: Sequence[Ran], total: Total) -> None:
        self._total = total
        varying = varying_loops(runs)
        self._deployed, self._training = (
            [_way(row, total, varying, self._proven) for row in _paths(runs, deployed, self._groups)]
            for deployed in (True, False)
        )

    @property
    def _misses(self) -> bool:
        """Whether calls are missing that nobody followed."""
        return any(run.loose in _SURELY for run in self._loose)

    @property
    def _may_miss(self) -> bool:
        return any(run.loose is not Loose.GENERATED for run in self._loose)

    def _are_all(self) -> bool:
        """Whether source tells of as many as a whole report has, without loops that turn as often as fits."""
        is_exact = any(way.how == _EXACT and not way.flat.turns for way in self._deployed)
        return is_exact and self._total.is_sure and not self._misses

    def nth(self, number: int) -> Nth:
        """The ops that may have a number."""
        found, loose = self._in_order(number), once(run.op for run in self._loose)
        if set(loose).isdisjoint(found.ops):
            return found
        ops = once((*found.ops, *loose))
        why = TAKING_TURNS if len(ops) > 1 else ""
        loosest = {run.loose for run in self._loose}
        return Nth(ops, next((words for loose, words in _WORDS.items() if loose in loosest), why))

    def _in_order(self, number: int) -> Nth:
        """The same, as if all ran in the order in which it was followed."""
        ways, fits = self._deployed, [way.at(number, self._total) for way in self._deployed]
        if all(how == _MORE for how, _ in fits):
            ways, fits = self._training, [way.at(number, self._total) for way in self._training]
        best = min((how for how, _ in fits), default=_MORE)
        is_exact = best == _EXACT and self._total.is_sure
        if not ways or (self._is_lumped and not is_exact):
            found = self._positions.at(number) or self._all
            return Nth(found, (MANY_STUBS if self._is_lumped else BRANCHES) if len(found) > 1 else "")
        if best == _MORE:
            return Nth(self._all, self._branch if len(ways) > 1 else "", max(way.flat.length for way in ways))
        kinds = {best, _OPEN} if best == _EXACT else {best}  # a way that is open may have as many, too
        chosen = [ops for how, ops in fits if how in kinds]
        found = once(op for ops in chosen for op in ops)
        one_each = len(ways) > 1 and all(len(ops) == 1 for ops in chosen)
        more = min((way.flat.length for way in ways if way.how == _FEWER), default=0) if best == _FEWER else 0
        why = "" if len(found) == 1 else self._branch if one_each else TURNS
        return Nth(found, why, more=more)

    @cached_property
    def _positions(self) -> Positions:
        return Positions(self._runs, self._total, self._proven)


def _doubted(runs: Sequence[Ran]) -> tuple[list[Ran], bool]:
    """The same, where each of which nobody knows whether it is between the stubs has a test of its own, or
    all of them have one together (True) where those would be too many."""
    known = atoms_of([run.when for run in runs])
    free = max(known, default=TRAINING) + 1
    doubted = once(run.op for run in runs if run.inside is None)
    is_lumped = len(doubted) > 1 and len(known) + len(doubted) > _MOST_TESTS
    atoms = {op: free if is_lumped else free + n for n, op in enumerate(doubted)}
    found = [
        run._replace(when=frozenset(term | {atoms[run.op]} for term in run.when))
        if run.inside is None
        else run
        for run in runs
    ]
    return found, is_lumped


def _paths(runs: Sequence[Ran], deployed: bool, groups: Mapping[int, Hashable]) -> Iterator[list[Ran]]:
    """What runs on each of the paths: nothing where there are too many of them."""
    atoms = sorted(atoms_of([run.when for run in runs]))
    if len(atoms) > _MOST_TESTS:
        return
    seen = set()
    for signs in product((1, -1), repeat=len(atoms)):
        assignment = frozenset(atom * sign for atom, sign in zip(atoms, signs, strict=True))
        if deployed and TRAINING in assignment:
            continue
        together = [groups[atom] for atom in assignment if atom in groups]
        if len(together) > len(set(together)):
            continue
        row = [run for run in runs if holds(run.when, assignment)]
        key = tuple(map(id, row))
        if key not in seen:
            seen.add(key)
            yield row


def _way(row: Sequence[Ran], total: Total, varying: frozenset[int], proven: Mapping[int, Times]) -> _Way:
    """What runs on one path."""
    parts = written_out(row, proven, varying)
    plain = [part for part in parts if not isinstance(part, Loop)]
    loops = [part for part in parts if isinstance(part, Loop)]
    more = len(plain) - total.calls
    if not loops:
        # A report that may have more than it names may have as many.
        is_exact = not more or not total.is_sure
        return _Way(_MORE if more < 0 else _EXACT if is_exact else _FEWER, _Row(plain))
    if not total.is_sure:
        return _Way(_OPEN, parts=parts)
    turns = _solved(loops, -more)
    if turns is not None:
        where = parts.index(loops[0])
        before, behind = (
            [part for part in some if not isinstance(part, Loop)] for some in (parts[:where], parts[where:])
        )
        return _Way(_EXACT, _Row(before, loops[0].body, turns, behind))
    return _Way(_FEWER, _Row(plain)) if more > 0 else _Way(_OPEN, parts=parts)


def _solved(loops: Sequence[Loop], left: int) -> int | None:
    """How often the first of some loops turns that makes the calls that are left; None where that is not the
    only way."""
    if not left and all(loop.ops for loop in loops):  # none of them turns any more
        return 0
    if len(loops) > 1 or not loops[0].body:  # one that runs again need not turn as often
        return None
    turns, rest = divmod(left, len(loops[0].body))
    return turns if not rest and turns >= 0 else None


def _possible(parts: Sequence[int | Loop], number: int, total: int) -> tuple[int, ...]:
    """The ops that may have a number, where loops turn nobody knows how often; `total` is 0 where nobody
    knows that either."""
    where = [n for n, part in enumerate(parts) if isinstance(part, Loop)]
    first, last = where[0], where[-1]
    from_end = len(parts) - (total - number) if total else 0
    if number < first or from_end > last:
        op = parts[number if number < first else from_end]
        assert not isinstance(op, Loop)
        return (op,)
    last = last if total else len(parts) - 1
    found: list[int] = []
    for n in range(first, last + 1):
        part = parts[n]
        if not isinstance(part, Loop):
            found.append(part)
        elif n == first and part.body:
            found.append(part.body[(number - first) % len(part.body)])
        else:
            found.extend(part.ops)
    return once(found)
