"""The documentation of a rule on a terminal: prose wrapped to its width, code as it is.

Only as much of Markdown as the documentation uses: headings, paragraphs, lists, fenced code. Without
colour the text stays Markdown; with colour the marks of headings, code and emphasis become colours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qatlint.report.style import Style
from qatlint.report.width import text_width, wrap

WIDEST = 100
"""Longer lines are hard to read."""

_FENCE = "```"
_HEADING = re.compile(r"(#+) +(.*)")
_ITEM = re.compile(r"(?:[*+-]|\d+\.) +")
_CODE = re.compile(r"`([^`]*)`")
_EMPHASIS = re.compile(r"\*([^*\s][^*]*)\*")


def render(text: str, style: Style) -> str:
    """`text` for a terminal as `style` says, without a line end."""
    width = min(style.width, WIDEST)
    return "\n".join(line for block in _blocks(text) for line in _rendered(block, width, style))


def _blocks(text: str) -> Iterator[list[str]]:
    """Lines that belong together: a fenced block, a heading, an empty line, an item or a paragraph."""
    block: list[str] = []
    for line in text.strip("\n").split("\n"):
        if block and block[0].startswith(_FENCE):
            block.append(line)
            if line.startswith(_FENCE):
                yield block
                block = []
            continue
        if block and (
            not line.strip() or line.startswith(_FENCE) or _HEADING.match(line) or _ITEM.match(line)
        ):
            yield block
            block = []
        if not line.strip() or _HEADING.match(line):
            yield [line]
        else:
            block.append(line)
    if block:
        yield block


def _rendered(block: list[str], width: int, style: Style) -> list[str]:
    first = block[0]
    if first.startswith(_FENCE):
        return _code(block, style)
    heading = _HEADING.match(first)
    if heading is not None and style.colour:
        colour = "bold" if len(heading[1]) == 1 else "blue"
        return [style.paint(line, colour) for line in wrap(heading[2], width)]
    return _prose(block, width, style)


def _prose(block: list[str], width: int, style: Style) -> list[str]:
    """A paragraph, or an item of a list, whose further lines stand below its first word."""
    item = _ITEM.match(block[0])
    lead = item[0] if item is not None else ""
    words = " ".join(" ".join(block).split())
    words = words[len(lead.rstrip()) :].lstrip()
    indent = " " * text_width(lead)
    if not style.colour:
        first, *others = wrap(words, width - len(indent))
        return [lead + first, *(indent + line for line in others)]
    # What is marked becomes a colour after wrapping: marks take no columns.
    spans = _Spans(words)
    first, *others = spans.painted(wrap(spans.text, width - len(indent)), style)
    return [lead + first, *(indent + line for line in others)]


class _Spans:
    """A text without its marks, and which of its characters the marks were about."""

    def __init__(self, words: str) -> None:
        self.text = ""
        self._colours: list[str] = []
        position = 0
        for match in sorted(
            [*_CODE.finditer(words), *_EMPHASIS.finditer(words)], key=lambda found: found.start()
        ):
            if match.start() < position:
                continue  # an asterisk inside of code
            self._add(words[position : match.start()], "")
            self._add(match[1], "cyan" if match[0].startswith("`") else "dim")
            position = match.end()
        self._add(words[position:], "")

    def _add(self, text: str, colour: str) -> None:
        self.text += text
        self._colours += [colour] * len(text)

    def painted(self, lines: list[str], style: Style) -> list[str]:
        """The lines that `text` was wrapped into, with colours."""
        result = []
        start = 0
        for line in lines:
            end = start + len(line)
            parts = ""
            while start < end:
                colour = self._colours[start]
                stop = start
                while stop < end and self._colours[stop] == colour:
                    stop += 1
                piece = self.text[start:stop]
                parts += style.paint(piece, colour) if colour else piece
                start = stop
            result.append(parts)
            start = end + self.text[end : end + 1].count(" ")  # the line was broken at it
        return result


def _code(block: list[str], style: Style) -> list[str]:
    """A fenced block: character for character what it was, whatever the width."""
    if not style.colour:
        return block
    from rich.console import Console
    from rich.syntax import Syntax

    closed = len(block) > 1 and block[-1].startswith(_FENCE)
    lines = block[1:-1] if closed else block[1:]
    language = block[0].removeprefix(_FENCE).strip() or "text"
    highlighted = Syntax("", language, theme="ansi_dark").highlight("\n".join(lines))
    console = Console(force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(highlighted, end="", soft_wrap=True)
    return capture.get().rstrip("\n").split("\n")
