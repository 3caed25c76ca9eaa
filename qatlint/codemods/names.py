"""Free names: attributes for new instances, counters for loops."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import libcst as cst

from qatlint.codemods.locate import walk
from qatlint.codemods.mentions import Mentions, Words

_COUNTERS = ("i", "j", "k", "idx", "index", "turn")
_MANY = 100


class Names:
    """Every name, attribute and string that one class may meet, and those given out since.

    The whole file is looked at, a base or a subclass may hold the attribute; but not the classes that
    have nothing to do with this one.
    """

    def __init__(self, mentions: Mentions, cls: cst.ClassDef) -> None:
        self._given = Words()
        self._words = [self._given, *mentions.words_for(cls)]
        self._counters: dict[cst.FunctionDef, set[str]] = {}

    def share(self, other: Names) -> None:
        """What was or will be given out for another class, is taken for this one, too."""
        self._words.append(other._given)
        other._words.append(self._given)

    def reserve(self, names: Iterable[str]) -> None:
        """Names that are taken, as is known from elsewhere: by a base in another file."""
        for name in names:
            self._given.add_name(name)

    def is_free(self, name: str) -> bool:
        """Whether nothing in the file is, or may become by formatting, called `name`."""
        return not any(words.has(name) for words in self._words)

    def take(self, name: str) -> str:
        """`name` where it is free, else a free one with a number; it is not given out again."""
        if not self.is_free(name):
            return self.take_numbered(name)
        self._given.add_name(name)
        return name

    def take_numbered(self, base: str) -> str:
        """A free `<base>_<k>`, the smallest k from 1 on; it is not given out again."""
        for number in range(1, _MANY):
            name = f"{base}_{number}"
            if self.is_free(name):
                self._given.add_name(name)
                return name
        return self.take_numbered(f"more_{base}")  # `f"{base}_{i}"` stands in the file and takes them all

    def take_family(self, base: str) -> str:
        """A prefix such that `<prefix>_0`, `<prefix>_1`, ... are all free; not given out again."""
        taken = any(words.has_numbered(base) for words in self._words)
        if taken or not all(self.is_free(f"{base}_{k}") for k in range(_MANY)):
            return self.take_family(f"more_{base}")
        self._given.add_family(base)
        return base

    def take_counter(self, function: cst.FunctionDef) -> str:
        """A loop counter that `function` does not mention; not given out again for this function."""
        (counter,) = self.counters(function, 1)
        self._counters.setdefault(function, set()).add(counter)
        return counter

    def counters(self, function: cst.FunctionDef, number: int) -> list[str]:
        """Names for the counters of `number` nested loops in a new statement of `function`."""
        mentioned = {n.value for n in walk(function) if isinstance(n, cst.Name)}
        mentioned |= self._counters.get(function, set())
        numbered = (f"turn_{k}" for k in itertools.count(1))
        free = (name for name in itertools.chain(_COUNTERS, numbered) if name not in mentioned)
        return list(itertools.islice(free, number))
