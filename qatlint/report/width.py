"""How wide text is on a terminal, and how it is broken into lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

TAB = 4


def char_width(char: str) -> int:
    """Columns a character takes: 2 for East Asian wide ones, 0 for marks that join the one before."""
    if " " <= char < "\x7f":
        return 1
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def text_width(text: str) -> int:
    """Columns a text takes."""
    return len(text) if text.isascii() else sum(map(char_width, text))


def visible(char: str) -> str:
    """A character that is safe to print: control characters could move the cursor, change colours, or turn
    the direction of what follows."""
    unsafe = unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _DIRECTIONS
    return "\N{REPLACEMENT CHARACTER}" if unsafe else char


_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str) -> str:
    """A path or message without anything a terminal would obey."""
    return text if text.isascii() and text.isprintable() else "".join(map(visible, text))


_NEVER_FIRST = frozenset("，。、；：？！）》」』】”’…—％·～,.;:?!)]}%")
_NEVER_LAST = frozenset("（《「『【“‘([{")


def wrap(text: str, width: int, *, first: int = 0) -> list[str]:
    """`text` in lines of at most `width` columns; the first has `first` less.

    Broken at spaces, and beside wide characters, which are written without any; there a line does not begin
    with a closing mark, nor end with an opening one.
    """
    lines: list[str] = []
    line = ""
    room = width - first
    for space, piece in _pieces(one_line(text)):
        if line and text_width(line) + len(space) + text_width(piece) > room:
            lines.append(line)
            line, room = piece, width
        else:
            line += space * bool(line) + piece
    return [*lines, line]


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """What a line may end behind, each with the space that parts it from the one before."""
    if text.isascii():
        yield from ((" ", word) for word in text.split(" "))
        return
    for word in text.split(" "):
        space, piece = " ", ""
        for char in word:
            if piece and _may_part(piece[-1], char):
                yield space, piece
                space, piece = "", ""
            piece += char
        yield space, piece


def _may_part(before: str, after: str) -> bool:
    wide = char_width(before) == 2 or char_width(after) == 2
    return wide and after not in _NEVER_FIRST and before not in _NEVER_LAST and char_width(after) != 0
