"""Places as the protocol counts them: lines and columns from 0, columns in units of an encoding.

A line ends where the protocol and Python's parser agree that it does: after a newline, a carriage return, or
both. (Python's own `splitlines` also splits at form feeds and at some characters of Unicode.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lsprotocol import types

from qatlint.lastgood import unchanged_ends
from qatlint.trace import Span

_END = re.compile(r"\r\n|\r|\n")
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")

Encoding = types.PositionEncodingKind | str


def lines_of(text: str) -> list[str]:
    """The lines of a text, without their ends."""
    return _END.split(text)


class Places:
    """The lines of one text, and the units a client counts in."""

    def __init__(self, lines: Sequence[str], encoding: Encoding = "utf-16") -> None:
        self._lines = lines
        self._encoding = str(getattr(encoding, "value", encoding))

    def range(self, span: Span) -> types.Range:
        """The range of a span, which counts from 1 and in characters."""
        return types.Range(
            self.position(span.line, span.column), self.position(span.end_line, span.end_column)
        )

    def position(self, line: int, column: int) -> types.Position:
        """The position of a line and a column that count from 1; a place outside the text is put inside."""
        if not 1 <= line <= len(self._lines):
            line, column = max(len(self._lines), 1), 1
        text = self._lines[line - 1] if self._lines else ""
        return types.Position(line - 1, self._units(text[: column - 1]))

    def character(self, position: types.Position) -> tuple[int, int]:
        """Line and column, counting from 1 and in characters, of a client's position."""
        if position.line >= len(self._lines):
            return position.line + 1, 1
        text = self._lines[position.line]
        column = 0
        units = 0
        while column < len(text) and units < position.character:
            units += self._units(text[column])
            column += 1
        return position.line + 1, column + 1

    def _units(self, text: str) -> int:
        if self._encoding == "utf-32" or text.isascii():
            return len(text)
        if self._encoding == "utf-8":
            return len(text.encode("utf-8", "surrogatepass"))
        return len(text) + sum(character > "\uffff" for character in text)


def edits(old: str, new: str, encoding: Encoding) -> list[types.TextEdit]:
    """What makes `new` of `old`, in whole lines, so that cursors and marks elsewhere stay where they are."""
    from difflib import SequenceMatcher

    before, after = _LINE.findall(old), _LINE.findall(new)
    # What is the same at both ends is most of it, and need not be matched.
    above, below = unchanged_ends(before, after)
    a, b = before[above : len(before) - below], after[above : len(after) - below]
    lines = lines_of(old)
    places = Places(lines, encoding)

    def line_start(index: int) -> types.Position:
        if index < len(lines):
            return types.Position(index, 0)
        return places.position(len(lines), len(lines[-1]) + 1)  # behind a last line that has no end

    result = []
    for tag, start, end, first, last in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal":
            place = types.Range(line_start(above + start), line_start(above + end))
            result.append(types.TextEdit(place, "".join(b[first:last])))
    return result
