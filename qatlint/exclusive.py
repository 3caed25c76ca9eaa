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
        self._first: dict[Condition, int] = {}
        """Conditions -> the first group that may fit: what did not fit before never does."""
        self._term = 1

    def add(self, condition: Condition) -> int:
        """The number of the group that it is in from now on."""
        contrary = -1
        for term in condition:
            contrary &= self._contrary(term)
        members = self._members
        number = self._first.get(condition, 0)
        while number < len(members) and members[number] & ~contrary:
            # What contradicts nothing fits nowhere.
            number = number + 1 if contrary else len(members)
        self._first[condition] = number
        if number == len(members):
            members.append(0)
        for term in condition:
            members[number] |= self._term
            self._note(term)
        return number

    def add_alone(self) -> int:
        """The number of a new group that nothing else fits."""
        self._members.append(self._term)
        self._term <<= 1
        return len(self._members) - 1

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
