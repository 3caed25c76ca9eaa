"""Which of many conditions exclude each other: the calls of a module stand at thousands of places.

    groups = Groups()
    numbers = [groups.add(condition) for condition in conditions]

The terms of all conditions are numbered, and a set of terms is the bits of an integer, so a condition is
compared with all others at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from types import MappingProxyType

from qatlint.condition import Atom, Condition, Term

_NO_ATOMS: Mapping[int, Atom] = MappingProxyType({})


class Groups:
    """Conditions in groups: of those of one group no two can hold together.

    Two exclude each other when their terms contradict, or need two of `atoms` that have the same group. A
    condition goes into the first group that it fits.
    """

    def __init__(self, atoms: Mapping[int, Atom] = _NO_ATOMS) -> None:
        self._atoms = atoms
        self._having: dict[int, int] = {}
        """Literals -> the terms that have them."""
        self._holding: dict[Hashable, dict[int, int]] = {}
        """Groups of atoms -> their atoms -> the terms that say that it holds."""
        self._members: list[int] = []
        """The terms of each group of conditions."""
        self._led: dict[int, int] = {}
        """The first term of a group, as a bit -> the group."""
        self._leads = 0
        """All these leads: a condition fits only where it contradicts the first term."""
        self._first: dict[Condition, int] = {}
        """Conditions -> the lead of the first group that may fit: what did not fit before never does."""
        self._term = 1

    def add(self, condition: Condition) -> int:
        """The number of the group that it is in from now on."""
        contrary = -1
        for term in condition:
            contrary &= self._contrary(term)
        # What contradicts nothing fits nowhere, and of thousands of groups few come into question.
        leads = self._leads & contrary & -self._first.get(condition, 1)
        while leads:
            lead = leads & -leads
            number = self._led[lead]
            if not self._members[number] & ~contrary:
                break
            leads ^= lead
        else:
            lead, number = self._open()
        self._first[condition] = lead
        for term in condition:
            self._members[number] |= self._term
            self._note(term)
        return number

    def _open(self) -> tuple[int, int]:
        """A group that has no term yet: the one that will be its first, and its number."""
        if not self._leads & self._term:
            self._led[self._term] = len(self._members)
            self._leads |= self._term
            self._members.append(0)
        return self._term, self._led[self._term]

    def add_alone(self) -> int:
        """The number of a new group that nothing else fits."""
        _, number = self._open()
        self._members[number] = self._term
        self._term <<= 1
        return number

    def _contrary(self, term: Term) -> int:
        """The terms that contradict this one."""
        found = 0
        for x in term:
            found |= self._having.get(-x, 0)
            if self._holding and x > 0 and x in self._atoms:
                for other, terms in self._holding.get(self._atoms[x].group, {}).items():
                    if other != x:
                        found |= terms
        return found

    def _note(self, term: Term) -> None:
        for x in term:
            self._having[x] = self._having.get(x, 0) | self._term
            if x > 0 and x in self._atoms and (group := self._atoms[x].group) is not None:
                holding = self._holding.setdefault(group, {})
                holding[x] = holding.get(x, 0) | self._term
        self._term <<= 1
