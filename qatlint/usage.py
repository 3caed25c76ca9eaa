"""How often something runs in one forward: counts calls over all consistent paths.

Calls in exclusive branches are never added up. Atoms that nothing decides are tried both ways, up to
`ATOM_LIMIT` of them; the rest count as possible for `most` and as absent for `least`.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from qatlint.condition import TRAINING, Atom, Condition, Term, atoms_of, excludes, implies
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
    least: int | None = None
    most: int | None = 0
    always = shared = shared_in_eval = False
    exclusive = _exclusive_groups(calls, atoms)
    first = True
    for assignment in _assignments(chosen, {n: atoms[n].group for n in chosen if n in atoms}):
        if not _may_hold(exists, assignment):
            continue
        if any(not _may_hold(f, assignment) for f in relevant):
            continue
        low, sure = 0, 0
        unbounded = False
        highest = [0] * len(calls)
        for call, group in zip(calls, exclusive, strict=True):
            if _must_hold(call.when, assignment):
                low += call.times.least
                sure += 2 if call.repeats else 1
            elif not _may_hold(call.when, assignment):
                continue
            if call.times.most is None:
                unbounded = True
            else:
                highest[group] = max(highest[group], call.times.most)
        high = sum(highest)
        here_shared = unbounded or high > 1
        shared = shared or here_shared
        if (here_shared and -TRAINING in assignment) or (here_shared and TRAINING not in chosen):
            shared_in_eval = True
        always = sure > 1 if first else always and sure > 1
        least = low if least is None else min(least, low)
        most = None if unbounded or most is None else max(most, high)
        first = False
    certain = least is not None and least > 1
    on = On.ALWAYS if certain else On.SOME_PATH
    if shared and not shared_in_eval:
        on = On.TRAINING
    return Usage(Times(least or 0, most), on, shared, always and on is On.SOME_PATH)


def _exclusive_groups(calls: Sequence[Counted], atoms: Mapping[int, Atom]) -> list[int]:
    """A group for each call: of those of one group no two run in the same forward, whatever holds.

    Only some atoms are tried both ways; the branches of a long `elif` still exclude each other.
    """
    members: list[list[Condition]] = []
    result: list[int] = []
    for call in calls:
        for number, group in enumerate(members):
            if all(_exclude(call.when, other, atoms) for other in group):
                group.append(call.when)
                result.append(number)
                break
        else:
            result.append(len(members))
            members.append([call.when])
    return result


def _exclude(a: Condition, b: Condition, atoms: Mapping[int, Atom]) -> bool:
    """Whether two conditions cannot hold together, since their terms contradict each other or need two
    different atoms of one group."""
    if excludes(a, b):
        return True
    return all(_one_of_a_group(s, t, atoms) or not {-x for x in s}.isdisjoint(t) for s in a for t in b)


def _one_of_a_group(s: Term, t: Term, atoms: Mapping[int, Atom]) -> bool:
    taken = {atoms[x].group: x for x in s if x > 0 and x in atoms and atoms[x].group is not None}
    return any(
        taken.get(atoms[x].group, x) != x for x in t if x > 0 and x in atoms and atoms[x].group is not None
    )


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


def _assignments(chosen: Sequence[int], groups: Mapping[int, Hashable]) -> Iterator[frozenset[int]]:
    """All ways to decide the atoms; of one group at most one holds."""

    def rest(i: int, literals: tuple[int, ...], taken: frozenset[Hashable]) -> Iterator[frozenset[int]]:
        if i == len(chosen):
            yield frozenset(literals)
            return
        number = chosen[i]
        group = groups.get(number)
        yield from rest(i + 1, (*literals, -number), taken)
        if group is None or group not in taken:
            yield from rest(i + 1, (*literals, number), taken if group is None else taken | {group})

    return rest(0, (), frozenset())


def _may_hold(condition: Condition, assignment: frozenset[int]) -> bool:
    """Whether the condition is possible: no term contradicts the decided atoms."""
    for term in condition:
        for x in term:
            if -x in assignment:
                break
        else:
            return True
    return False


def _must_hold(condition: Condition, assignment: frozenset[int]) -> bool:
    return any(term <= assignment for term in condition)
