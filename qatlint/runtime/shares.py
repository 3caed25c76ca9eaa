"""Which calls share one scale, and through which edge of the model: what splitting there would separate.

    shares = Shares()
    calls = shares.add(Flow(recording))     # once per sample: number of the op -> the call that it is
    shares.units, shares.scaleless

What keeps a scale is a leaf module, a module that prepare makes of a function call, or what it fuses several
of them into. The k-th call of it in one sample and the k-th in another are the same call.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from qatlint.horizon.ops import Boundary, Result
from qatlint.runtime.edges import pattern, relative_paths
from qatlint.runtime.executed import is_owner
from qatlint.runtime.flow import Flow, Unit
from qatlint.runtime.fuse import fusions
from qatlint.runtime.recording import ModuleFacts, Op, Place


class CallKey(NamedTuple):
    """One call of one unit."""

    unit: str
    """Its path."""
    call: int


class Edge(NamedTuple):
    """A class and a child of it that its forward runs several times, or runs by several names."""

    owner: str
    """`package.module:Class`."""
    bases: tuple[str, ...]
    """Its bases, in the same form."""
    source: str
    """File of the class statement."""
    subjects: tuple[str, ...]
    """Names of the child in the owner, list positions as `*`."""


class Split:
    """What would be separate if every run of a child had an instance of its own."""

    def __init__(self) -> None:
        self.places: dict[Place, None] = {}
        """The calls in the owner's body."""
        self.turns: dict[int, int] = {}
        """Call of the unit -> which run of the child it belongs to. Calls of the same run stay together."""


class SharedUnit:
    """What has one scale and is called several times."""

    def __init__(self, unit: Unit, computes: str) -> None:
        self.path = unit.path
        self.generated = unit.generated
        self.computes = computes
        """Dotted class, the function of a generated module, or the plugin's class of a fused one."""
        self.ways: list[tuple[Place, ...]] = []
        """Per call, its places: the call itself, the call of the module it stands in, and so on outwards."""
        self.splits: dict[Edge, Split] = {}
        """Edges that make it run several times, the lowest first."""


class Shares:
    """Collects from samples what is shared."""

    def __init__(self) -> None:
        self.units: dict[str, SharedUnit] = {}
        self.scaleless: dict[str, tuple[str, int]] = {}
        """Shared modules without a scale of their own: path -> (dotted class, calls)."""

    def add(self, flow: Flow) -> dict[int, CallKey]:
        """Take in one sample. Calls of what is not shared are given too: another sample may share it.

        A fused sequence is one call of the module that it becomes, and its last op gives the result.
        """
        calls: dict[int, CallKey] = {}
        runs: defaultdict[str, list[int]] = defaultdict(list)
        without: Counter[str] = Counter()
        fused = _Fused(flow)
        for op, unit in zip(flow.ops, flow.units, strict=True):
            if unit is None or op.number in fused.absorbed or not is_quantised(flow, op):
                continue
            if keeps_scale(flow, op):
                result = fused.results.get(op.number, op.number)
                calls[result] = CallKey(unit.path, len(runs[unit.path]))
                runs[unit.path].append(op.number)
            elif not unit.generated:
                without[unit.path] += 1
        for path, times in without.items():
            known = self.scaleless.get(path, ("", 0))[1]
            if times > max(known, 1):
                self.scaleless[path] = (flow.recording.module(path).class_name.replace(":", "."), times)
        above = _Above(flow)
        for path, numbers in runs.items():
            if len(numbers) > 1:
                self._learn(path, numbers, flow, above, fused)
        return calls

    def _learn(self, path: str, numbers: Sequence[int], flow: Flow, above: _Above, fused: _Fused) -> None:
        first = flow.units[numbers[0]]
        assert first is not None
        computes = fused.classes.get(numbers[0]) or flow.ops[numbers[0]].target
        unit = self.units.setdefault(path, SharedUnit(first, computes))
        for number in numbers[len(unit.ways) :]:
            unit.ways.append(above.way(number))
        for edge, places, turns in above.edges(first, flow.ops[numbers[0]].owner, numbers):
            split = unit.splits.setdefault(edge, Split())
            split.places.update(dict.fromkeys(places))
            for call, turn in turns.items():
                split.turns.setdefault(call, turn)


def is_quantised(flow: Flow, op: Op) -> bool:
    """Whether an op is in the quantised region, or begins it."""
    meaning = flow.meanings[op.number]
    if meaning is not None and meaning.boundary is Boundary.QUANT:
        return True
    return op.number in flow.inside


def keeps_scale(flow: Flow, op: Op) -> bool:
    """Whether its result has a scale of its own. Of a leaf that no table has, that is assumed."""
    meaning = flow.meanings[op.number]
    return meaning is None or meaning.result is Result.QUANTIZED


class _Fused:
    """What prepare fuses in one recording. Keys are numbers of ops."""

    def __init__(self, flow: Flow) -> None:
        self.results: dict[int, int] = {}
        """The op whose module the fused one stands for -> the op that gives the result."""
        self.classes: dict[int, str] = {}
        """The same op -> class of the fused module."""
        self.absorbed: set[int] = set()
        """The other members, which keep no scale."""
        for fusion in fusions(flow):
            members = fusion.members[: fusion.fused]
            if not members:
                continue
            units = [flow.units[number] for number in members]
            at = next((n for n, unit in enumerate(units) if unit and unit.path == fusion.path), 0)
            self.results[members[at]] = members[-1]
            self.classes[members[at]] = fusion.class_name
            self.absorbed.update(number for n, number in enumerate(members) if n != at)


class _Above:
    """What is above the ops of one recording: the executions they run in."""

    def __init__(self, flow: Flow) -> None:
        self._executions = flow.recording.executions
        self._ops = flow.ops
        self._modules = {facts.path: facts for facts in flow.recording.modules}
        self._own: dict[int, int] = {}
        """Op of a leaf -> the execution of the leaf itself."""
        waiting: defaultdict[tuple[int, str], list[int]] = defaultdict(list)
        for execution in reversed(self._executions):
            waiting[execution.parent, execution.module].append(execution.number)
        for op in flow.ops:
            if op.kind in ("module", "method") and (own := waiting[op.execution, op.module]):
                self._own[op.number] = own.pop()

    def _chain(self, number: int) -> Iterator[int]:
        """Executions that an op runs in, the innermost first."""
        current = self._own.get(number, self._ops[number].execution)
        while current >= 0:
            yield current
            current = self._executions[current].parent

    def way(self, number: int) -> tuple[Place, ...]:
        """The places that lead to an op, its own first."""
        places = [self._ops[number].place]
        places += [self._executions[e].place for e in self._chain(number) if e != self._own.get(number)]
        # What a container runs has the place of the container's own call.
        return tuple(dict.fromkeys(place for place in places if place is not None))

    def edges(
        self, unit: Unit, holder: str, numbers: Sequence[int]
    ) -> Iterator[tuple[Edge, tuple[Place, ...], dict[int, int]]]:
        """Go up from every call. Where calls come together in one execution of an owner, they did so through
        a child that ran several times, or through several children that share the unit.

        `holder` is the path of the module that a generated unit belongs to.
        """
        through: defaultdict[int, dict[int, list[int]]] = defaultdict(dict)
        """Execution -> executions directly below it -> the calls that they lead to."""
        depth: dict[int, int] = {}
        for call, number in enumerate(numbers):
            below = -1
            for height, execution in enumerate(self._chain(number)):
                if below >= 0:
                    through[execution].setdefault(below, []).append(call)
                    depth[execution] = height
                below = execution
        target = self._modules[holder if unit.generated else unit.path]
        for execution in sorted(through, key=lambda e: (depth[e], e)):
            below_it = through[execution]
            times = Counter(self._executions[b].module for b in below_it)
            children = [child for child, n in times.items() if n > 1 and self._holds(child, target)]
            if not children and len(below_it) > 1:
                children = [target.path]
            for child in children:
                runs = [b for b in sorted(below_it) if child == target.path or self._is(b, child)]
                named = self._named(execution, self._modules[child])
                if named is not None:
                    edge, level = named
                    places = dict.fromkeys(p for b in runs if (p := self._place(b, level)) is not None)
                    turns = {call: turn for turn, b in enumerate(runs) for call in below_it[b]}
                    yield edge, tuple(places), turns

    def _is(self, execution: int, path: str) -> bool:
        return self._executions[execution].module == path

    def _holds(self, path: str, target: ModuleFacts) -> bool:
        return path == target.path or bool(relative_paths(self._modules[path], target))

    def _named(self, execution: int, child: ModuleFacts) -> tuple[Edge, int] | None:
        """The edge, and the execution of the owner: the nearest class of the project that holds the child."""
        while execution >= 0:
            owner = self._modules[self._executions[execution].module]
            paths = [path for path in relative_paths(owner, child) if path] if is_owner(owner) else []
            if paths:
                subjects = tuple(dict.fromkeys(pattern(path) for path in paths))
                return Edge(owner.class_name, owner.mro, owner.source, subjects), execution
            execution = self._executions[execution].parent
        return None

    def _place(self, execution: int, owner: int) -> Place | None:
        """The call in the owner's body that leads to an execution below it."""
        while self._executions[execution].parent != owner:
            execution = self._executions[execution].parent
        return self._executions[execution].place
