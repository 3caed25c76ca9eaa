"""How often something runs in one forward: counts calls over all consistent paths.

Calls in exclusive branches are never added up. Atoms that nothing decides are tried both ways, up to
`ATOM_LIMIT` of them; the rest count as possible for `most` and as absent for `least`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from qatlint.condition import TRAINING, TRUE, Atom, Condition, atoms_of, implies
from qatlint.exclusive import Groups
from qatlint.trace import Call, Module, On, Times, Trace, Usage

ATOM_LIMIT = 9


class Counted(NamedTuple):
    """One execution: its condition, its number of turns, and whether its loops repeat it."""

    when: Condition
    times: Times
    repeats: bool
    """Runs in a loop that, whenever it is entered, goes round more than once as far as is known."""


def usage(trace: Trace, module: Module) -> Usage:
    """How often `module` runs in one forward of the trace's owner."""
    calls = [c for c in trace.calls_of(module) if not c.other_element]
    return usage_of_calls(calls, module.when, trace.facts, trace.atoms)


def bounds(used: Usage, module: Module) -> Times:
    """How often it may run, code included that is not read and is handed the module."""
    return Times(used.times.least, None) if module.handed else used.times


def usage_of_calls(
    calls: Sequence[Call], exists: Condition, facts: Sequence[Condition], atoms: Mapping[int, Atom]
) -> Usage:
    """The same for some of its calls."""
    return count(
        [Counted(c.when, c.times, c.repeats and (c.times.most is None or c.times.most > 1)) for c in calls],
        exists,
        facts,
        atoms,
    )


def at_most_once(trace: Trace, module: Module) -> bool:
    """Whether no two calls of `module` can run in one forward: quicker than to count them."""
    calls = [c for c in trace.calls_of(module) if not c.other_element]
    return none_repeats([Counted(c.when, c.times, False) for c in calls], trace.atoms)


def none_repeats(calls: Sequence[Counted], atoms: Mapping[int, Atom]) -> bool:
    """The same for calls: each runs once, and they exclude each other."""
    if any(c.times.most is None or c.times.most > 1 for c in calls):
        return False
    return len(calls) < 2 or not any(_exclusive_groups(calls, atoms))


def count(
    calls: Sequence[Counted], exists: Condition, facts: Sequence[Condition], atoms: Mapping[int, Atom]
) -> Usage:
    """Times over all paths on which the module exists; shared when some path runs it twice."""
    upper = _total(calls)
    if upper is not None and upper <= 1:
        certain = len(calls) == 1 and implies(exists, calls[0].when)
        lowest = calls[0].times.least if certain else 0
        return Usage(Times(lowest, upper), On.ALWAYS if certain else On.SOME_PATH, False)
    chosen = _chosen_atoms([c.when for c in calls], exists, facts, atoms)
    relevant = [f for f in facts if atoms_of([f]) <= set(chosen)]
    paths = _paths(chosen, {n: atoms[n].group for n in chosen if n in atoms})
    for condition in (exists, *relevant):
        if condition != TRUE:
            terms = _terms(condition, chosen)
            paths = [path for path in paths if _may_hold(terms, path)]
    excluded = _excluded_by_facts(chosen, facts, atoms)
    if excluded:
        paths = [path for path in paths if not path & excluded]
    outcomes = {when: _outcomes(when, chosen, paths) for when in {c.when for c in calls}}
    training = 1 << chosen.index(TRAINING) if TRAINING in chosen else 0
    # Most paths differ in nothing that matters here.
    rows = set(zip([path & training for path in paths], *[outcomes[c.when] for c in calls], strict=True))
    exclusive = _exclusive_groups(calls, atoms)
    least: int | None = None
    most: int | None = 0
    always = bool(paths)
    shared = shared_in_eval = False
    for trains, *states in rows:
        low, sure = 0, 0
        unbounded = False
        highest = [0] * len(calls)
        for call, group, state in zip(calls, exclusive, states, strict=True):
            if state is _EXCLUDED:
                continue
            if state is _CERTAIN:
                low += call.times.least
                sure += 2 if call.repeats else 1
            if call.times.most is None:
                unbounded = True
            elif call.times.most > highest[group]:
                highest[group] = call.times.most
        high = sum(highest)
        if unbounded or high > 1:
            shared = True
            shared_in_eval = shared_in_eval or not trains
        always = always and sure > 1
        least = low if least is None else min(least, low)
        most = None if unbounded or most is None else max(most, high)
    certain = least is not None and least > 1
    on = On.ALWAYS if certain else On.SOME_PATH
    if shared and not shared_in_eval:
        on = On.TRAINING
    return Usage(Times(least or 0, most), on, shared, always and on is On.SOME_PATH)


def _exclusive_groups(calls: Sequence[Counted], atoms: Mapping[int, Atom]) -> list[int]:
    """A group for each call: of those of one group no two run in the same forward, whatever holds.

    Only some atoms are tried both ways; the branches of a long `elif` still exclude each other.
    """
    groups = Groups(atoms)
    return [groups.add(call.when) for call in calls]


def _total(calls: Sequence[Counted]) -> int | None:
    total = 0
    for call in calls:
        if call.times.most is None:
            return None
        total += call.times.most
    return total


def _chosen_atoms(
    conditions: Sequence[Condition],
    exists: Condition,
    facts: Sequence[Condition],
    atoms: Mapping[int, Atom],
) -> list[int]:
    """The atoms worth trying both ways: the most frequent ones."""
    frequency: dict[int, int] = {}
    literals: set[int] = set()
    for condition in (*conditions, exists):
        for number in atoms_of([condition]):
            frequency[number] = frequency.get(number, 0) + 1
        literals.update(*condition)
    bound = atoms_of([exists, *facts])
    # What occurs one way only needs no trial: that it may hold gives the most, that it need not the least.
    worth = [
        n
        for n in frequency
        if n in bound or (n in literals and -n in literals) or (n in atoms and atoms[n].group is not None)
    ]
    # `self.training` is always tried: the answer tells the modes apart.
    if TRAINING in frequency and TRAINING not in worth:
        worth.append(TRAINING)
    return sorted(worth, key=lambda n: (n != TRAINING, -frequency[n], n))[:ATOM_LIMIT]


def _excluded_by_facts(chosen: Sequence[int], facts: Sequence[Condition], atoms: Mapping[int, Atom]) -> int:
    """The chosen atoms, as a set of bits, of whose group a fact says that another one holds."""
    held = {
        atoms[x].group: x
        for fact in facts
        if len(fact) == 1
        for x in next(iter(fact))
        if x > 0 and x in atoms and atoms[x].group is not None
    }
    if not held:
        return 0
    groups = [atoms[n].group if n in atoms else None for n in chosen]
    return sum(
        1 << i
        for i, (number, group) in enumerate(zip(chosen, groups, strict=True))
        if group is not None and held.get(group, number) != number
    )


_EXCLUDED, _POSSIBLE, _CERTAIN = range(3)

_Terms = list[tuple[int, int, bool]]
"""A formula as each of its terms asks for it: the chosen atoms that hold and those that do not, as sets of
bits, and whether it speaks of no other atoms."""


def _paths(chosen: Sequence[int], groups: Mapping[int, Hashable]) -> list[int]:
    """All ways to decide the atoms, as sets of bits: those that hold. Of one group at most one holds."""
    paths = [0]
    taken: dict[Hashable, int] = {}
    for i, number in enumerate(chosen):
        group = groups.get(number)
        others = 0 if group is None else taken.get(group, 0)
        if group is not None:
            taken[group] = others | 1 << i
        paths += [path | 1 << i for path in paths if not path & others]
    return paths


def _terms(condition: Condition, chosen: Sequence[int]) -> _Terms:
    bits = {number: 1 << i for i, number in enumerate(chosen)}
    terms = []
    for term in condition:
        holding = sum(bits.get(x, 0) for x in term if x > 0)
        failing = sum(bits.get(-x, 0) for x in term if x < 0)
        terms.append((holding, failing, all(abs(x) in bits for x in term)))
    return terms


def _may_hold(terms: _Terms, path: int) -> bool:
    """Whether the condition is possible: some term contradicts no decided atom."""
    return any(path & holding == holding and not path & failing for holding, failing, _ in terms)


def _outcomes(condition: Condition, chosen: Sequence[int], paths: Sequence[int]) -> list[int]:
    """What is known of the condition on each of the paths."""
    terms = _terms(condition, chosen)
    if not any(holding or failing for holding, failing, _ in terms):
        # It speaks of no chosen atom, as most do where there are many.
        known = max((_CERTAIN if decided else _POSSIBLE for _, _, decided in terms), default=_EXCLUDED)
        return [known] * len(paths)
    found = []
    for path in paths:
        outcome = _EXCLUDED
        for holding, failing, decided in terms:
            if path & holding == holding and not path & failing:
                if decided:
                    outcome = _CERTAIN
                    break
                outcome = _POSSIBLE
        found.append(outcome)
    return found
