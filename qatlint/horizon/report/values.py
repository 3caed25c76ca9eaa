"""What a `model_check_result.txt` says, as plain values (horizon_facts C)."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

MOST_ROWS = 200_000
"""A report of ten thousand layers has a quarter of it; what stands behind is counted as not understood."""


class Section(Enum):
    """A part of the file, by what it is about."""

    FUSION = "fusion"
    COUNTS = "calls"
    INPUTS = "input dtypes"
    OUTPUTS = "output dtypes"
    LAYERS = "layers"
    WEIGHTS = "weights"
    SUSPICIOUS = "rows to check"
    GRAPH = "graph"


class Generation(Enum):
    """The two forms the file has had."""

    OLDER = "older"
    """Two tables of counts, and the graph at the end of the same file."""
    NEWER = "newer"
    """One table of counts; the graph is a file of its own, `fx_graph.txt`."""
    UNKNOWN = "unknown"
    """Nothing in the text tells them apart."""


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


class Statistic(NamedTuple):
    """One row of a table of dtypes: how many calls of modules of a class had each dtype."""

    type: str
    """Dotted class, or `total`."""
    dtypes: tuple[tuple[str, int], ...]

    def count(self, dtype: str) -> int:
        """How many calls had the dtype."""
        return next((number for name, number in self.dtypes if name == dtype), 0)


class Layer(NamedTuple):
    """One row of the table of layers: one call of one module."""

    name: str
    type: str
    inputs: tuple[str, ...]
    """Dtypes, `qint8` or `torch.float32`."""
    outputs: tuple[str, ...]
    ch_axis: str
    """`-1`, `0`, or a text such as `activation = None` or `qconfig = None`."""
    observer: str
    method: str = ""
    """The method that was called, of modules that compute by methods."""
    call: int = 0
    """Which further call of the module it is; 0 for the first."""

    @property
    def label(self) -> str:
        """The name as the file writes it: `add[add](2)`."""
        method = f"[{self.method}]" if self.method else ""
        return f"{self.name}{method}" + (f"({self.call})" if self.call else "")


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
    """As written, with `[method]` and `(call)`."""
    type: str
    message: str


class Unusual(NamedTuple):
    """One line of the listing of unusual computations: `head.mul float32*int8`."""

    name: str
    computation: str


class GraphNode(NamedTuple):
    """One row of the table of the graph."""

    opcode: str
    name: str
    target: str
    args: str
    """As written, with the keyword arguments behind."""


class ModelCheck(NamedTuple):
    """One file, or several files about one model."""

    all_fused: bool | None = None
    """True when it says so, None when it has no such part."""
    sequences: tuple[tuple[Member, ...], ...] = ()
    all_once: bool = False
    """It says that all modules run exactly once."""
    counts: tuple[CallCount, ...] = ()
    inputs: tuple[Statistic, ...] = ()
    """The last row is `total`."""
    outputs: tuple[Statistic, ...] = ()
    layers: tuple[Layer, ...] = ()
    weights: tuple[Weight, ...] = ()
    suspicious: tuple[Suspicious, ...] = ()
    unusual: tuple[Unusual, ...] = ()
    graph: tuple[GraphNode, ...] = ()
    unread: tuple[str, ...] = ()
    """The first lines that belong to no part that is known."""
    unread_lines: int = 0
    """How many such lines there are."""
    sections: tuple[Section, ...] = ()
    """The parts that were there, in their order."""
    generation: Generation = Generation.UNKNOWN
    rowless: tuple[str, ...] = ()
    """Headings that announce rows, below which none could be read."""
    cut_off: tuple[str, ...] = ()
    """Headings of tables that begin with a line drawn above them and have none below, and of the part that
    the text ends in where every report goes on: rows may be missing."""
    is_full: bool = False
    """It goes on behind as many rows as are read, `MOST_ROWS`."""
    earlier: int = 0
    """Reports before this one in the same text, which are left out."""

    @property
    def names(self) -> list[str]:
        """Every module that it names and every call of one, as written, each once."""
        rows = (self.counts, self.weights, self.suspicious, self.unusual)
        found = [layer.label for layer in self.layers]
        found += [row.name for part in rows for row in part]
        found += [member.name for sequence in self.sequences for member in sequence]
        return list(dict.fromkeys(found))


def merged(checks: tuple[ModelCheck, ...]) -> ModelCheck:
    """What several files say of one model: of each part, the first file that has it counts."""
    result = ModelCheck()
    for check in checks:
        for section in check.sections:
            if section not in result.sections:
                fields = {name: getattr(check, name) for name in _FIELDS[section]}
                result = result._replace(sections=(*result.sections, section), **fields)
        unread = (*result.unread, *check.unread)
        result = result._replace(
            unread=unread,
            unread_lines=result.unread_lines + check.unread_lines,
            unusual=result.unusual or check.unusual,
            rowless=(*result.rowless, *check.rowless),
            cut_off=(*result.cut_off, *check.cut_off),
            is_full=result.is_full or check.is_full,
            earlier=result.earlier + check.earlier,
        )
        if result.generation is Generation.UNKNOWN:
            result = result._replace(generation=check.generation)
    return result


_FIELDS: dict[Section, tuple[str, ...]] = {
    Section.FUSION: ("all_fused", "sequences"),
    Section.COUNTS: ("all_once", "counts"),
    Section.INPUTS: ("inputs",),
    Section.OUTPUTS: ("outputs",),
    Section.LAYERS: ("layers",),
    Section.WEIGHTS: ("weights",),
    Section.SUSPICIOUS: ("suspicious",),
    Section.GRAPH: ("graph",),
}
