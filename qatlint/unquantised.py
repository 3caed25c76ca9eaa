"""Float tensors inside the quantised region: which tensor, what it meets there, and where that is said.

A float tensor is followed from its beginning. Arithmetic on it is nobody's business until it meets a
quantised tensor, or a GEMM operation whose result goes on into the region.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

from qatlint.condition import TRAINING, excludes, literal
from qatlint.flowing import is_quantised
from qatlint.horizon.ops import Confidence, Gemm, meanings
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
    """Where it begins: the first, where it is made of several."""
    meetings: tuple[Meeting, ...]
    """In order of execution, one for each place."""
    doubted: bool
    """Whether what it meets is only taken for quantised: no model was found that runs the class."""
    place: Span
    """Where it is said: the first meeting, or the call that leads there in the class it comes from."""
    owner: str
    """The class whose body holds the place."""


def unquantized_inputs(trace: Trace) -> list[Stray]:
    """Inputs of the root `trace.owner` that meet the region without a QuantStub, one entry per input."""
    found: dict[Origin, list[Meeting]] = {}
    for flow in trace.flows:
        if flow.root != trace.owner or flow.assumed:
            continue
        enters = _entering(flow)
        derived: set[int] = set()
        for op in flow.ops:
            for meeting in _meetings(op, Comes.INPUT):
                if not derived.isdisjoint(meeting.state.made_by):
                    derived.add(op.number)
                elif is_mixed(op) or (op.name in _gemms() and op.number in enters):
                    found.setdefault(_first(meeting.state, Comes.INPUT), []).append(meeting)
                    derived.add(op.number)
    return [_stray(origin, meetings, doubted=False) for origin, meetings in found.items()]


def unquantized_constants(trace: Trace) -> list[Stray]:
    """Constants that meet a quantised tensor in the forward of the class, or come from it and meet one in
    what it calls; one entry per constant."""
    found: dict[tuple[Origin, ...], list[Meeting]] = {}
    doubted: set[tuple[Origin, ...]] = set()
    for flow in trace.flows:
        for op in flow.ops:
            if op.name.startswith("functional.") or not is_mixed(op):
                continue  # the weights of a convolution are not its inputs
            for meeting in _meetings(op, Comes.CONSTANT):
                origin = meeting.state.origins[0]
                if _home(op, origin) == trace.owner:
                    found.setdefault(meeting.state.origins, []).append(meeting)
                    if not any(is_quantised(flow, state) for state in op.operands):
                        doubted.add(meeting.state.origins)
    return [_stray(origins[0], meetings, doubted=origins in doubted) for origins, meetings in found.items()]


def _home(op: QuantOp, origin: Origin) -> str:
    """The class a meeting is reported of: the one the constant comes from, where the op runs in what that
    class calls; else the one that runs the op."""
    if origin.runner and origin.owner in op.via_owners and op.runner != origin.runner:
        return origin.runner
    return op.runner


def _meetings(op: QuantOp, comes: Comes) -> Iterator[Meeting]:
    """Operands of an op that are float and begin with this (and with constants)."""
    if op.stub is not None or op.name in _unsure() or excludes(op.when, literal(TRAINING, False)):
        return
    for position, state in enumerate(op.operands):
        if state.quant is not Quant.FLOAT or not state.origins:
            continue
        if all(origin.scalar for origin in state.origins):
            continue
        kinds = {origin.comes for origin in state.origins}
        if comes in kinds and kinds <= {comes, Comes.CONSTANT}:
            yield Meeting(op, position)


def _first(state: QuantState, comes: Comes) -> Origin:
    return next(origin for origin in state.origins if origin.comes is comes)


def is_mixed(op: QuantOp) -> bool:
    """Whether an op is given a quantised tensor."""
    return any(state.quant is Quant.QUANTIZED for state in op.operands)


def _is_float(state: QuantState) -> bool:
    return state.quant is Quant.FLOAT


def _entering(flow: Flow) -> set[int]:
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
def _gemms() -> frozenset[str]:
    return frozenset(m.name for m in meanings() if m.gemm is not Gemm.NO)


@cache
def _unsure() -> frozenset[str]:
    """Names of the ops of which nobody knows what the toolchain does; "" for what the table does not have."""
    return frozenset(["", *(m.name for m in meanings() if m.confidence is Confidence.OPEN)])


def _stray(origin: Origin, meetings: Sequence[Meeting], *, doubted: bool) -> Stray:
    places: dict[tuple[Span, int], Meeting] = {}
    for meeting in meetings:
        places.setdefault((meeting.op.span, meeting.operand), meeting)
    distinct = tuple(places.values())
    owner, place = _said_at(distinct[0].op, origin)
    return Stray(origin, distinct, doubted, place, owner)


def _said_at(op: QuantOp, origin: Origin) -> tuple[str, Span]:
    """(class, place): the op, or the innermost call in the class that the tensor comes from."""
    chain = [*zip(op.via_owners, op.via, strict=True), (op.owner, op.span)]
    if op.runner == origin.runner:
        return chain[-1]
    mine = [link for link in chain if link[0] == origin.owner]
    return mine[-1] if mine else chain[-1]


def met(stray: Stray) -> str:
    """What happens to the tensor, in words that follow its name."""
    op = stray.meetings[0].op
    if is_mixed(op):
        other = "what is taken for quantised" if stray.doubted else "a quantised tensor"
        return f"has no QuantStub before `{op.written}`, which takes it together with {other}"
    return f"has no QuantStub before `{op.written}`, whose result goes on into the quantised region"
