"""Source with several places underlined, as compilers show it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from qatlint.report.style import Style
from qatlint.report.width import TAB, char_width, text_width, visible, wrap
from qatlint.trace import Span

_CUT = "..."
_LEAST_ROOM = 12
_LEAST_LABEL = 24
"""A label with less room than this beside its underline goes below it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One place to underline, with what to say about it."""

    span: Span
    label: str
    colour: str
    """Of the underline; the primary place has the colour of the severity."""
    primary: bool = False


def excerpt(marks: Sequence[Mark], lines: Sequence[str], gutter: int, style: Style) -> list[str]:
    """Rows for the marks of one file, in line order, with `...` for what is left out between them."""
    bar = style.paint("|", "blue")
    empty = f"{' ' * gutter} {bar}"
    rows = [empty]
    before: int | None = None
    ordered = sorted(marks, key=lambda m: (m.span.line, m.span.column, not m.primary))
    for number, group in groupby(ordered, key=lambda m: m.span.line):
        if number > len(lines):
            continue  # The file is shorter than when it was linted.
        if before is not None and number == before + 2:
            rows += _line(before + 1, lines, (), gutter, style)
        elif before is not None and number > before + 1:
            rows.append(style.paint(_CUT, "blue"))
        rows += _line(number, lines, tuple(group), gutter, style)
        before = number
    return [*rows, empty]


def _line(number: int, lines: Sequence[str], marks: Sequence[Mark], gutter: int, style: Style) -> list[str]:
    """One source line and the rows under it. It is shown again for a mark too far away to fit beside."""
    source = _Line(lines[number - 1])
    bar = style.paint("|", "blue")
    room = max(style.width - gutter - 3, _LEAST_ROOM)
    head = f"{style.paint(str(number).rjust(gutter), 'blue')} {bar} "
    tail = f"{' ' * gutter} {bar} "
    pending = list(marks)
    rows: list[str] = []
    while True:
        primary = next((m for m in pending if m.primary), pending[0] if pending else None)
        window = source.window(room, *source.columns(primary.span)) if primary else source.window(room, 0, 1)
        rows.append((head + window.text).rstrip())
        here = [m for m in pending if m is primary or window.holds(*source.columns(m.span))]
        for mark in here:
            start, end = window.place(*source.columns(mark.span))
            rows += [tail + row for row in _underline(mark, start, end, room, style)]
        pending = [m for m in pending if m not in here]
        if not pending:
            return rows


def _underline(mark: Mark, start: int, end: int, room: int, style: Style) -> list[str]:
    sign = "^" if mark.primary else "-"
    line = " " * start + style.paint(sign * (end - start), mark.colour)
    if not mark.label:
        return [line]
    beside = room - end - 1
    if beside >= min(_LEAST_LABEL, text_width(mark.label)):
        first, *others = wrap(mark.label, beside)
        indent = " " * (end + 1)
        return [
            f"{line} {style.paint(first, mark.colour)}",
            *(indent + style.paint(text, mark.colour) for text in others),
        ]
    indent_columns = max(0, min(start, room - min(text_width(mark.label), 2 * _LEAST_LABEL)))
    below = wrap(mark.label, room - indent_columns)
    return [line, *(" " * indent_columns + style.paint(text, mark.colour) for text in below)]


@dataclass(frozen=True, slots=True)
class _Window:
    """The part of a line that is shown: columns `first` to `last`, from column `shift` of the output on."""

    text: str
    first: int
    last: int
    shift: int

    def holds(self, start: int, end: int) -> bool:
        return self.first <= start and end <= self.last

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Where the columns are in the output; what is cut off is not underlined."""
        start = min(max(start, self.first), self.last - 1)
        end = min(max(end, start + 1), self.last)
        return start - self.first + self.shift, end - self.first + self.shift


class _Line:
    """A source line as it is printed: tabs as spaces, wide characters two columns, no control characters."""

    def __init__(self, source: str) -> None:
        self._source = source.rstrip()
        self._pieces: list[str] = []
        self._starts = [0]
        for char in self._source:
            column = self._starts[-1]
            piece = " " * (TAB - column % TAB) if char == "\t" else visible(char)
            self._pieces.append(piece)
            self._starts.append(column + (len(piece) if char == "\t" else char_width(piece)))

    def columns(self, span: Span) -> tuple[int, int]:
        """Display columns of the part of the span on its first line, at least one wide."""
        last = len(self._starts) - 1
        start = self._starts[min(span.column - 1, last)]
        end = (
            self._starts[min(span.end_column - 1, last)] if span.end_line == span.line else self._starts[last]
        )
        return start, max(end, start + 1)

    def window(self, room: int, start: int, end: int) -> _Window:
        """The part of the line around columns `start` to `end` that fits into `room` columns."""
        total = self._starts[-1]
        if total <= room:
            return _Window("".join(self._pieces), 0, max(total, end), 0)
        inner = room - len(_CUT)
        if end <= inner:
            return _Window(self._cut(0, inner) + _CUT, 0, inner, 0)
        inner -= len(_CUT)
        # The place in the middle, or its beginning when it is too long itself.
        first = min(max(start - max(inner - (end - start), 0) // 2, 0), max(total - inner - len(_CUT), 0))
        if first + inner + len(_CUT) >= total:
            first = total - inner - len(_CUT)
            return _Window(_CUT + self._cut(first, total), first, total, len(_CUT))
        return _Window(_CUT + self._cut(first, first + inner) + _CUT, first, first + inner, len(_CUT))

    def _cut(self, first: int, last: int) -> str:
        """Columns `first` to `last`; half of a wide character is a blank."""
        shown: list[str] = []
        for piece, start, end in zip(self._pieces, self._starts, self._starts[1:], strict=False):
            if first <= start and end <= last:
                shown.append(piece)
            else:
                shown.append(" " * max(0, min(end, last) - max(start, first)))
        return "".join(shown)


def widest_number(spans: Iterable[Span]) -> int:
    """Digits of the largest line number."""
    return len(str(max(span.line for span in spans)))
