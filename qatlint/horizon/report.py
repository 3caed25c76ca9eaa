"""Reads `model_check_result.txt`: what the toolchain's own check says of a prepared model.

Two generations of the format are read (horizon_facts C), also where blanks were collapsed on the way through
a web page, with Windows line ends, and cut off anywhere. What is not understood is kept in `unread`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Member(NamedTuple):
    """A module of a sequence that could have been fused."""

    name: str
    type: str
    """Dotted class."""
    shared: bool = False
    """Its result goes to several modules."""


class CallCount(NamedTuple):
    """How often a leaf module ran; 0 when it did not."""

    name: str
    times: int


class Layer(NamedTuple):
    """One row of a table of layers: one call of one module."""

    name: str
    type: str
    inputs: tuple[str, ...]
    """Dtypes, `qint8` or `torch.float32`."""
    outputs: tuple[str, ...]
    ch_axis: str
    observer: str
    method: str = ""
    """The method that was called, of modules that compute by methods."""
    call: int = 0
    """Which further call of the module it is; 0 for the first."""


class Weight(NamedTuple):
    """One row of the table of weights."""

    name: str
    type: str
    dtype: str
    ch_axis: str
    observer: str


class Suspicious(NamedTuple):
    """One row that the toolchain asks to check."""

    name: str
    type: str
    message: str


class ModelCheck(NamedTuple):
    """One file."""

    all_fused: bool | None = None
    """True when it says so, None when it has no such part."""
    sequences: tuple[tuple[Member, ...], ...] = ()
    all_once: bool = False
    """It says that all modules run exactly once."""
    counts: tuple[CallCount, ...] = ()
    inputs: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    """(class, ((dtype, how often), ...)), the last row `total`."""
    outputs: tuple[tuple[str, tuple[tuple[str, int], ...]], ...] = ()
    layers: tuple[Layer, ...] = ()
    weights: tuple[Weight, ...] = ()
    suspicious: tuple[Suspicious, ...] = ()
    graph: tuple[str, ...] = ()
    """Lines of the table of the graph, as they are."""
    unread: tuple[str, ...] = ()
    """Lines that belong to no part that is known."""


_HEADINGS = {
    "Fusable modules are listed below": "sequences",
    "All fusable modules are fused in model": "all_fused",
    "All modules in the model run exactly once": "all_once",
    "Modules below are not used": "counts",
    "Modules below are used multi times": "counts",
    "Each module called times": "counts",
    "input dtype statistics": "inputs",
    "output dtype statistics": "outputs",
    "Each layer out qconfig": "layers",
    "Weight qconfig": "weights",
    "Please check if these OPs qconfigs are expected": "suspicious",
    "Graph:": "graph",
}
_CLASS = re.compile(r"<class '([^']*)'>")
_LAYER_NAME = re.compile(r"^(?P<name>[^\[(]*)(?:\[(?P<method>[^\]]*)\])?(?:\((?P<call>\d+)\))?$")
_MEMBER = re.compile(r"^(?P<name>\S+?)(?P<shared>\s*\(shared\))?\s+(?P<type><class .*|\S+)$")
_COUNT = re.compile(r"^(?P<name>\S+)\s+(?P<times>\d+)$")
_RULE = re.compile(r"^[\s|+=-]*-[\s|+=-]*$")
_DTYPE = re.compile(r"'([^']*)'|(torch\.\w+)")


def read(text: str) -> ModelCheck:
    """What the text of a `model_check_result.txt` says. Never raises."""
    parts: dict[str, list[str]] = {}
    unread: list[str] = []
    part = ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = line.strip("\ufeff").rstrip()
        heading = next((p for h, p in _HEADINGS.items() if line.strip().startswith(h)), None)
        if heading is not None:
            part = heading
            parts.setdefault(part, [])
        elif part == "graph" or (line.strip() and _belongs(part, line)):
            parts[part].append(line)
        elif line.strip():
            unread.append(line)
    return ModelCheck(
        all_fused=True if "all_fused" in parts else False if "sequences" in parts else None,
        sequences=tuple(_sequences(parts.get("sequences", []))),
        all_once="all_once" in parts,
        counts=tuple(_counts(parts.get("counts", []))),
        inputs=tuple(_statistics(parts.get("inputs", []))),
        outputs=tuple(_statistics(parts.get("outputs", []))),
        layers=tuple(_layers(parts.get("layers", []))),
        weights=tuple(
            Weight(row[0], _class(row[1]), row[2].strip("[]'"), row[3], row[4])
            for row in _rows(parts.get("weights", []), 5)
        ),
        suspicious=tuple(
            Suspicious(row[0], _class(row[1]), row[2]) for row in _rows(parts.get("suspicious", []), 3)
        ),
        graph=tuple(line for line in parts.get("graph", []) if line.strip()),
        unread=tuple(unread),
    )


def _belongs(part: str, line: str) -> bool:
    """Whether a line has the form of the part's table."""
    text = line.strip()
    if _RULE.match(text):
        return part != ""
    if part == "sequences":
        return text.split() == ["name", "type"] or _MEMBER.match(text) is not None
    if part == "counts":
        return text.split() == ["name", "called", "times"] or _COUNT.match(text) is not None
    return part not in ("", "all_fused", "all_once") and text.startswith("|")


def _sequences(lines: list[str]) -> Iterator[tuple[Member, ...]]:
    """Each table begins with its head; that is all that separates them where blank lines were lost."""
    members: list[Member] = []
    for line in lines:
        text = line.strip()
        if text.split() == ["name", "type"]:
            if members:
                yield tuple(members)
            members = []
            continue
        found = _MEMBER.match(text)
        if found is not None and not _RULE.match(text):
            members.append(Member(found["name"], _class(found["type"]), found["shared"] is not None))
    if members:
        yield tuple(members)


def _counts(lines: list[str]) -> Iterator[CallCount]:
    for line in lines:
        found = _COUNT.match(line.strip())
        if found is not None:
            yield CallCount(found["name"], int(found["times"]))


def _rows(lines: list[str], cells: int) -> Iterator[list[str]]:
    """Rows of a table drawn with bars, without its head. Rows that were cut off are left out."""
    head = True
    for line in lines:
        if _RULE.match(line.strip()):
            continue
        row = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if head:
            head = False
        elif len(row) == cells or (cells == 0 and len(row) > 1):
            yield row


def _statistics(lines: list[str]) -> Iterator[tuple[str, tuple[tuple[str, int], ...]]]:
    drawn = [line for line in lines if not _RULE.match(line.strip())]
    if not drawn:
        return
    dtypes = [cell.strip() for cell in drawn[0].strip().strip("|").split("|")][1:]
    for row in _rows(drawn, len(dtypes) + 1):
        if all(cell.isdecimal() for cell in row[1:]):
            numbers = [int(cell) for cell in row[1:]]
            yield _class(row[0]), tuple(zip(dtypes, numbers, strict=True))


def _layers(lines: list[str]) -> Iterator[Layer]:
    for row in _rows(lines, 6):
        found = _LAYER_NAME.match(row[0])
        name, method, call = (
            (row[0], "", 0)
            if found is None
            else (
                found["name"],
                found["method"] or "",
                int(found["call"] or 0),
            )
        )
        yield Layer(name, _class(row[1]), _dtypes(row[2]), _dtypes(row[3]), row[4], row[5], method, call)


def _dtypes(cell: str) -> tuple[str, ...]:
    return tuple(quoted or bare for quoted, bare in _DTYPE.findall(cell))


def _class(cell: str) -> str:
    found = _CLASS.search(cell)
    return found[1] if found is not None else cell.strip()
