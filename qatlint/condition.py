"""Conditions under which something runs: small boolean formulas over atoms.

An atom is one test the interpreter could not decide (`self.with_cp`, `x.shape[0] > 1`). A formula is
kept in disjunctive normal form: a set of terms, each a set of literals; a literal is `+n` (atom n
holds) or `-n` (it does not). Two calls in exclusive branches have contradicting terms, so they are
never added up. Atom 1 is always `self.training`.

A formula that would grow too large gets a name: an atom of its own that says "this formula holds". What
all its terms share stays beside the name. Nothing is lost by it but how the name and other atoms hang
together, so counts become wider, never wrong: a name may hold or not, and excludes its negation.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from zlib import crc32

Term = frozenset[int]
Condition = frozenset[Term]

TRUE: Condition = frozenset({frozenset()})
FALSE: Condition = frozenset()
TRAINING = 1
_NOTHING: Term = frozenset()
_memoised = lru_cache(maxsize=None)  # few formulas are met, very often; see `forget`

MAX_TERMS = 5
"""A formula with more terms gets a name: a bound on work, not on correctness."""
OF_MANY = -1
NAMES = 1 << 32
"""Atoms from here on are names of formulas."""


@dataclass(frozen=True, slots=True)
class Atom:
    """An undecided test. Atoms of one `group` exclude each other (`mode == "a"`, `mode == "b"`)."""

    number: int
    text: str
    group: Hashable = None
    config: bool = False
    """Decided when the model is built, not by its inputs."""
    varies: frozenset[int] | None = None
    """Of such a test: the loops with whose turns its outcome changes, and `OF_MANY` where it is asked of one
    of several modules; None where that is not known."""
    mode: str = ""
    """What a model is in while it holds, beside training: `export`."""


def forget() -> None:
    """Let go of what was worked out, once it is much; each formula takes half a kilobyte.

    To be called now and then: keeping count at every step, as a bounded cache does, costs more than it saves,
    since the formulas of one class are seldom those of another.
    """
    are_many = len(_parts) > _MUCH  # what is still known may have any of these names in it
    for memo in (literal, both, either, negate, branches, _contrary, _negation, _name, excludes, implies):
        if are_many or memo.cache_info().currsize > _MUCH:
            memo.cache_clear()
    if are_many:
        _parts.clear()


_MUCH = 1 << 12
_parts: dict[int, frozenset[int]] = {}
"""Name of a formula -> its atoms, none of which is a name."""


@_memoised
def literal(atom: int, holds: bool = True) -> Condition:
    """The formula that says atom `atom` holds (or does not)."""
    return frozenset({frozenset({atom if holds else -atom})})


@_memoised
def both(a: Condition, b: Condition) -> Condition:
    """Conjunction. Where it grows too large, `b` gets a name: of what is known already, nothing is lost."""
    if len(a) == 1 and len(b) == 1:
        (s,), (t,) = a, b
        if s <= t:
            return b
        if not t:
            return a
        return frozenset((s | t,)) if _contrary(s).isdisjoint(t) else FALSE
    if a in (b, TRUE):
        return b
    if b == TRUE:
        return a
    terms: list[Term] = []
    for s in a:
        contrary = _contrary(s)
        terms += [s | t for t in b if contrary.isdisjoint(t)]
    result = _simplify(terms)
    if len(result) <= MAX_TERMS:
        return result
    return both(a, named(b)) if len(b) > 1 else both(named(a), b)


@_memoised
def either(a: Condition, b: Condition) -> Condition:
    """Disjunction. Where it grows too large, terms that differ little get a name together."""
    if not a:
        return b
    if not b or a == b:
        return a
    if a == TRUE or b == TRUE:
        return TRUE
    result = _simplify([*a, *b])
    while len(result) > MAX_TERMS:
        pair = min(combinations(sorted(result, key=sorted), 2), key=_difference)
        result = _simplify([*result.difference(pair), *named(frozenset(pair))])
    return result


@_memoised
def negate(a: Condition) -> Condition:
    """Negation. Where it grows too large, the negation of a name."""
    exact = _negation(a)
    if exact is None:
        exact = _negation(named(a))
    return exact if exact is not None else literal(-_name(a))


@_memoised
def branches(before: Condition, test: Condition) -> tuple[Condition, Condition, Condition, Condition]:
    """(`before` and `test`, `before` and not `test`, `test`, not `test`), such that the first two and the
    last two exclude each other."""
    for shorten in (_itself, named, _only_named):
        short = shorten(test)
        contrary = _negation(short)
        if contrary is None:
            continue
        then, other = both(before, short), both(before, contrary)
        if len(before) == 1 or excludes(then, other):
            return then, other, short, contrary
    raise AssertionError("a single literal has a negation")


@_memoised
def _contrary(term: Term) -> Term:
    """The contrary of each literal: a term that has one of these cannot hold together with this one."""
    return frozenset([-x for x in term])


def _itself(a: Condition) -> Condition:
    return a


def _only_named(a: Condition) -> Condition:
    return literal(_name(a))


@_memoised
def _negation(a: Condition) -> Condition | None:
    """The exact negation; None where it grows too large."""
    if len(a) == 1:
        (only,) = a
        return frozenset([frozenset((-x,)) for x in only]) if len(only) <= MAX_TERMS else None
    result: Condition = TRUE
    for term in a:
        result = _simplify([s | {-x} for s in result for x in term if x not in s])
        if len(result) > MAX_TERMS:
            return None
    return result


def named(a: Condition) -> Condition:
    """What all terms share, and a name for the rest."""
    if len(a) < 2:
        return a
    shared = frozenset.intersection(*a)
    return frozenset({shared | {_name(frozenset(term - shared for term in a))}})


@_memoised
def _name(a: Condition) -> int:
    """The literal that says that a formula holds: an atom, or for the negation of a formula its contrary."""
    if len(a) == 1:
        (only,) = a
        if len(only) == 1:
            return next(iter(only))
    # The same in every process, whatever was met before: what is found may not depend on that.
    key, contrary = _key(a), _negation(a)
    if contrary is not None and _key(contrary) < key:
        name = -NAMES - crc32(_key(contrary))
    else:
        name = NAMES + crc32(key)
    _parts[abs(name)] = _NOTHING.union(*map(parts_of, atoms_of([a])))
    return name


def _key(a: Condition) -> bytes:
    return repr(sorted(sorted(term) for term in a)).encode()


def _difference(pair: tuple[Term, Term]) -> int:
    return len(pair[0] ^ pair[1])


def is_name(atom: int) -> bool:
    """Whether an atom is the name of a formula."""
    return atom >= NAMES


@_memoised
def excludes(a: Condition, b: Condition) -> bool:
    """True when `a` and `b` cannot hold together."""
    for s in a:
        contrary = _contrary(s)
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


def parts_of(atom: int) -> frozenset[int]:
    """The atoms of the formula that an atom is the name of; itself, where it is none."""
    return _parts.get(atom, _NOTHING) if is_name(atom) else frozenset((atom,))


def holds(condition: Condition, assignment: frozenset[int]) -> bool:
    """Whether the formula is true when exactly the literals of `assignment` hold."""
    return any(t <= assignment for t in condition)


def _simplify(terms: list[Term]) -> Condition:
    """Drop absorbed terms, and literals of which another term says that they do not matter: `g and a` with
    `g and not a`, `a` with `not a and b`."""
    current = set(terms)
    if len(current) < 3:
        return frozenset(current if len(current) < 2 else _simplify_two(*current))
    # Only a literal that occurs both ways can be dropped; most occur one way.
    literals = _NOTHING.union(*current)
    both_ways = {x for x in literals if -x in literals}
    if both_ways:
        _drop_literals(current, both_ways)
    if len({len(term) for term in current}) < 2:
        return frozenset(current)  # no term holds another of its length
    kept: list[Term] = []
    for s in sorted(current, key=len):
        for t in kept:
            if t <= s:
                break
        else:
            kept.append(s)
    return frozenset(kept)


def _simplify_two(s: Term, t: Term) -> list[Term]:
    """The same for two terms, as most formulas have them."""
    contrary = [x for x in s if -x in t]
    if len(contrary) == 1:
        rest, other = s - {contrary[0]}, t - {-contrary[0]}
        if rest == other:
            return [rest]
        if other < rest:
            s = rest
        elif rest < other:
            t = other
    elif not contrary:
        if s <= t:
            return [s]
        if t <= s:
            return [t]
    return [s, t]


def _drop_literals(current: set[Term], both_ways: set[int]) -> None:
    """Drop the literals of terms of which other terms say that they do not matter."""
    # Sorted, since what is found may not depend on the order in which terms were met.
    waiting = sorted((t for t in current if not t.isdisjoint(both_ways)), key=sorted)
    while waiting:
        s = waiting.pop()
        if s not in current:
            continue
        x = _superfluous(s, current)
        if x:
            rest = s - {x}
            current.discard(rest | {-x})
            current.remove(s)
            current.add(rest)
            # What is shorter now may say of others that they can be shorter.
            contrary = _contrary(rest)
            waiting += sorted((t for t in current if not contrary.isdisjoint(t)), key=sorted)
            waiting.append(rest)


def _superfluous(term: Term, terms: set[Term]) -> int:
    """The lowest literal of a term that it does not need, since another one holds in all that it leaves out:
    one that is part of it but for the contrary of this literal. 0 when there is none."""
    found = 0
    length = len(term)
    for other in terms:
        if len(other) <= length:
            more = other - term
            if len(more) == 1:
                (x,) = more
                if -x in term and (not found or -x < found):
                    found = -x
    return found
