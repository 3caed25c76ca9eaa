"""How often every leaf module runs in one forward, and which edge of the model is responsible.

The toolchain's report says only how often a leaf ran. A leaf that runs eight times may run twice in one
forward of its owner, which runs four times: both edges are named, the lower one first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from qatlint.horizon.modules import facts_of
from qatlint.runtime.changes import Changes, Pair, changes
from qatlint.runtime.flow import Flow
from qatlint.runtime.recording import Place
from qatlint.trace import Kind


class Edge(NamedTuple):
    """An owner that runs a child of its own, or something further below, more than once in one forward."""

    owner: str
    """Path of the owner."""
    owner_class: str
    """`package.module:Class`."""
    child: str
    """Path of the module that is run."""
    times: int
    """The most executions in one forward of the owner."""
    places: tuple[Place, ...]
    """Calls in the source, each once."""


class Count(NamedTuple):
    """One leaf module, or one that prepare makes of a function."""

    path: str
    class_name: str
    """Dotted class; the function for a generated module."""
    times: int
    edges: tuple[Edge, ...] = ()
    """Why it runs more than once, the lowest first."""
    generated: bool = False
    names: tuple[str, ...] = ()
    """All its names, the path first."""

    @property
    def kind(self) -> Kind:
        """What it is to the toolchain."""
        return Kind.FLOAT_FUNCTIONAL if self.generated else facts_of(self.class_name).kind

    @property
    def shared(self) -> bool:
        """Whether the toolchain reports it as used several times: Identity and DeQuantStub may be [V]."""
        return self.times > 1 and self.kind not in (Kind.IDENTITY, Kind.DEQUANT_STUB)


def counts(flow: Flow) -> tuple[Count, ...]:
    """Every leaf module in the order of names, those that never run too, then the generated ones."""
    runs: Counter[str] = Counter()
    made: dict[str, str] = {}
    for op, unit in zip(flow.ops, flow.units, strict=True):
        if unit is not None:
            runs[unit.path] += 1
            if unit.generated:
                made[unit.path] = op.target
    edges = _Edges(flow)
    leaves = [
        Count(m.path, m.class_name.replace(":", "."), runs[m.path], edges.of_leaf(m.path), False, m.names)
        for m in flow.recording.modules
        if m.leaf
    ]
    generated = [Count(path, made[path], runs[path], edges.of_unit(path), True, (path,)) for path in made]
    return (*leaves, *generated)


class _Edges:
    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._leaves: defaultdict[str, list[int]] = defaultdict(list)
        """Path of a module -> its executions."""
        for execution in flow.recording.executions:
            self._leaves[execution.module].append(execution.number)
        self._units: defaultdict[str, list[int]] = defaultdict(list)
        """Path of a generated module -> the executions that it runs in."""
        for op, unit in zip(flow.ops, flow.units, strict=True):
            if unit is not None and unit.generated:
                self._units[unit.path].append(op.execution)

    def of_leaf(self, path: str) -> tuple[Edge, ...]:
        """Edges that make a module run more than once."""
        return self._edges(path, [(number, -1) for number in self._leaves[path]])

    def of_unit(self, path: str) -> tuple[Edge, ...]:
        """The same of a generated module: it runs again where its owner does."""
        return self._edges(path, [(-1, number) for number in self._units[path]])

    def _edges(self, path: str, runs: Sequence[tuple[int, int]]) -> tuple[Edge, ...]:
        """Go up from every run. Where runs come together in one execution of an owner, they did so through
        one child that ran several times, or through several children that share the module."""
        if len(runs) < 2:
            return ()
        executions = self._flow.recording.executions
        through: defaultdict[int, set[int]] = defaultdict(set)
        """Execution of an owner -> the executions directly below it that lead to a run."""
        for own, owner in runs:
            below, above = (own, executions[own].parent) if own >= 0 else (-1, owner)
            while above >= 0:
                if below >= 0:
                    through[above].add(below)
                below, above = above, executions[above].parent
        found: dict[tuple[str, str], Edge] = {}
        depths: dict[tuple[str, str], int] = {}
        for number, below_it in through.items():
            if len(below_it) < 2:
                continue
            owner_run = executions[number]
            times = Counter(executions[b].module for b in below_it)
            children = [child for child, n in times.items() if n > 1]
            together = [*children, *([path] if len(times) > 1 and not children else [])]
            for child in together:
                calls = [b for b in sorted(below_it) if child == path or executions[b].module == child]
                places = dict.fromkeys(p for b in calls if (p := executions[b].place) is not None)
                key = (owner_run.module, child)
                edge = Edge(owner_run.module, owner_run.class_name, child, len(calls), tuple(places))
                known = found.get(key)
                if known is None or known.times < edge.times:
                    found[key] = edge
                depths[key] = max(depths.get(key, 0), self._depth(number))
        return tuple(sorted(found.values(), key=lambda e: -depths[e.owner, e.child]))

    def _depth(self, number: int) -> int:
        depth = 0
        while number >= 0:
            number = self._flow.recording.executions[number].parent
            depth += 1
        return depth


def compare(old: Sequence[Count], new: Sequence[Count]) -> Changes[Count]:
    """The counts of two versions side by side, by path.

    An instance that is new is held beside the one that it was split from: the one that had this name as
    well, or else one of its class that ran again for the same reasons. A new one that has none of both and
    runs several times is worse than nothing. What prepare makes of a line in a dynamic block runs at every
    entry, and nothing above it makes it: this is what the block is for, and counts for nothing.
    """
    before = {name: count for count in old for name in count.names}
    paths = {count.path for count in new}
    found = [Pair(before.get(count.path) or _split_from(count, old), count) for count in new]
    found += [Pair(count, None) for count in old if count.path not in paths]
    return changes(iter(found), _weight)


def _weight(count: Count) -> int:
    return count.times if count.shared and (count.edges or not count.generated) else 0


def _split_from(count: Count, old: Sequence[Count]) -> Count | None:
    reasons = {(edge.owner, edge.child): edge.times for edge in count.edges}
    sources = [
        other
        for other in old
        if reasons
        and other.class_name == count.class_name
        and reasons.items() <= {(e.owner, e.child): e.times for e in other.edges}.items()
    ]
    return max(sources, key=lambda other: other.times, default=None)
