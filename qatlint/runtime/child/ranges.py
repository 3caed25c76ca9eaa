"""Measures what sharing one scale costs, in two passes over the samples that keep no tensors.

The first finds how far the numbers of every call reach and what is shared; from that follow the scales.
The second adds up the errors that these scales make.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from qatlint.runtime.child.entering import Entering
from qatlint.runtime.child.keys import state_of
from qatlint.runtime.child.load import Sample
from qatlint.runtime.child.numbers import Noise, add, extent
from qatlint.runtime.child.watching import Divisor, watch
from qatlint.runtime.quantities import Found, quantities
from qatlint.runtime.recording import Op
from qatlint.runtime.scales import (
    FORMATS,
    Extent,
    Format,
    Seen,
    measured_scale,
    reach,
)
from qatlint.runtime.shares import CallKey, Edge, SharedUnit, Shares


class _Plan(NamedTuple):
    """What is to be measured in a sample. Samples that do the same share one."""

    targets: tuple[tuple[int, str], ...]
    """Ops that were looked at, in order, and what they compute."""
    calls: tuple[tuple[int, CallKey], ...]
    """Ops that give the results of calls of units with a scale."""
    found: tuple[Found, ...]


def measure(
    model: nn.Module,
    samples: Sequence[Sample],
    seed: int,
    observer: str,
    reaches: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Any]:
    """The answer of the job, as plain values. `observer` is one of `scales.OBSERVERS`; `reaches` are the
    ranges of shared modules whose scale is known, by path."""
    return _Measuring(model, samples, seed, observer, reaches).answer()


class _Measuring:
    def __init__(
        self,
        model: nn.Module,
        samples: Sequence[Sample],
        seed: int,
        observer: str,
        given: Mapping[str, float],
    ) -> None:
        self._model = model
        self._samples = samples
        self._seed = seed
        self._observer = observer
        self._given = given
        self._shares = Shares()
        self._seen: defaultdict[CallKey, Seen] = defaultdict(Seen)
        self._quantities: dict[tuple[object, ...], Entering] = {}
        self._noises: dict[CallKey, dict[tuple[str, float], Noise]] = {}
        self._seen_again: defaultdict[CallKey, Seen] = defaultdict(Seen)
        self._steady = True
        self._reaches: dict[Hashable, float] = {}
        self._groups: dict[tuple[str, Edge], defaultdict[int, list[CallKey]]] = {}
        self._notes: dict[str, None] = {}

    def answer(self) -> dict[str, Any]:
        first, restore = self._first_model()
        plans: dict[_Plan, _Plan] = {}
        wanted = []
        for number in range(len(self._samples)):
            plan = self._first(first, number)
            wanted.append(plans.setdefault(plan, plan))
        for key in (key for unit in self._shared() for key in _keys(unit)):
            self._noises[key] = self._wanted(key)
        self._note_what_is_missing()
        self._note_what_is_given()
        for quantity in self._quantities.values():
            quantity.prepare()
        restore()
        del first, restore
        for number, plan in enumerate(wanted):
            self._second(number, plan)
        if not self._steady or not all(
            self._seen[key].is_like(again) for key, again in self._seen_again.items()
        ):
            said = "the model does not do the same again when it is given the same: figures mix two runs"
            self._notes[said] = None
        edges = list(dict.fromkeys(edge for unit in self._shared() for edge in unit.splits))
        return {
            "samples": len(self._samples),
            "notes": list(self._notes),
            "units": [self._unit(unit, edges) for unit in self._shared()],
            "edges": [edge._asdict() for edge in edges],
            "scaleless": [(path, *told) for path, told in self._shares.scaleless.items()],
            "quantities": [q.answer() for q in self._quantities.values() if q.seen.numbers],
        }

    def _first_model(self) -> tuple[nn.Module, Callable[[], None]]:
        """A copy for the first pass, since what a model keeps between forwards has to be new again in the
        second. Where there is none, the model itself, and what gives it its parameters and buffers back."""
        try:
            return copy.deepcopy(self._model), lambda: None
        except Exception:  # of whatever the user's classes hold
            state = state_of(self._model)
        return self._model, lambda: _put_back(self._model, state)

    # The first pass.

    def _first(self, model: nn.Module, number: int) -> _Plan:
        targets: dict[int, str] = {}
        extents: dict[int, Extent] = {}
        divisors: dict[int, int] = {}

        def look(op: Op, gave: list[Tensor], divisor: Divisor | None) -> None:
            targets[op.number] = op.target
            if gave:
                extents[op.number] = extent(gave)
            if divisor is not None:
                divisors[op.number] = divisor.position
                extents[-op.number - 1] = extent([divisor.tensor])

        flow = watch(model, self._samples[number], self._seed + number, look)
        self._notes.update(dict.fromkeys(flow.recording.notes))
        calls = tuple((op, key) for op, key in self._shares.add(flow).items() if op in extents)
        for op, key in calls:
            self._seen[key].add(extents[op])
        found = tuple(quantities(flow, divisors))
        for one in found:
            self._learn(one, extents, flow.ops[one.op])
        return _Plan(tuple(targets.items()), calls, found)

    def _learn(self, found: Found, extents: dict[int, Extent], op: Op) -> None:
        quantity = found.quantity
        at = found.op if quantity.stub else -found.op - 1
        if at in extents:
            measured = self._quantities.setdefault(quantity.key, Entering(quantity))
            measured.learn(found, extents[at])
        elif quantity.stub:
            dtypes = " and ".join(dict.fromkeys(facts.dtype for facts in op.input_facts))
            said = f"`{quantity.name}` is given {dtypes}: a QuantStub is for real numbers, so it is left out"
            self._notes[said] = None

    def _shared(self) -> list[SharedUnit]:
        """Shared units that gave numbers."""
        return [unit for unit in self._shares.units.values() if any(map(self._numbers, _keys(unit)))]

    def _numbers(self, key: CallKey) -> int:
        return self._seen[key].numbers if key in self._seen else 0

    def _note_what_is_missing(self) -> None:
        for key in (key for unit in self._shares.units.values() for key in _keys(unit)):
            if key in self._seen and not self._seen[key].numbers and self._seen[key].odd:
                said = f"`{key.unit}` gives nothing but NaN and infinities in call {key.call + 1}"
                self._notes[said] = None
        for quantity, seen in ((q.quantity, q.seen) for q in self._quantities.values()):
            if not seen.numbers:
                what = "nothing but NaN and infinities" if seen.odd else "nothing but empty tensors"
                self._notes[f"`{quantity.name}` is given {what}, so it is left out"] = None

    def _note_what_is_given(self) -> None:
        shared = {unit.path for unit in self._shared()}
        for path in self._given:
            if path in shared:
                said = f"`{path}` is judged by the scale that was given"
            else:
                said = f"a scale was given for `{path}`, which is no shared module with a scale of its own"
            self._notes[said] = None

    # The scales.

    def _wanted(self, key: CallKey) -> dict[tuple[str, float], Noise]:
        """What is to be added up for a call: the errors of every scale that it may get."""
        unit = self._shares.units[key.unit]
        wanted: dict[tuple[str, float], Noise] = {}
        for form in FORMATS:
            for scale in (
                self._alone(key, form),
                self._together(unit, form),
                *(self._split(unit, edge, key.call, form) for edge in unit.splits),
            ):
                wanted.setdefault((form.name, scale), Noise(form, scale))
        return wanted

    def _alone(self, key: CallKey, form: Format) -> float:
        return measured_scale(self._reach(key, lambda: [key]), form)

    def _together(self, unit: SharedUnit, form: Format) -> float:
        known = self._given.get(unit.path)
        return measured_scale(self._reach(unit.path, partial(_keys, unit)) if known is None else known, form)

    def _split(self, unit: SharedUnit, edge: Edge, call: int, form: Format) -> float:
        """The scale of the calls that stay together with this one."""
        turn = unit.splits[edge].turns.get(call, 0)
        staying = partial(self._staying, unit, edge, turn)
        return measured_scale(self._reach((unit.path, edge, turn), staying), form)

    def _staying(self, unit: SharedUnit, edge: Edge, turn: int) -> list[CallKey]:
        """The calls that belong to one run of a child."""
        groups = self._groups.get((unit.path, edge))
        if groups is None:
            groups = self._groups[unit.path, edge] = defaultdict(list)
            turns = unit.splits[edge].turns
            for key in _keys(unit):
                groups[turns.get(key.call, 0)].append(key)
        return groups[turn]

    def _reach(self, group: Hashable, keys: Callable[[], Iterable[CallKey]]) -> float:
        """How far the calls of a group reach; the name of the group is enough to remember it by, and its
        calls are only asked for once."""
        if group not in self._reaches:
            seen = (self._seen[key] for key in keys() if key in self._seen)
            self._reaches[group] = reach(seen, self._observer)
        return self._reaches[group]

    # The second pass.

    def _second(self, number: int, plan: _Plan) -> None:
        wanted: defaultdict[int, list[Entering]] = defaultdict(list)
        for found in plan.found:
            if found.quantity.key in self._quantities:
                wanted[found.op].append(self._quantities[found.quantity.key])
        targets, calls = dict(plan.targets), dict(plan.calls)
        looked_at = 0

        def look(op: Op, gave: list[Tensor], divisor: Divisor | None) -> None:
            nonlocal looked_at
            looked_at += 1
            if targets.get(op.number) != op.target:
                self._steady = False
                return
            key = calls.get(op.number)
            if key in self._noises:
                self._seen_again[key].add(extent(gave))
                add(self._noises[key].values(), gave)
            for entering in wanted.get(op.number, ()):
                if entering.quantity.stub:
                    entering.add(gave)
                elif divisor is not None:
                    entering.add([divisor.tensor])

        watch(self._model, self._samples[number], self._seed + number, look)
        self._steady = self._steady and looked_at == len(targets)

    # What it comes to.

    def _unit(self, unit: SharedUnit, edges: Sequence[Edge]) -> dict[str, Any]:
        return {
            "path": unit.path,
            "computes": unit.computes,
            "generated": unit.generated,
            "ways": unit.ways,
            "calls": [self._call(unit, call) for call in range(len(unit.ways))],
            "splits": [
                {
                    "edge": edges.index(edge),
                    "places": list(split.places),
                    "errors": [
                        {
                            form.name: self._error(
                                CallKey(unit.path, call), form, self._split(unit, edge, call, form)
                            )
                            for form in FORMATS
                        }
                        for call in range(len(unit.ways))
                    ],
                }
                for edge, split in unit.splits.items()
            ],
        }

    def _call(self, unit: SharedUnit, call: int) -> dict[str, Any]:
        key = CallKey(unit.path, call)
        seen = self._seen.get(key) or Seen()
        return {
            "samples": seen.forwards,
            "numbers": seen.numbers,
            "odd": seen.odd,
            "low": seen.low,
            "high": seen.high,
            "alone": {f.name: self._error(key, f, self._alone(key, f)) for f in FORMATS},
            "together": {f.name: self._error(key, f, self._together(unit, f)) for f in FORMATS},
        }

    def _error(self, key: CallKey, form: Format, scale: float) -> tuple[float, int, float, float]:
        """(scale, clipped numbers, signal, noise)."""
        found = self._noises[key][form.name, scale]
        return scale, found.clipped, found.signal, found.noise


def _put_back(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if name in state:
                value.copy_(state[name])


def _keys(unit: SharedUnit) -> list[CallKey]:
    return [CallKey(unit.path, call) for call in range(len(unit.ways))]
