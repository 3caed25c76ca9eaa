"""Numbers in new names that go by the order of the text, whatever order the names are asked for in."""

from __future__ import annotations

from qatlint.codemods.names import Names

_MARK = "\ue000"
"""Of the private use area: what stands in the text until all of it is there."""


class Numbering:
    """Names `<base>_<k>` of one file, given out once it is known where they stand."""

    def __init__(self, text: str) -> None:
        """`text` is that of the file."""
        self._mark = _MARK
        while self._mark in text:
            self._mark += _MARK
        self._asked: list[tuple[str, Names, str]] = []
        self._given: dict[str, str] = {}

    def take(self, names: Names, base: str) -> str:
        """What to write until `written` makes it a free `<base>_<k>`."""
        token = f"{self._mark}{len(self._asked)}{self._mark}"
        self._asked.append((token, names, base))
        return token

    def written(self, text: str) -> str:
        """A text with the names in it, numbered from its top to its end."""
        there = [(text.find(token), token, names, base) for token, names, base in self._asked]
        for place, token, names, base in sorted(there, key=lambda one: one[0]):
            if place >= 0:
                if token not in self._given:
                    self._given[token] = names.take_numbered(base)
                text = text.replace(token, self._given[token])
        return text
