"""What source says beside what ran: how good the reading of source is, on one's own model.

Source gives bounds; forwards that were executed fall inside them or not. That a bound was not reached
says nothing, since other inputs may reach it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from qatlint.runtime.edges import pattern
from qatlint.trace import Kind, Times, Trace
from qatlint.usage import bounds, usage

_MADE = re.compile(r"[^.]\*|\*[^.]")
"""A star in a name, where another is a list position."""


class Disagreement(Enum):
    """How the two differ."""

    MORE = "ran more often than source says"
    FEWER = "ran less often than source says"
    UNKNOWN = "ran, and source does not know it"
    ABSENT = "runs as source says, and was not there"


class Line(NamedTuple):
    """One module of one class on both sides; None where one side does not have it."""

    owner: str
    path: str
    source: Times | None
    executed: Times | None
    disagreement: Disagreement | None


def compare(source: Sequence[Trace], executed: Sequence[Trace]) -> list[Line]:
    """Every module of every class that ran, in order of execution; without classes that were not read, and
    those whose forward was not found, as where it is that of `nn.Sequential`."""
    by_name = {trace.owner: trace for trace in source}
    by_place = {_place(trace): trace for trace in source}
    lines: list[Line] = []
    for trace in executed:
        read = by_name.get(trace.owner) or by_place.get(_place(trace))
        if read is not None and read.has_forward:
            lines += _lines(read, trace)
    return lines


def _lines(source: Trace, executed: Trace) -> Iterator[Line]:
    left = _times(source)
    right = _by_pattern(_times(executed), left)
    containers = {module.path for module in executed.modules if module.kind is Kind.CONTAINER}
    for path in dict.fromkeys((*right, *left)):
        said, ran = left.get(path), right.get(path)
        if said is None or said.most == 0:
            said = _by_container(path, containers, left) or said
        yield Line(executed.owner, path, said, ran, _disagreement(said, ran))


def _by_pattern(executed: dict[str, Times], said: dict[str, Times]) -> dict[str, Times]:
    """What ran, by the paths that source has: names that are made of a number
    (`setattr(self, f"conv_{i}", ...)`) are one path there, `conv_*`, as list positions are."""
    made = [path for path in said if path not in executed and _MADE.search(path)]
    found: dict[str, Times] = {}
    for path, times in executed.items():
        place = path if path in said else next((name for name in made if _matches(path, name)), path)
        found[place] = _widest(found.get(place, times), times)
    return found


def _matches(path: str, made: str) -> bool:
    parts = (re.escape(part) for part in made.split("*"))
    return re.fullmatch(r"[^.]+".join(parts), path) is not None


def _by_container(path: str, containers: set[str], said: dict[str, Times]) -> Times | None:
    """What source says of the container that runs a module, where it does not know what is in there."""
    above = path.rpartition(".")[0]
    while above:
        times = said.get(above)
        if above in containers and times is not None and times.most != 0:
            return times
        above = above.rpartition(".")[0] if above in containers else ""
    return None


def _disagreement(said: Times | None, ran: Times | None) -> Disagreement | None:
    if said is None:
        return Disagreement.UNKNOWN if ran is not None and ran.most else None
    if ran is None:
        return Disagreement.ABSENT if said.least else None
    if said.most is not None and (ran.most or 0) > said.most:
        return Disagreement.MORE
    return Disagreement.FEWER if ran.least < said.least else None


def _times(trace: Trace) -> dict[str, Times]:
    """Path -> how often; of several modules under one path, the widest bounds."""
    found: dict[str, Times] = {}
    for module in trace.modules:
        times = bounds(usage(trace, module), module)
        for path in dict.fromkeys(pattern(name.path) for name in module.names) or (pattern(module.path),):
            found[path] = _widest(found.get(path, times), times)
    return found


def _widest(one: Times, other: Times) -> Times:
    """The bounds that hold both."""
    most = None if None in (one.most, other.most) else max(one.most or 0, other.most or 0)
    return Times(min(one.least, other.least), most)


def _place(trace: Trace) -> tuple[str, str, int]:
    """The class statement: the same class may have another module name when its file is run by path."""
    return trace.owner.rpartition(":")[2], os.path.realpath(trace.span.path), trace.span.line
