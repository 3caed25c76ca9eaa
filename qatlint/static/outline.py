"""The top level of a text without parsing all of it: where its definitions stand, and what is left.

Of a file that is only imported from, few definitions are ever asked for. Finding where they begin and
end takes a hundredth of the time of parsing them. Every line that begins in the first column begins a
statement, except inside brackets, inside a string of several lines, and after a backslash. Where that
cannot be told for sure, there is no outline, and the file is parsed whole.

Brackets need no look: what stands in them cannot begin with `def` or `class`, a big assignment is only
taken when nothing in it stands in the first column, and any other line goes to the rest, which does not
parse when it is torn.
"""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from typing import NamedTuple

# Strings and comments, whatever they hold. Group 1: those that may go over several lines.
_TOKEN = re.compile(
    r"#[^\n]*"
    r'|("""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*''')"
    r'|"[^"\\\n]*"|\'[^\'\\\n]*\''
    r"""|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')"""
    r"""|(["'])""",
    re.DOTALL,
)
_TRIPLE = re.compile("\"\"\"|'''")
_QUOTE_OR_HASH = re.compile("[\"'#]")
_START = re.compile(r"\n(?=[^\s#)\]}])")
_DEFINITION = re.compile(r"(?:async[ \t]+)?def[ \t]+(\w+)|class[ \t]+(\w+)")
# `name = call(` or `name: type = {` as a whole line; and the line that only closes it again.
_OPENING = re.compile(r"(\w+)[ \t]*(?::[^=\n#]*)?=[^=\n#]*[\[({][ \t]*\n")
_CLOSING = re.compile(r"\n[)\]}]+[ \t]*\n\s*(?:#[^\n]*\n\s*)*\Z")
_FIRST_COLUMN = re.compile(r"\n(?=\S)")
_MANY_LINES = 4
"""Shorter assignments are parsed with the rest: that costs less than parsing them on their own."""


class Piece:
    """One definition, with its decorators and what stands behind it up to the next statement."""

    __slots__ = ("begin", "end", "is_class", "line", "lines", "name")

    def __init__(self, name: str, line: int, lines: int, begin: int, end: int, is_class: bool) -> None:
        self.name = name
        self.line = line
        """Of its first character, decorators included; 1-based."""
        self.lines = lines
        self.begin = begin
        """In the text of the file."""
        self.end = end
        self.is_class = is_class

    def parse(self, text: str) -> ast.stmt:
        """Its statement, at its place in the file with this text. Raises like `ast.parse`, also for a text
        that is torn."""
        # Line ends in front cost next to nothing, and give every node its line.
        body = ast.parse("\n" * (self.line - 1) + text[self.begin : self.end]).body
        if len(body) != 1:
            raise SyntaxError("not one statement")
        return body[0]


class Outline(NamedTuple):
    """`pieces` in order; `rest` is the text with blank lines in their place."""

    pieces: list[Piece]
    rest: str


def outline_of(text: str) -> Outline | None:
    """The outline of a text; None where it cannot be told for sure."""
    if "\f" in text or "\r" in text or "\0" in text:
        return None  # Columns and lines that are not what they seem: rare enough to be parsed whole.
    text = f"\n{text}" if text.endswith("\n") else f"\n{text}\n"
    starts = _starts(text)
    if starts is None:
        return None
    pieces: list[Piece] = []
    rest: list[str] = []
    taken = line = 0  # how far `text` is dealt with, and the number of its lines up to there
    decorated: int | None = None
    for start, end in pairwise([*starts, len(text)]):
        if text[start] == "@":
            decorated = start if decorated is None else decorated
            continue
        first, decorated = start if decorated is None else decorated, None
        name = _name(text, first, start, end)
        if not name:
            continue
        rest.append(text[taken:first])
        line += text.count("\n", taken, first)
        lines = text.count("\n", first, end)
        pieces.append(Piece(name, line, lines, first - 1, end - 1, text.startswith("class", start)))
        rest.append("\n" * lines)
        line += lines
        taken = end
    rest.append(text[taken:])
    return Outline(pieces, "".join(rest)[1:])


def _starts(text: str) -> list[int] | None:
    """Where statements begin in the first column."""
    starts = [match.end() for match in _START.finditer(text)]
    if "\\\n" in text:
        if any(text.endswith("\\\n", 0, start) for start in starts):
            return None
        strings = _strings(text)
    else:
        strings = _plain_strings(text)
    return None if strings is None else _outside(starts, strings)


def _plain_strings(text: str) -> list[tuple[int, int]] | None:
    """The places of the triple-quoted strings, where that is plain; else as `_strings` says.

    Without backslashes at line ends no other string goes over several lines. So three quotes with neither
    quotes nor a hash before them on their line do open a string, and the next three of their kind close it.
    """
    strings = []
    position = 0
    while (found := _TRIPLE.search(text, position)) is not None:
        begin = found.start()
        end = text.find(found[0], begin + 3)
        before = max(text.rfind("\n", position, begin), position)
        if end < 0 or text[end - 1] == "\\" or _QUOTE_OR_HASH.search(text, before, begin):
            return _strings(text)
        position = end + 3
        strings.append((begin, position))
    return strings


def _strings(text: str) -> list[tuple[int, int]] | None:
    """The places of all strings that may go over several lines; None where a quote opens none."""
    strings = []
    for match in _TOKEN.finditer(text):
        group = match.lastindex
        if group is not None:
            if group == 3:
                return None  # The text is broken, or we are wrong.
            strings.append(match.span())
    return strings


def _outside(starts: list[int], strings: list[tuple[int, int]]) -> list[int]:
    """The starts that stand in none of the strings; both in order."""
    kept = []
    waiting = iter(strings)
    begin, end = next(waiting, (-1, -1))
    for start in starts:
        while begin >= 0 and end <= start:
            begin, end = next(waiting, (-1, -1))
        if not begin < start < end:
            kept.append(start)
    return kept


def _name(text: str, first: int, start: int, end: int) -> str:
    """The name of a statement that can be parsed on its own when it is asked for; "" for others."""
    found = _DEFINITION.match(text, start, end)
    if found is not None:
        # What is overloaded is not bound to its name (see `ModuleFile`), which needs the decorators.
        return "" if text.find("overload", first, start) >= 0 else found[1] or found[2]
    opening = _OPENING.match(text, start, end)
    if opening is None or text.count("\n", start, end) < _MANY_LINES:
        return ""
    closing = _CLOSING.search(text, opening.end() - 1, end)
    if closing is None or _FIRST_COLUMN.search(text, opening.end() - 1, closing.start()):
        return ""
    return "" if text.find("\\\n", start, end) >= 0 else opening[1]
