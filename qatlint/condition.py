"""Conditions under which something runs: small boolean formulas over atoms.

An atom is one test the interpreter could not decide (`self.with_cp`, `x.shape[0] > 1`). A formula is
kept in disjunctive normal form: a set of terms, each a set of literals; a literal is `+n` (atom n
holds) or `-n` (it does not). Two calls in exclusive branches have contradicting terms, so they are
never added up. Atom 1 is always `self.training`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

Term = frozenset[int]
Condition = frozenset[Term]

TRUE: Condition = frozenset({frozenset()})
FALSE: Condition = frozenset()
TRAINING = 1
_memoised = lru_cache(maxsize=1 << 13)  # few formulas are met, very often; each takes half a kilobyte

MAX_TERMS = 5
"""A formula with more terms is widened (see `either`): a bound on work, not on correctness."""


@dataclass(frozen=True, slots=True)
class Atom:
    """An undecided test. Atoms of one `group` exclude each other (`mode == "a"`, `mode == "b"`)."""

    number: int
    text: str
    group: Hashable = None
    config: bool = False
    """Decided when the model is built, not by its inputs."""


@_memoised
def literal(atom: int, holds: bool = True) -> Condition:
    """The formula that says atom `atom` holds (or does not)."""
    return frozenset({frozenset({atom if holds else -atom})})


@_memoised
def both(a: Condition, b: Condition) -> Condition:
    """Conjunction."""
    if a in (TRUE, b):
        return b
    if b == TRUE:
        return a
    if len(a) == 1 and len(b) == 1:
        (s,), (t,) = a, b
        if s <= t:
            return b
        return frozenset((s | t,)) if {-x for x in s}.isdisjoint(t) else FALSE
    terms: list[Term] = []
    for s in a:
        contrary = {-x for x in s}
        terms += [s | t for t in b if contrary.isdisjoint(t)]
    return _simplify(terms)


@_memoised
def either(a: Condition, b: Condition) -> Condition:
    """Disjunction. Widened by joining terms into the literals they share when it would grow too large."""
    if not a:
        return b
    if not b or a == b:
        return a
    if a == TRUE or b == TRUE:
        return TRUE
    return _simplify([*a, *b])


@_memoised
def negate(a: Condition) -> Condition:
    """Negation. Widened to TRUE when it would grow too large."""
    if a == TRUE:
        return FALSE
    if len(a) == 1:
        (only,) = a
        return frozenset(frozenset((-x,)) for x in only) if len(only) <= MAX_TERMS else TRUE
    result = TRUE
    for term in a:
        flipped: Condition = frozenset(frozenset({-x}) for x in term)
        result = both(result, flipped)
        if len(result) >= MAX_TERMS:
            return TRUE
    return result


@_memoised
def excludes(a: Condition, b: Condition) -> bool:
    """True when `a` and `b` cannot hold together."""
    for s in a:
        contrary = {-x for x in s}
        for t in b:
            if contrary.isdisjoint(t):
                return False
    return True


@_memoised
def implies(a: Condition, b: Condition) -> bool:
    """True when every term of `a` is covered by one term of `b` (sound, not complete)."""
    return all(any(t <= s for t in b) for s in a)


def atoms_of(conditions: Iterable[Condition]) -> set[int]:
    """Numbers of the atoms that occur."""
    return {abs(x) for c in conditions for t in c for x in t}


def holds(condition: Condition, assignment: frozenset[int]) -> bool:
    """Whether the formula is true when exactly the literals of `assignment` hold."""
    return any(t <= assignment for t in condition)


def _difference(pair: tuple[Term, Term]) -> int:
    return len(pair[0] ^ pair[1])


def _simplify(terms: list[Term]) -> Condition:
    """Drop absorbed terms, merge `g and a` with `g and not a`, bound the number of terms."""
    if len(terms) < 2:
        return frozenset(terms)
    current = set(terms)
    # Only a literal that occurs both ways can be merged away; most occur one way.
    literals = frozenset().union(*current)
    both_ways = {x for x in literals if -x in literals}
    waiting = list(current) if both_ways else []
    while waiting:
        s = waiting.pop()
        if s not in current:
            continue
        for x in s:
            if x not in both_ways:
                continue
            rest = s - {x}
            twin = rest | {-x}
            if twin in current:
                current -= {s, twin}
                current.add(rest)
                waiting.append(rest)
                break
    if len(current) == 1:
        return frozenset(current)
    kept: list[Term] = []
    for s in sorted(current, key=len):
        if not any(t <= s for t in kept):
            kept.append(s)
    while len(kept) > MAX_TERMS:
        # The two that differ least become what they share: weaker than both, and little is lost.
        a, b = min(combinations(kept, 2), key=_difference)
        shared = a & b
        kept = [t for t in kept if not shared <= t]
        kept.append(shared)
    return frozenset(kept)
