"""The algebra of conditions, against a truth table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from qatlint.condition import (
    FALSE,
    MAX_TERMS,
    TRUE,
    Condition,
    atoms_of,
    both,
    either,
    excludes,
    holds,
    implies,
    literal,
    negate,
)

ATOMS = (1, 2, 3, 4)
PROFILE = settings(derandomize=True, deadline=None, database=None, max_examples=200)
terms = st.frozensets(st.sampled_from([s * a for a in ATOMS for s in (1, -1)]), max_size=3).filter(
    lambda t: not any(-x in t for x in t)
)
conditions = st.frozensets(terms, max_size=3)


def assignments() -> Iterator[frozenset[int]]:
    for signs in itertools.product((1, -1), repeat=len(ATOMS)):
        yield frozenset(s * a for s, a in zip(signs, ATOMS, strict=True))


def table(condition: Condition) -> list[bool]:
    return [holds(condition, a) for a in assignments()]


@PROFILE
@given(conditions, conditions)
def test_conjunction_loses_nothing_and_adds_little(a: Condition, b: Condition) -> None:
    exact = [x and y for x, y in zip(table(a), table(b), strict=True)]
    got = table(both(a, b))
    assert all(g for g, e in zip(got, exact, strict=True) if e)  # widening only makes more true
    if len(a) * len(b) <= MAX_TERMS:
        assert got == exact


@PROFILE
@given(conditions, conditions)
def test_disjunction_loses_nothing_and_adds_little(a: Condition, b: Condition) -> None:
    exact = [x or y for x, y in zip(table(a), table(b), strict=True)]
    got = table(either(a, b))
    assert all(g for g, e in zip(got, exact, strict=True) if e)
    if len(a) + len(b) <= MAX_TERMS:
        assert got == exact


@PROFILE
@given(conditions)
def test_negation_loses_nothing_and_is_exact_for_one_term(a: Condition) -> None:
    exact = [not x for x in table(a)]
    got = table(negate(a))
    assert all(g for g, e in zip(got, exact, strict=True) if e)
    if len(a) == 1:
        assert got == exact


@PROFILE
@given(conditions, conditions)
def test_exclusion_and_implication_are_sound(a: Condition, b: Condition) -> None:
    pairs = list(zip(table(a), table(b), strict=True))
    assert excludes(a, b) == (not any(x and y for x, y in pairs))
    if implies(a, b):
        assert all(y for x, y in pairs if x)


def test_the_ends() -> None:
    a = literal(2)
    assert both(a, negate(a)) == FALSE
    assert either(a, negate(a)) == TRUE
    assert both(TRUE, a) == both(a, TRUE) == either(FALSE, a) == either(a, FALSE) == a
    assert both(FALSE, a) == FALSE and either(TRUE, a) == TRUE
    assert negate(TRUE) == FALSE and negate(FALSE) == TRUE
    assert literal(2, False) == negate(a)
    assert atoms_of([a, literal(3, False), TRUE]) == {2, 3}


def test_branches_that_meet_again_leave_no_trace() -> None:
    g, a = literal(2), literal(3)
    assert either(both(g, a), both(g, negate(a))) == g
    assert either(g, both(g, a)) == g


def test_a_formula_that_grows_is_widened_to_what_all_terms_share() -> None:
    result, shared = FALSE, literal(1)
    for atom in range(2, 2 + MAX_TERMS + 1):
        result = either(result, both(shared, literal(atom)))
    assert result == shared


def test_the_negation_of_a_long_formula_is_widened() -> None:
    long = frozenset({frozenset(range(2, 2 + MAX_TERMS + 1))})
    assert negate(long) == TRUE
    wide = FALSE
    for atom in range(2, 2 + 2 * (MAX_TERMS - 1), 2):
        wide = either(wide, both(literal(atom), literal(atom + 1)))
    assert len(wide) == MAX_TERMS - 1
    assert len(negate(wide)) <= MAX_TERMS
    assert holds(negate(wide), frozenset(-atom for atom in range(2, 2 + 2 * MAX_TERMS)))
