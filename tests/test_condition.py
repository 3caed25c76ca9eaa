"""The algebra of conditions, against a truth table."""

from __future__ import annotations

import functools
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
    branches,
    either,
    excludes,
    forget,
    holds,
    implies,
    is_name,
    literal,
    named,
    negate,
    parts_of,
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


def bounds(condition: Condition) -> tuple[list[bool], list[bool]]:
    """(what surely holds, what may hold) by assignment, where names of formulas may hold or not."""
    names = sorted(filter(is_name, atoms_of([condition])))
    ways = [frozenset(w) for w in itertools.product(*((name, -name) for name in names))]
    answers = [[holds(condition, a | way) for way in ways] for a in assignments()]
    return [all(found) for found in answers], [any(found) for found in answers]


def is_between(condition: Condition, exact: list[bool]) -> bool:
    """Whether a formula claims too little for sure and allows too much, never the other way round."""
    sure, possible = bounds(condition)
    return all(e or not s for s, e in zip(sure, exact, strict=True)) and all(
        p or not e for p, e in zip(possible, exact, strict=True)
    )


@PROFILE
@given(conditions, conditions)
def test_conjunction_is_exact_or_has_a_name_in_it(a: Condition, b: Condition) -> None:
    exact = [x and y for x, y in zip(table(a), table(b), strict=True)]
    got = both(a, b)
    assert len(got) <= MAX_TERMS and is_between(got, exact)
    if len(a) * len(b) <= MAX_TERMS:
        assert table(got) == exact


@PROFILE
@given(conditions, conditions)
def test_disjunction_is_exact_or_has_a_name_in_it(a: Condition, b: Condition) -> None:
    exact = [x or y for x, y in zip(table(a), table(b), strict=True)]
    got = either(a, b)
    assert len(got) <= MAX_TERMS and is_between(got, exact)
    if len(a) + len(b) <= MAX_TERMS:
        assert table(got) == exact


@PROFILE
@given(conditions)
def test_negation_is_exact_or_a_name(a: Condition) -> None:
    exact = [not x for x in table(a)]
    got = negate(a)
    assert len(got) <= MAX_TERMS and is_between(got, exact)
    if len(a) == 1:
        assert table(got) == exact


@PROFILE
@given(conditions, conditions)
def test_branches_exclude_each_other_on_every_path(path: Condition, test: Condition) -> None:
    then, other, yes, no = branches(path, test)
    assert is_between(yes, table(test)) and is_between(no, [not x for x in table(test)])
    assert is_between(then, [p and x for p, x in zip(table(path), table(test), strict=True)])
    assert excludes(yes, no) and excludes(then, other)


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


def test_a_formula_that_grows_keeps_what_it_can() -> None:
    terms = [both(literal(1), literal(atom)) for atom in range(2, 2 + MAX_TERMS + 1)]
    result = functools.reduce(either, terms)
    assert len(result) == MAX_TERMS
    assert all(1 in term for term in result)
    assert sum(any(is_name(abs(x)) for x in term) for term in result) == 1
    assert functools.reduce(either, terms) == result
    assert excludes(result, literal(1, False))


def long_test() -> Condition:
    """A test whose negation has too many terms."""
    return frozenset(frozenset({atom, atom + 10}) for atom in range(20, 20 + MAX_TERMS))


def test_branches_of_a_long_test_exclude_each_other_and_meet_again() -> None:
    before = both(literal(40), either(literal(41), literal(42)))
    then, other, _, no = branches(before, long_test())
    assert no == negate(long_test())
    assert excludes(then, other) and excludes(then, literal(40, False))
    deeper = both(then, literal(50))
    assert excludes(deeper, other) and excludes(deeper, both(then, literal(50, False)))
    assert either(deeper, both(then, literal(50, False))) == then


def test_a_path_of_many_ways_is_told_from_those_that_left_it() -> None:
    left = either(literal(2), literal(3))
    path = both(either(literal(4), literal(5)), negate(left))
    test = frozenset({frozenset({6, 7}), frozenset({8, 9}), frozenset({10})})
    for branch in branches(path, test)[:2]:
        assert excludes(branch, literal(2)) and excludes(branch, literal(3))


def test_branches_exclude_each_other_where_path_and_contrary_are_wide() -> None:
    path = either(literal(2), literal(3))
    shared = functools.reduce(both, [literal(atom) for atom in range(10, 13)])
    then, other, _, _ = branches(path, both(shared, either(literal(4), literal(5))))
    assert excludes(then, other)


def test_what_was_worked_out_is_let_go_of_once_it_is_much() -> None:
    first = literal(1)
    for atom in range(20_000):
        literal(atom)
    forget()
    assert literal.cache_info().currsize == 0
    literal(1)
    forget()
    assert literal.cache_info().currsize == 1
    assert literal(1) == first


def test_a_formula_that_is_too_large_already_gets_a_name() -> None:
    large = frozenset(frozenset({n, n + 10}) for n in range(2, 2 + 2 * MAX_TERMS))
    result = both(large, literal(50))
    assert result == both(named(large), literal(50))
    assert len(result) == 1
    assert len(both(large, large - {min(large, key=sorted)})) <= MAX_TERMS


def test_a_name_stands_for_the_atoms_of_its_formula() -> None:
    formula = TRUE
    for pair in ((2, 3), (4, 5), (6, 7)):
        formula = both(formula, either(literal(pair[0]), literal(pair[1])))
    atoms = atoms_of([formula])
    assert any(map(is_name, atoms))
    assert frozenset().union(*map(parts_of, atoms)) == {2, 3, 4, 5, 6, 7}
    assert parts_of(2) == {2}
