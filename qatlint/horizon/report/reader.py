"""Reads `model_check_result.txt`: what the toolchain's own check says of a prepared model.

Two generations of the format are read (horizon_facts C) and `fx_graph.txt`, also where blanks were collapsed
on the way through a web page, where a terminal wrapped the rows, with other text between the tables, and cut
off anywhere. Columns go by their headers, so variants with fewer or more of them are read too. What is not
understood is kept in `unread`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from qatlint.horizon.report.cells import (
    LONGEST_NAME,
    bar_cells,
    class_of,
    count_of,
    is_rule,
    layer_of,
    member_of,
    node_of,
)
from qatlint.horizon.report.lines import (
    ALWAYS_GO_ON,
    HEADINGS,
    heading_of,
    lines_of,
    may_have_heading,
    without_mark,
)
from qatlint.horizon.report.values import (
    MOST_ROWS,
    CallCount,
    Generation,
    GraphNode,
    Layer,
    Member,
    ModelCheck,
    Section,
    Statistic,
    Suspicious,
    Unusual,
    Weight,
)

_ALL_FUSED = ("All fusable modules are fused in model", "Do not find any fusable modules")
_ALL_ONCE = "All modules in the model run exactly once"
_NO_ROWS = (*_ALL_FUSED, _ALL_ONCE)
"""Headings that announce no rows."""
_RULES = 2
"""Below the headers of a table with bars, when it is not cut off."""
_NEWER, _OLDER = (
    "Each module called times",
    ("Modules below are not used", "Modules below are used multi times"),
)
_UNUSUAL = re.compile(r"(\S{1,500}) +([a-z]+\d*(?:\*[a-z]+\d*)+)")
_UNREAD_KEPT, _UNREAD_LENGTH = 1_000, 500
_ELLIPSES = frozenset(["...", "\u2026", "......"])
_FAR = 20_000
"""Lines between two rows of a table; what a long log prints meanwhile has fewer."""
_PIECES = 12
"""Lines over which a terminal may have spread one row."""
_FRAMED = frozenset(Section) - {Section.FUSION, Section.COUNTS, Section.GRAPH}
"""Whose tables have lines drawn around them."""
_NEED_CLASSES = (Section.INPUTS, Section.OUTPUTS)
_COLUMNS = {
    name.replace(" ", ""): name
    for name in ("module name", "module type", "input dtype", "out dtype", "output dtype", "weight dtype")
}
"""Headers by what is left of them where a line was wrapped at a blank."""


def read(text: str) -> ModelCheck:
    """What the text of a `model_check_result.txt` says. Never raises."""
    return read_pieces((text,))


def read_pieces(pieces: Iterable[str]) -> ModelCheck:
    """The same for a text in pieces of whole lines, which need not be held together."""
    reader, mark = _Reader(), ""
    for piece in pieces:
        if piece.isspace() or (reader.is_far_from_rows and not may_have_heading(piece)):
            reader.skip(piece)
            continue
        for line in lines_of(piece):
            if mark:  # stands before each line: a quotation, the rank of a process, the number of the line
                line = without_mark(line, mark)
            heading, before = heading_of(line)
            if heading:
                mark = before.strip() or mark
                if reader.starts_again(heading):
                    reader = _Reader(reader.earlier + 1)
                reader.begin(heading)
            else:
                reader.add(line)
    return reader.result()


class _Reader:
    """What was read of one report so far."""

    def __init__(self, earlier: int = 0) -> None:
        self.earlier = earlier
        """Reports before this one in the same text."""
        self._headings: dict[str, Section] = {}
        self._section: Section | None = None
        self._is_empty = True
        """Nothing was read since the last heading."""
        self._columns: list[str] = []
        """Headers of the table with bars that is being read."""
        self._rules = 0
        """Rules below these headers: the second one closes a table."""
        self._rows_before = 0
        """Rows that were read before the last heading."""
        self._rowless: dict[str, None] = {}
        self._cut_off: dict[str, None] = {}
        self._is_framed = False
        """Whether a line is drawn above the headers: one below the rows belongs to it."""
        self._head = ""
        """The lines of these headers, as long as no rule follows."""
        self._is_aligned = False
        """Whether the columns of the table of counts are apart from each other."""
        self._pieces: list[str] = []
        """The lines of a row that goes on."""
        self._rows: dict[Section, list[dict[str, str]]] = {}
        self._members: list[list[Member]] = []
        self._counts: list[CallCount] = []
        self._unusual: list[Unusual] = []
        self._graph: list[GraphNode] = []
        self._unread: list[str] = []
        self._unread_lines = 0
        self._left = MOST_ROWS
        self._unread_before = 0
        """Lines that were not understood before the last one that was."""

    @property
    def is_far_from_rows(self) -> bool:
        """Whether so many lines were not understood that no row is expected before the next heading."""
        return self._unread_lines - self._unread_before > _FAR

    def skip(self, piece: str) -> None:
        """Take lines that are not looked at."""
        self._unread_lines += sum(map(bool, map(str.strip, piece.splitlines())))

    def starts_again(self, heading: str) -> bool:
        """Whether a heading, or its section, was there before: another report begins."""
        if heading in self._headings:
            return not (self._is_empty and heading == next(reversed(self._headings)))
        section = HEADINGS[heading]
        return section is not self._section and section in self._headings.values()

    def begin(self, heading: str) -> None:
        """Take a heading."""
        self._drop_pieces()
        self._end_section()
        self._unread_before = self._unread_lines
        self._section = self._headings[heading] = HEADINGS[heading]
        self._columns, self._head, self._is_empty = [], "", True
        self._rules, self._rows_before = 0, self._row_count()
        self._is_framed = False

    def _row_count(self) -> int:
        simple: tuple[Sequence[object], ...] = (self._counts, self._graph, *self._members)
        return sum(map(len, simple)) + sum(map(len, self._rows.values()))

    def _end_section(self) -> None:
        """What is known of the last heading once its rows are over."""
        heading = next(reversed(self._headings), "")
        is_whole = heading in _NO_ROWS or self._rules >= _RULES
        self._rowless.pop(heading, None)  # the same may stand above as a title
        if heading and not is_whole and self._row_count() == self._rows_before:
            self._rowless[heading] = None
        elif self._is_framed and self._rules < _RULES:
            self._cut_off[heading] = None

    def add(self, line: str) -> None:
        """Take one line that is no heading."""
        if not line or line in _ELLIPSES:
            return
        if self._left and self._taken(line):
            self._drop_pieces()
            self._is_empty = False
            self._left -= 1
            self._unread_before = self._unread_lines
        elif not self._goes_on(line):
            self._not_read(line)

    def _not_read(self, line: str) -> None:
        self._unread_lines += 1
        if len(self._unread) < _UNREAD_KEPT:
            self._unread.append(line[:_UNREAD_LENGTH])

    def _taken(self, line: str) -> bool:
        """Whether a line belongs to the section it stands in."""
        section = self._section
        if section is None:
            return False
        if is_rule(line):
            self._head = ""
            self._rules += bool(self._columns)
            self._is_framed |= section in _FRAMED and not self._columns and line[0] == "+"
            return True
        if section is Section.FUSION:
            return self._sequence(line)
        if section is Section.COUNTS:
            return self._count(line)
        if section is Section.GRAPH:
            return self._node(line)
        return self._bars(section, line) or self._computation(line)

    # -- rows that a terminal wrapped --------------------------------------------------------------

    def _goes_on(self, line: str) -> bool:
        """Whether a line is a part of a row that began before it, or may be the beginning of one."""
        if self._pieces:
            pieces = [*self._pieces, line]
            if self._taken("".join(pieces)) or (line[0] != "|" and self._taken(" ".join(pieces))):
                self._pieces.clear()
                self._is_empty = False
                return True
            if len(pieces) < _PIECES and self._is_open("".join(pieces)):
                self._pieces = pieces
                return True
            self._drop_pieces()
        if self._is_open(line):
            self._pieces = [line]
        return bool(self._pieces)

    def _is_open(self, text: str) -> bool:
        """Whether a text may be the beginning of a row."""
        if self._section is Section.FUSION:
            return "'>" not in text and ("<class" in text or " " not in text)
        if self._section is Section.COUNTS:
            return " " not in text
        if self._section in (None, Section.GRAPH) or text[0] != "|":
            return False
        return text[-1] != "|" or text.count("|") <= len(self._columns)

    def _drop_pieces(self) -> None:
        """The row did not go on: nobody understood its lines."""
        for piece in self._pieces:
            self._not_read(piece)
        self._pieces.clear()

    # -- one line of each section ------------------------------------------------------------------

    def _sequence(self, line: str) -> bool:
        # Each table begins with its head; that is all that separates them where blank lines were lost.
        if line.split() == ["name", "type"]:
            self._members.append([])
            return True
        member = member_of(line)
        if member is None or not self._members:
            return False
        self._members[-1].append(member)
        return True

    def _count(self, line: str) -> bool:
        if line.split() == ["name", "called", "times"]:
            self._is_aligned = "name  " in line
            return True
        found = count_of(line)
        if found is None or (self._is_aligned and "  " not in line):  # `epoch 3` between the rows
            return False
        self._counts.append(CallCount(*found))
        return True

    def _node(self, line: str) -> bool:
        node = node_of(line)
        if node is not None:
            self._graph.append(node)
        return node is not None or line.split()[:3] == ["opcode", "name", "target"]

    def _bars(self, section: Section, line: str) -> bool:
        if self._head and line[0] != "|" and "|" in line:
            return self._more_headers(line)
        cells = bar_cells(line)
        if cells is None:
            return False
        if not self._columns:
            if _column(cells[0]) not in ("module name", "module type"):
                return False
            self._columns, self._head = list(map(_column, cells)), line
            self._rows.setdefault(section, [])
            return True
        surplus = len(cells) - len(self._columns)
        is_named = surplus > 0 and self._columns[:2] == ["module name", "module type"]
        if is_named and cells[1 + surplus].startswith("<class"):
            cells = ["|".join(cells[: 1 + surplus]), *cells[1 + surplus :]]  # a key of a ModuleDict with bars
        if len(cells) != len(self._columns):
            return False
        if "module type" not in self._columns:
            return False  # a damaged header: nobody knows what its rows say
        rows = self._rows[section]
        if section in _NEED_CLASSES and any(cells[:2]) and not cells[self._columns.index("module type")]:
            return False  # a page that took `<class ...>` for HTML: nobody knows what is counted
        if rows and not any(cells[:2]):  # a cell of several lines goes on
            last = rows[-1]
            for column, cell in zip(self._columns, cells, strict=True):
                last[column] = f"{last.get(column, '')} {cell}".strip()
        else:
            rows.append(dict(zip(self._columns, cells, strict=True)))
        return True

    def _more_headers(self, line: str) -> bool:
        """A terminal broke the headers at a bar, and they go on in the next line."""
        if len(self._head) > LONGEST_NAME:
            return False
        self._head += line
        cells = bar_cells(self._head)
        if cells is not None:
            self._columns = list(map(_column, cells))
        return True

    def _computation(self, line: str) -> bool:
        # The list stands behind the last table, whichever that is.
        found = _UNUSUAL.fullmatch(line) if Section.LAYERS in self._headings.values() else None
        if found is not None:
            self._unusual.append(Unusual(found[1], found[2]))
        return found is not None

    def result(self) -> ModelCheck:
        """What was read."""
        self._drop_pieces()
        self._end_section()
        headings = self._headings
        if self._section in ALWAYS_GO_ON and (last := next(reversed(headings))) not in self._rowless:
            self._cut_off[last] = None
        sections = tuple(dict.fromkeys(headings.values()))
        fused = any(heading in headings for heading in _ALL_FUSED)
        return ModelCheck(
            all_fused=None if Section.FUSION not in sections else fused and not self._members,
            sequences=tuple(tuple(members) for members in self._members if members),
            all_once=_ALL_ONCE in headings,
            counts=tuple(self._counts),
            inputs=tuple(self._statistics(Section.INPUTS)),
            outputs=tuple(self._statistics(Section.OUTPUTS)),
            layers=tuple(self._layers()),
            weights=tuple(self._weights()),
            suspicious=tuple(
                Suspicious(row.get("module name", ""), class_of(row["module type"]), row.get("msg", ""))
                for row in self._rows.get(Section.SUSPICIOUS, ())
                if "module type" in row and len(row.get("module name", "")) <= LONGEST_NAME
            ),
            unusual=tuple(self._unusual),
            graph=tuple(self._graph),
            unread=tuple(self._unread),
            unread_lines=self._unread_lines,
            sections=sections,
            generation=_generation(headings),
            is_full=not self._left,
            earlier=self.earlier,
            rowless=tuple(self._rowless),
            cut_off=tuple(self._cut_off),
        )

    def _statistics(self, section: Section) -> Iterator[Statistic]:
        for row in self._rows.get(section, ()):
            numbers = [(dtype, cell) for dtype, cell in row.items() if dtype != "module type"]
            if "module type" in row and all(
                c.isascii() and c.isdecimal() and len(c) < 12 for _, c in numbers
            ):
                counted = tuple((dtype, int(cell)) for dtype, cell in numbers)
                yield Statistic(class_of(row["module type"]), counted)

    def _layers(self) -> Iterator[Layer]:
        for row in self._rows.get(Section.LAYERS, ()):
            layer = layer_of(row)
            if layer is not None:
                yield layer

    def _weights(self) -> Iterator[Weight]:
        for row in self._rows.get(Section.WEIGHTS, ()):
            if "module type" in row:
                yield Weight(
                    row.get("module name", ""),
                    class_of(row["module type"]),
                    row.get("weight dtype", "").strip("[]'"),
                    row.get("ch_axis", ""),
                    row.get("observer", ""),
                )


def _column(cell: str) -> str:
    """The name of a column by its header."""
    name = cell.lower()
    return _COLUMNS.get(name.replace(" ", ""), name)


def _generation(headings: dict[str, Section]) -> Generation:
    if any(heading in headings for heading in _OLDER):
        return Generation.OLDER
    if _NEWER in headings:
        return Generation.NEWER
    if Section.GRAPH in headings.values() and len(headings) > 1:
        return Generation.OLDER
    return Generation.UNKNOWN
