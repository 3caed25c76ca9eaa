"""Float tensors inside the quantised region: which tensor, what it meets there, and where that is said.

A float tensor is followed from its beginning. Arithmetic on it is nobody's business until it meets a
quantised tensor, or a layer with weights whose result goes on into the region: it is to run there. A product
of two tensors without any weights (`inverse(K) @ points`) is arithmetic like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import NamedTuple

from qatlint.condition import TRAINING, TRUE, excludes, literal
from qatlint.flowing import is_quantised
from qatlint.horizon.ops import Confidence, meanings
from qatlint.trace import Comes, Flow, Origin, Quant, QuantOp, QuantState, Span, Trace


class Meeting(NamedTuple):
    """One operand of one op that should have passed a QuantStub."""

    op: QuantOp
    operand: int
    """Its position in `op.operands`."""

    @property
    def state(self) -> QuantState:
        return self.op.operands[self.operand]


class Stray(NamedTuple):
    """A float tensor in the region."""

    origin: Origin
    """Where it begins: the first, or the first of the class, where it is made of several."""
    meetings: tuple[Meeting, ...]
    """In order of execution, one for each place."""
    doubted: bool
    """Whether what it meets is only taken for quantised: no model was found that runs the class."""
    place: Span
    """Where it is said: the first meeting, or the call that leads there in the class it comes from."""
    owner: str
    """The class whose body holds the place."""
    taken: tuple[Meeting, ...] = ()
    """Where it is what a loop begins with: all that takes the variable."""
    bare: bool = False
    """Whether no stub was found in the model."""
    runs: tuple[Meeting, ...] = ()
    """All meetings: one place may run in several modules, in several turns and in several models."""


def unquantized_inputs(trace: Trace) -> list[Stray]:
    """Inputs of the root `trace.owner` that meet the region without a QuantStub, one entry per input."""
    found: dict[Origin, list[Meeting]] = {}
    bare = False
    for flow in trace.flows:
        if flow.root != trace.owner or flow.assumed:
            continue
        bare = _is_bare(flow)
        enters = {op.number for op in flow.ops} if bare else entering(flow)
        derived: set[int] = set()
        for op in flow.ops:
            for meeting in _meetings(op, Comes.INPUT):
                if not derived.isdisjoint(meeting.state.made_by):
                    derived.add(op.number)
                elif is_mixed(op) or _is_layer(op, enters):
                    found.setdefault(_first(meeting.state, Comes.INPUT), []).append(meeting)
                    derived.add(op.number)
    strays = [_stray(origin, meetings, doubted=False) for origin, meetings in found.items()]
    return [stray._replace(bare=bare) for stray in strays]


def _is_bare(flow: Flow) -> bool:
    """Whether no stub was met in a model: the region is to begin in front of its first layers then. What
    nothing says to be a model is followed only where it has stubs."""
    return all(op.stub is None for op in flow.ops)


def unquantized_results(trace: Trace) -> list[Stray]:
    """Results of DeQuantStubs that meet the region again, in the forward of the class or in what it calls,
    without another QuantStub; one entry per call of such a stub."""
    later = _later_turns(trace)
    known = {stray.origin for stray in later}
    return later + [stray for stray in _begun(trace, Comes.DEQUANTIZED) if stray.origin not in known]


def _later_turns(trace: Trace) -> list[Stray]:
    """Results of DeQuantStubs that the next turn of a loop takes, where the first takes what is quantised."""
    found: dict[Origin, list[Meeting]] = {}
    for flow in trace.flows:
        for op in () if flow.assumed else flow.ops:
            if op.stub is not None or op.name in _unsure() or excludes(op.when, literal(TRAINING, False)):
                continue
            if not is_mixed(op) and not (
                op.name in layers() and any(is_mixed(flow.ops[n]) for n in op.users)
            ):
                continue
            for position, state in enumerate(op.operands):
                origin = _from_last_turn(flow, op, state)
                if origin is not None and home_of(op, origin) == trace.owner:
                    found.setdefault(origin, []).append(Meeting(op, position))
    return [_stray(origin, meetings, doubted=False) for origin, meetings in found.items()]


def _from_last_turn(flow: Flow, op: QuantOp, state: QuantState) -> Origin | None:
    """Where the float tensor begins that stands for what was quantised in the first turn."""
    if state.quant is not Quant.UNKNOWN:
        return None
    later = [flow.ops[n].result for n in state.made_by if n > op.number]
    before = [flow.ops[n].result for n in state.made_by if n < op.number]
    if not later or not before or any(result.quant is not Quant.QUANTIZED for result in before):
        return None
    if not all(_is_float(result) and _is_dequantised(result) for result in later):
        return None
    return _first(later[0], Comes.DEQUANTIZED)


def _is_dequantised(state: QuantState) -> bool:
    return any(o.comes is Comes.DEQUANTIZED for o in state.origins)


def unquantized_casts(trace: Trace) -> list[Stray]:
    """Masks and indices that are made numbers and meet the region, in the forward of the class or in what it
    calls, without a QuantStub; one entry per place where that is done."""
    return _begun(trace, Comes.CAST)


def _begun(trace: Trace, comes: Comes) -> list[Stray]:
    found: dict[Origin, list[Meeting]] = {}
    for flow in trace.flows:
        enters = frozenset[int]() if flow.assumed else entering(flow)
        derived: set[int] = set()
        for op in flow.ops:
            for meeting in _meetings(op, comes):
                begins_layer = _is_layer(op, enters)
                if not derived.isdisjoint(meeting.state.made_by):
                    derived.add(op.number)
                elif begins_layer or any(is_quantised(flow, state) for state in op.operands):
                    derived.add(op.number)
                    origin = _first(meeting.state, comes)
                    if home_of(op, origin) == trace.owner:
                        found.setdefault(origin, []).append(meeting)
    return [_stray(origin, meetings, doubted=False) for origin, meetings in found.items()]


def named_constants(trace: Trace) -> set[Origin]:
    """The constants of which it is said, of this or of other classes, that they need a stub."""
    found: set[Origin] = set()
    owners = {op.runner for flow in trace.flows for op in flow.ops}
    for owner in owners:
        found |= {stray.origin for stray in unquantized_constants(trace._replace(owner=owner))}
    return found


def unquantized_constants(trace: Trace) -> list[Stray]:
    """Constants that meet a quantised tensor in the forward of the class, or come from it and meet one in
    what it calls; one entry per constant."""
    found: dict[tuple[Origin, ...], list[Meeting]] = {}
    taken: dict[tuple[Origin, ...], list[Meeting]] = {}
    doubted: set[tuple[Origin, ...]] = set()
    for flow in trace.flows:
        turned = _Turned(flow)
        enters = entering(flow)
        behind: set[int] = set()
        for op in flow.ops:
            direct, met_later = turned.follow(op)
            for origins, meeting in direct:
                taken.setdefault(origins, []).append(meeting)
            if op.name.startswith("functional."):
                continue  # the weights of a convolution are not its inputs
            floats = [m for m in _meetings(op, Comes.CONSTANT) if not turned.is_made_of(m.state)]
            enters_here = _is_layer(op, enters)
            if enters_here or any(not behind.isdisjoint(m.state.made_by) for m in floats):
                behind.add(op.number)
            meetings = [*met_later]
            if enters_here or is_mixed(op) or _meets_later(op):
                meetings += [(m.state.origins, m) for m in floats if behind.isdisjoint(m.state.made_by)]
            for origins, meeting in meetings:
                if home_of(op, origins[0]) == trace.owner:
                    found.setdefault(origins, []).append(meeting)
                    if flow.assumed and not any(is_quantised(flow, state) for state in op.operands):
                        doubted.add(origins)
    return [
        _stray(
            _named(origins, trace.owner, found),
            meetings,
            doubted=origins in doubted,
            taken=taken.get(origins, ()),
        )
        for origins, meetings in found.items()
    ]


def _named(origins: Sequence[Origin], owner: str, all_of_them: Collection[tuple[Origin, ...]]) -> Origin:
    """The beginning that a constant is called by: the first that the class holds or makes itself, and that
    no other constant is made of, if there is one (`bias - mean * gain` beside `gain`)."""
    own = [origin for origin in origins if origin.runner == owner]
    alone = (o for o in own if not any(o in other for other in all_of_them if other != origins))
    return next(alone, (own or origins)[0])


def _meets_later(op: QuantOp) -> bool:
    """Whether it takes what is quantised behind the first turn. A test may be just of the turn."""
    return op.when == TRUE and any(map(_is_turned, op.operands))


def _is_turned(state: QuantState) -> bool:
    return state.turned and bool(state.origins)


class _Turned:
    """What loops begin with, constants that are replaced by what is quantised, and where the first turn
    takes them together with a quantised tensor."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._bases: dict[int, set[tuple[Origin, ...]]] = {}
        """Number of an op whose result is made of such tensors -> what they begin with."""

    def follow(
        self, op: QuantOp
    ) -> tuple[list[tuple[tuple[Origin, ...], Meeting]], list[tuple[tuple[Origin, ...], Meeting]]]:
        """(where the op takes what a loop begins with, where it takes that or what is made of it together
        with a quantised tensor), each with the beginnings. To be asked in order of execution."""
        direct: list[tuple[tuple[Origin, ...], Meeting]] = []
        mixed: list[tuple[tuple[Origin, ...], Meeting]] = []
        made: set[tuple[Origin, ...]] = set()
        for position, state in enumerate(op.operands):
            if any(origin.comes is not Comes.CONSTANT for origin in state.origins):
                continue
            bases = self._bases_of(state)
            if not bases and _is_turned(state):
                bases = {state.origins}
                direct.append((state.origins, Meeting(op, position)))
            made |= bases
            if op.stub is None and op.name not in _unsure() and is_mixed(op) and op.when == TRUE:
                mixed += [(origins, Meeting(op, position)) for origins in sorted(bases)]
        if made and (_is_turned(op.result) or _is_float(op.result)):
            self._bases[op.number] = made
        return direct, mixed

    def is_made_of(self, state: QuantState) -> bool:
        """Whether a tensor is made of what a loop begins with."""
        return bool(self._bases_of(state))

    def _bases_of(self, state: QuantState) -> set[tuple[Origin, ...]]:
        if state.quant is not Quant.FLOAT and not _is_turned(state):
            return set()
        return set().union(*(self._bases.get(number, set()) for number in state.made_by))


def home_of(op: QuantOp, origin: Origin) -> str:
    """The class a meeting is reported of: the one the constant comes from, where the op runs in what that
    class calls; else the one that runs the op."""
    holders = {origin.owner, origin.runner}
    if origin.runner and not holders.isdisjoint(op.via_owners) and op.runner != origin.runner:
        return origin.runner
    return op.runner


_BESIDE = {
    Comes.CONSTANT: frozenset((Comes.CONSTANT,)),
    Comes.CAST: frozenset((Comes.CAST, Comes.CONSTANT)),
    Comes.DEQUANTIZED: frozenset((Comes.DEQUANTIZED, Comes.CAST, Comes.CONSTANT)),
    Comes.INPUT: frozenset((Comes.INPUT, Comes.DEQUANTIZED, Comes.CAST, Comes.CONSTANT)),
}
"""What else a tensor may begin with that is said to be one of these: an input that a loop adds to is one."""


def _meetings(op: QuantOp, comes: Comes) -> Iterator[Meeting]:
    """Operands of an op that are float and begin with this."""
    if op.stub is not None or op.name in _unsure() or excludes(op.when, literal(TRAINING, False)):
        return
    for position, state in enumerate(op.operands):
        if state.quant is not Quant.FLOAT or not state.origins:
            continue
        if all(origin.scalar for origin in state.origins):
            continue
        kinds = {origin.comes for origin in state.origins}
        if comes in kinds and kinds <= _BESIDE[comes]:
            yield Meeting(op, position)


def _first(state: QuantState, comes: Comes) -> Origin:
    return next(origin for origin in state.origins if origin.comes is comes)


def is_mixed(op: QuantOp) -> bool:
    """Whether an op is given a quantised tensor."""
    return any(state.quant is Quant.QUANTIZED for state in op.operands)


def _is_layer(op: QuantOp, enters: Collection[int]) -> bool:
    """Whether an op is a layer with weights that computes in float, and belongs into the region, since its
    result goes on there (it is one of `enters`)."""
    return op.name in layers() and op.number in enters


def _is_float(state: QuantState) -> bool:
    return state.quant is Quant.FLOAT


def entering(flow: Flow) -> set[int]:
    """The ops whose float result goes on into the region, or to a DeQuantStub, without a QuantStub."""
    enters: set[int] = set()
    changed = True
    while changed:
        changed = False
        for op in reversed(flow.ops):
            if op.number in enters or not _is_float(op.result):
                continue
            for user in (flow.ops[number] for number in op.users):
                if user.stub is not None:
                    into = not user.stub.quantizes
                else:
                    into = is_mixed(user) or user.number in enters
                if into:
                    enters.add(op.number)
                    changed = True
                    break
    return enters


@cache
def layers() -> frozenset[str]:
    """Names of the ops that compute products with weights."""
    return frozenset(m.name for m in meanings() if m.layer)


@cache
def _unsure() -> frozenset[str]:
    """Names of the ops of which nobody knows what the toolchain does; "" for what the table does not have."""
    return frozenset(["", *(m.name for m in meanings() if m.confidence is Confidence.OPEN)])


def _stray(
    origin: Origin, meetings: Sequence[Meeting], *, doubted: bool, taken: Sequence[Meeting] = ()
) -> Stray:
    places: dict[tuple[Span, int], Meeting] = {}
    for meeting in meetings:
        places.setdefault((meeting.op.span, meeting.operand), meeting)
    distinct = tuple(places.values())
    owner, place = _said_at(distinct[0].op, origin)
    return Stray(origin, distinct, doubted, place, owner, tuple(taken), runs=tuple(meetings))


def _said_at(op: QuantOp, origin: Origin) -> tuple[str, Span]:
    """(class, place): the op, or the innermost call in the class that the tensor comes from."""
    chain = [*zip(op.via_owners, op.via, strict=True), (op.owner, op.span)]
    if op.runner == origin.runner:
        return chain[-1]
    mine = [link for link in chain if link[0] in (origin.owner, origin.runner)]
    return mine[-1] if mine else chain[-1]


def met(stray: Stray) -> str:
    """What happens to the tensor, in words that follow its name."""
    op = stray.meetings[0].op
    if is_mixed(op) or _meets_later(op):
        other = "what is taken for quantised" if stray.doubted else "a quantised tensor"
        turn = " in the first turn of the loop" if stray.taken else ""
        return f"has no QuantStub before `{op.written}`, which takes it together with {other}{turn}"
    if stray.bare:
        return f"has no QuantStub before `{op.written}`, and none was found in the model"
    return f"has no QuantStub before `{op.written}`, whose result goes on into the quantised region"
