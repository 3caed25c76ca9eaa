"""Groups of conditions that exclude each other: against looking at each pair."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from qatlint.condition import Atom, Condition, Term, literal
from qatlint.exclusive import Groups

ATOMS = {
    n: Atom(n, f"mode == {n}", group="mode" if n < 4 else "size" if n < 6 else None) for n in range(1, 8)
}
A, B, C = literal(6), literal(6, False), literal(7)


def is_one(term: Term) -> bool:
    """Whether a term needs no two atoms of a group, nor an atom and its contrary."""
    groups = [ATOMS[x].group for x in term if x > 0 and ATOMS[x].group is not None]
    return len(groups) == len(set(groups)) and not any(-x in term for x in term)


terms = st.frozensets(st.integers(-7, 7).filter(bool), max_size=3).filter(is_one)
conditions = st.frozensets(terms, max_size=3)


def exclude(a: Condition, b: Condition) -> bool:
    return all(any(-x in t for x in s) or not is_one(s | t) for s in a for t in b)


@settings(derandomize=True, deadline=None, database=None, max_examples=100)
@given(st.lists(conditions, max_size=6))
def test_each_is_in_the_first_group_that_it_fits(given: list[Condition]) -> None:
    groups = Groups(ATOMS)
    members: list[list[Condition]] = []
    for condition in given:
        fits = (n for n, group in enumerate(members) if all(exclude(condition, other) for other in group))
        expected = next(fits, len(members))
        if expected == len(members):
            members.append([])
        members[expected].append(condition)
        assert groups.add(condition) == expected


def test_nothing_fits_what_stands_alone() -> None:
    groups = Groups()
    assert [groups.add(A), groups.add_alone(), groups.add(C), groups.add(B), groups.add(B)] == [0, 1, 2, 0, 3]


def test_the_work_grows_with_the_number_of_conditions() -> None:
    """Counted in calls: each condition is held against the groups that it may fit, not against all."""
    looked = [_groups_looked_at(many) for many in (200, 400)]
    assert looked[1] <= 2 * looked[0] <= 1600


def _groups_looked_at(many: int) -> int:
    groups = Groups()
    groups._members = members = Watched()
    for n in range(2, many + 2):
        assert groups.add(literal(n)) == groups.add(literal(n, False)) == n - 2
    return members.looked


class Watched(list[int]):
    looked = 0

    def __getitem__(self, index: Any) -> Any:
        self.looked += 1
        return super().__getitem__(index)
