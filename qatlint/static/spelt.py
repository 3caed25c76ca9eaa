"""How a name is made from one of a list."""

from __future__ import annotations

from typing import NamedTuple


class Spelt(NamedTuple):
    """A name with a name of a list in it."""

    head: str
    tail: str
    names: tuple[str, ...] = ()
    """Those of the list, as far as a default says."""

    def is_meant_by(self, name: str) -> bool:
        """Whether a name is one of those that are made like this."""
        middle = name[len(self.head) : len(name) - len(self.tail)]
        return name == f"{self.head}{middle}{self.tail}" and middle in self.names
