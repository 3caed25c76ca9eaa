"""How wide text is on a terminal, and how it is broken into lines."""

from __future__ import annotations

import unicodedata

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
    """A character that is safe to print: control characters could move the cursor or change colours."""
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char


def one_line(text: str) -> str:
    """A path or message without anything a terminal would obey."""
    return text if text.isascii() and text.isprintable() else "".join(map(visible, text))


def wrap(text: str, width: int, *, first: int = 0) -> list[str]:
    """`text` in lines of at most `width` columns, broken at spaces only; the first has `first` less."""
    lines: list[str] = []
    line = ""
    room = width - first
    for word in one_line(text).split(" "):
        if line and text_width(line) + 1 + text_width(word) > room:
            lines.append(line)
            line, room = word, width
        else:
            line = f"{line} {word}" if line else word
    return [*lines, line]
