"""What sharing one scale costs, module by module, and what enters the quantised region: values and verdicts.

    report = ranges(question, Limits())

SQNR is the energy of the numbers over the energy of their quantisation errors, in dB, over all samples. The
loss of a call is its SQNR with a scale of its own less the one with the scale that all calls share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

from qatlint.horizon.modules import facts_of
from qatlint.runtime.launch import Limits, launch
from qatlint.runtime.quantities import Origin
from qatlint.runtime.recording import Place
from qatlint.runtime.scales import AVERAGE, ENOUGH, INT8, SPLIT_FROM, STAY_BELOW, Parts, reach_of, sqnr
from qatlint.runtime.shares import Edge
from qatlint.runtime.subject import Subject
from qatlint.trace import Kind

_IN_STEPS = frozenset({Kind.SOFTMAX, Kind.NORM, Kind.ATTENTION, Kind.RECURRENT})


class Verdict(Enum):
    """What the loss of a module says."""

    SPLIT = "split"
    LOOK = "look"
    STAY = "stay"


class Question(NamedTuple):
    """What is to be measured."""

    subject: Subject
    observer: str = AVERAGE
    format: str = INT8.name
    """The format that verdicts are about."""
    scales: tuple[tuple[str, float], ...] = ()
    """(path, scale at the format) of shared modules whose scale is known from the toolchain's tables."""


class Measure(NamedTuple):
    """One call with one scale."""

    scale: float
    clipped: float
    """Share of the numbers that are cut off."""
    sqnr: float | None
    """None when all numbers are 0."""


class Call(NamedTuple):
    """One call of a shared module, over all samples. Mappings are by the name of the format."""

    places: tuple[Place, ...]
    """The call, the call of the module it stands in, and so on outwards."""
    samples: int
    """In how many samples it happened."""
    numbers: int
    odd: int
    """Numbers left out: NaN and infinities."""
    low: float
    high: float
    alone: Mapping[str, Measure]
    together: Mapping[str, Measure]
    number: int
    """Which call of the module it is, from 1."""

    def loss(self, form: str) -> float:
        """What sharing costs it, in dB."""
        return _gain(self.together[form], self.alone[form])

    def cost(self, form: str) -> float:
        """The loss, 0 where it is good enough all the same."""
        return _cost(self.loss(form), self.together[form])


class Cure(NamedTuple):
    """What a split at one edge would give."""

    edge: int
    """Index into `Report.edges`."""
    places: tuple[Place, ...]
    """Calls in the owner's body."""
    gain: Mapping[str, float]
    """dB that the call which gains most gets back."""
    left: Mapping[str, float]
    """The worst cost of any call afterwards, in dB."""


class SharedModule(NamedTuple):
    """A module with one scale and several calls."""

    path: str
    computes: str
    """Dotted class, or the function of a module that prepare makes of a call."""
    generated: bool
    calls: tuple[Call, ...]
    """Those that gave numbers."""
    cures: tuple[Cure, ...]
    empty: int = 0
    """Calls that gave none."""

    @property
    def has_inner_scales(self) -> bool:
        """Whether it is computed in steps that have scales too, which are not measured."""
        return not self.generated and facts_of(self.computes).kind in _IN_STEPS

    def scale(self, form: str) -> float:
        """The scale of all calls together."""
        return self.calls[0].together[form].scale

    def loss(self, form: str) -> float:
        """What the call that loses most loses, in dB."""
        return max(call.loss(form) for call in self.calls)

    def cost(self, form: str) -> float:
        """The same over the calls that are not good enough."""
        return max(call.cost(form) for call in self.calls)

    def verdict(self, form: str) -> Verdict:
        """Whether to split it."""
        return verdict_of(self.cost(form))


class QuantityError(NamedTuple):
    """What a fixed scale makes of a quantity."""

    scale: float
    clipped: float
    sqnr: float | None
    furthest: float
    """Largest error."""
    relative: float
    """Largest error relative to the number."""
    vanished: float
    """Share of the numbers that become 0 and are not."""


class Quantity(NamedTuple):
    """A tensor that is quantised from outside."""

    name: str
    """As `qatlint.runtime.quantities.Quantity`, over all calls and samples."""
    stub: bool
    calls: int
    origin: Origin
    place: Place | None
    numbers: int
    odd: int
    low: float
    high: float
    limit: float
    """What the suggested scales are made for."""
    uniformity: float | None
    errors: Mapping[str, QuantityError]
    parts: Mapping[str, Parts]
    """Of a constant divisor."""


class Report(NamedTuple):
    """What came of it."""

    backend: str
    torch: str
    samples: int
    observer: str
    format: str
    modules: tuple[SharedModule, ...]
    """Those that lose most come first."""
    edges: tuple[Edge, ...]
    scaleless: tuple[tuple[str, str, int], ...]
    """(path, dotted class, calls) of shared modules without a scale of their own."""
    quantities: tuple[Quantity, ...]
    notes: tuple[str, ...]


def ranges(question: Question, limits: Limits) -> Report:
    """Run the samples twice and judge. Raises `ChildFailed` when the model cannot be run."""
    request = {
        **question.subject.request,
        "observer": question.observer,
        "reaches": {path: reach_of(scale, question.format) for path, scale in question.scales},
    }
    answer = launch("ranges", request, limits, folder=question.subject.folder)
    return report_of(answer, question.observer, question.format)


def report_of(answer: Mapping[str, Any], observer: str, form: str) -> Report:
    """The answer of the child as values, the costliest modules first."""
    modules = [_module(raw) for raw in answer["units"]]
    return Report(
        backend=answer["backend"],
        torch=answer["torch"],
        samples=answer["samples"],
        observer=observer,
        format=form,
        modules=tuple(sorted(modules, key=lambda m: (-m.cost(form), -m.loss(form)))),
        edges=tuple(
            Edge(raw["owner"], tuple(raw["bases"]), raw["source"], tuple(raw["subjects"]))
            for raw in answer["edges"]
        ),
        scaleless=tuple((path, computes, calls) for path, computes, calls in answer["scaleless"]),
        quantities=tuple(_quantity(raw) for raw in answer["quantities"]),
        notes=tuple(answer["notes"]),
    )


class Evidence(NamedTuple):
    """What was measured of one edge: what `qatlint check` weighs a finding by. Mappings are by format."""

    edge: Edge
    modules: tuple[str, ...]
    """Paths of the modules with a scale that are shared through it."""
    places: tuple[Place, ...]
    """Calls in the owner's body."""
    gain: Mapping[str, float]
    """dB that a split there gives back to the call that gains most."""
    verdict: Mapping[str, Verdict]


_RANK = (Verdict.STAY, Verdict.LOOK, Verdict.SPLIT)


def evidence(report: Report) -> list[Evidence]:
    """The same by edge: the most that is won by a split there."""
    found = []
    for number, edge in enumerate(report.edges):
        through = [(m, cure) for m in report.modules for cure in m.cures if cure.edge == number]
        forms = dict.fromkeys(form for _, cure in through for form in cure.gain)
        found.append(
            Evidence(
                edge,
                tuple(module.path for module, _ in through),
                tuple(dict.fromkeys(place for _, cure in through for place in cure.places)),
                {form: max(cure.gain[form] for _, cure in through) for form in forms},
                {
                    form: max((_verdict_at(m, cure, form) for m, cure in through), key=_RANK.index)
                    for form in forms
                },
            )
        )
    return found


def _verdict_at(module: SharedModule, cure: Cure, form: str) -> Verdict:
    """A split that gives nothing back alone may still be a part of what does: only where another one gives
    it back, or nothing is lost, does the edge not matter."""
    said = verdict_of(cure.gain[form])
    if said is Verdict.STAY and module.verdict(form) is not Verdict.STAY:
        if all(verdict_of(other.gain[form]) is Verdict.STAY for other in module.cures):
            return Verdict.LOOK
    return said


def verdict_of(cost: float) -> Verdict:
    """The verdict for a cost in dB."""
    if cost >= SPLIT_FROM:
        return Verdict.SPLIT
    return Verdict.LOOK if cost >= STAY_BELOW else Verdict.STAY


def _gain(before: Measure, after: Measure) -> float:
    if before.sqnr is None or after.sqnr is None:
        return 0.0
    return after.sqnr - before.sqnr


def _cost(loss: float, now: Measure) -> float:
    return 0.0 if now.sqnr is None or now.sqnr >= ENOUGH else max(loss, 0.0)


def _module(raw: Mapping[str, Any]) -> SharedModule:
    counted = [number for number, call in enumerate(raw["calls"]) if call["numbers"]]
    calls = tuple(_call(raw["calls"][number], raw["ways"][number], number + 1) for number in counted)
    return SharedModule(
        raw["path"],
        raw["computes"],
        raw["generated"],
        calls,
        tuple(_cure(split, calls) for split in raw["splits"]),
        len(raw["calls"]) - len(calls),
    )


def _call(raw: Mapping[str, Any], places: Sequence[Any], number: int) -> Call:
    count = raw["numbers"]
    return Call(
        places=tuple(Place._make(place) for place in places),
        samples=raw["samples"],
        numbers=count,
        odd=raw["odd"],
        low=raw["low"],
        high=raw["high"],
        alone={form: _measure(error, count) for form, error in raw["alone"].items()},
        together={form: _measure(error, count) for form, error in raw["together"].items()},
        number=number,
    )


def _measure(raw: Sequence[Any], count: int) -> Measure:
    scale, clipped, signal, noise = raw
    return Measure(scale, clipped / count, sqnr(signal, noise))


def _cure(raw: Mapping[str, Any], calls: Sequence[Call]) -> Cure:
    gain: dict[str, float] = {}
    left: dict[str, float] = {}
    for form in calls[0].alone:
        pairs = [(call, _measure(raw["errors"][call.number - 1][form], call.numbers)) for call in calls]
        gain[form] = max(
            _cost(_gain(call.together[form], after), call.together[form]) for call, after in pairs
        )
        left[form] = max(_cost(_gain(after, call.alone[form]), after) for call, after in pairs)
    return Cure(raw["edge"], tuple(Place._make(place) for place in raw["places"]), gain, left)


def _quantity(raw: Mapping[str, Any]) -> Quantity:
    count = raw["numbers"]
    return Quantity(
        name=raw["name"],
        stub=raw["stub"],
        calls=raw["calls"],
        origin=Origin(raw["origin"]),
        place=None if raw["place"] is None else Place._make(raw["place"]),
        numbers=count,
        odd=raw["odd"],
        low=raw["low"],
        high=raw["high"],
        limit=raw["limit"],
        uniformity=raw["uniformity"],
        errors={
            form: QuantityError(
                error["scale"],
                error["clipped"] / count,
                sqnr(error["signal"], error["noise"]),
                error["furthest"],
                error["relative"],
                error["vanished"] / count,
            )
            for form, error in raw["errors"].items()
        },
        parts={
            form: Parts(**{**part, "zeros": tuple(part["zeros"]), "near": tuple(part["near"])})
            for form, part in raw["parts"].items()
        },
    )
