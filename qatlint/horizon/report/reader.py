"""Reads `model_check_result.txt`: what the toolchain's own check says of a prepared model.

Two generations of the format are read (horizon_facts C) and `fx_graph.txt`, also where blanks were collapsed
on the way through a web page, with Windows line ends, with other text between the tables, and cut off
anywhere. Columns go by their headers, so variants with fewer or more of them are read too. What is not
understood is kept in `unread`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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
from qatlint.horizon.report.values import (
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

_HEADINGS = {
    "Fusable modules are listed below": Section.FUSION,
    "All fusable modules are fused in model": Section.FUSION,
    "All modules in the model run exactly once": Section.COUNTS,
    "Modules below are not used": Section.COUNTS,
    "Modules below are used multi times": Section.COUNTS,
    "Each module called times": Section.COUNTS,
    "input dtype statistics": Section.INPUTS,
    "output dtype statistics": Section.OUTPUTS,
    "Each layer out qconfig": Section.LAYERS,
    "Weight qconfig": Section.WEIGHTS,
    "Please check if these OPs qconfigs are expected": Section.SUSPICIOUS,
    "Graph:": Section.GRAPH,
}
_FIRST_LETTERS = frozenset(heading[0] for heading in _HEADINGS)
_ALL_FUSED, _ALL_ONCE = (
    "All fusable modules are fused in model",
    "All modules in the model run exactly once",
)
_NEWER, _OLDER = (
    "Each module called times",
    ("Modules below are not used", "Modules below are used multi times"),
)
_UNUSUAL = re.compile(r"(\S{1,500}) +([a-z]+\d*(?:\*[a-z]+\d*)+)")
_UNREAD_KEPT, _UNREAD_LENGTH = 1_000, 500
_ELLIPSES = frozenset(["...", "\u2026", "......"])


def read(text: str) -> ModelCheck:
    """What the text of a `model_check_result.txt` says. Never raises."""
    reader = _Reader()
    for line in _lines(text):
        if reader.starts_again(line):
            reader = _Reader(reader.earlier + 1)
        reader.add(line)
    return reader.result()


def _lines(text: str) -> Iterator[str]:
    """Lines without what stands around them, whatever ends them."""
    start, length = 0, len(text)
    while start <= length:
        end = text.find("\n", start)
        end = length if end < 0 else end
        for line in text[start:end].split("\r"):
            yield line.strip("\ufeff \t\x0b\x0c\xa0")
        start = end + 1


class _Reader:
    """What was read of one report so far."""

    def __init__(self, earlier: int = 0) -> None:
        self.earlier = earlier
        """Reports before this one in the same text."""
        self._headings: dict[str, Section] = {}
        self._section: Section | None = None
        self._columns: list[str] = []
        """Headers of the table with bars that is being read."""
        self._rows: dict[Section, list[dict[str, str]]] = {}
        self._members: list[list[Member]] = []
        self._counts: list[CallCount] = []
        self._unusual: list[Unusual] = []
        self._graph: list[GraphNode] = []
        self._unread: list[str] = []
        self._unread_lines = 0

    def starts_again(self, line: str) -> bool:
        """Whether a line is a heading that was there before: another report begins."""
        return _heading(line) in self._headings

    def add(self, line: str) -> None:
        """Take one line."""
        heading = _heading(line)
        if heading:
            self._section = self._headings[heading] = _HEADINGS[heading]
            self._columns = []
        elif line and not self._taken(line) and line not in _ELLIPSES:
            self._unread_lines += 1
            if len(self._unread) < _UNREAD_KEPT:
                self._unread.append(line[:_UNREAD_LENGTH])

    def _taken(self, line: str) -> bool:
        """Whether a line belongs to the section it stands in."""
        section = self._section
        if section is None:
            return False
        if is_rule(line):
            return True
        if section is Section.FUSION:
            return self._sequence(line)
        if section is Section.COUNTS:
            return self._count(line)
        if section is Section.GRAPH:
            return self._node(line)
        return self._bars(section, line) or self._computation(line)

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
        found = count_of(line)
        if found is not None:
            self._counts.append(CallCount(*found))
        return found is not None or line.split() == ["name", "called", "times"]

    def _node(self, line: str) -> bool:
        node = node_of(line)
        if node is not None:
            self._graph.append(node)
        return node is not None or line.split()[:3] == ["opcode", "name", "target"]

    def _bars(self, section: Section, line: str) -> bool:
        cells = bar_cells(line)
        if cells is None:
            return False
        if not self._columns:
            if cells[0].lower() not in ("module name", "module type"):
                return False
            self._columns = [cell.lower() for cell in cells]
            self._rows.setdefault(section, [])
            return True
        if len(cells) != len(self._columns):
            return False
        rows = self._rows[section]
        if rows and not any(cells[:2]):  # a cell of several lines goes on
            last = rows[-1]
            for column, cell in zip(self._columns, cells, strict=True):
                last[column] = f"{last[column]} {cell}".strip()
        else:
            rows.append(dict(zip(self._columns, cells, strict=True)))
        return True

    def _computation(self, line: str) -> bool:
        found = _UNUSUAL.fullmatch(line) if self._section is Section.SUSPICIOUS else None
        if found is not None:
            self._unusual.append(Unusual(found[1], found[2]))
        return found is not None

    def result(self) -> ModelCheck:
        """What was read."""
        headings = self._headings
        sections = tuple(dict.fromkeys(headings.values()))
        fused = _ALL_FUSED in headings
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
            earlier=self.earlier,
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


def _heading(line: str) -> str:
    """The heading that a line is; "" when it is none."""
    if line[:1] in _FIRST_LETTERS:
        for heading in _HEADINGS:
            if line.startswith(heading):
                return heading
    return ""


def _generation(headings: dict[str, Section]) -> Generation:
    if any(heading in headings for heading in _OLDER):
        return Generation.OLDER
    if _NEWER in headings:
        return Generation.NEWER
    if Section.GRAPH in headings.values() and len(headings) > 1:
        return Generation.OLDER
    return Generation.UNKNOWN
