"""Whether a float tensor can be quantised where the class hands it over: to a child, or to another function.

Only what is made of it behind that call counts. Every op there that takes it must be given what is quantised,
or be a layer of the region, or take nothing else that is float but constants that are to get stubs of their
own (`tgt + query_pos` in a decoder).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from qatlint.condition import TRUE
from qatlint.flowing import changes_operand
from qatlint.horizon.ops import meaning_of
from qatlint.stub_whole import Target, is_as_long, run_again, runs_again
from qatlint.trace import Comes, Flow, Handed, Origin, Quant, QuantOp, QuantState, Span, Trace
from qatlint.unquantised import Meeting, Stray, entering, is_mixed, layers, named_constants


def handed_plan(trace: Trace, stray: Stray) -> Target | None:
    """The argument that a QuantStub goes around; for an attribute that is handed over in a loop or in several
    places, a variable in front of them."""
    places = _places(trace, stray)
    if not places:
        return None
    named = named_constants(trace)
    runs = [[h for h in flow.handed if h.argument in places] for flow in trace.flows]
    for flow, given in zip(trace.flows, runs, strict=True):
        if run_again(given) or not all(_belongs(flow, h, stray.origin, named) for h in given):
            return None
    handed = [h for given in runs for h in given]
    if any(h.inner and not h.comprehended for h in handed):
        return None
    if len(places) == 1 and not any(h.loops or h.inner for h in handed):
        return Target(next(iter(places)))
    maker = _maker(trace, runs)
    if maker is not None:
        return Target(maker)
    name = stray.origin.name
    if not name.startswith("self.") or not all(is_as_long(span, name) for span in places):
        return None
    if len({h.function for h in handed}) > 1 or any(h.when != TRUE for h in handed):
        return None
    return Target(next(iter(places)), others=tuple(places))


def _maker(trace: Trace, runs: Sequence[Sequence[Handed]]) -> Span | None:
    """The one expression of the class that makes the tensor for all the calls, and for nobody else."""
    found: set[Span] = set()
    for flow, given in zip(trace.flows, runs, strict=True):
        chains = [(*h.via, h.call) for h in given]
        made_by = {number for h in given for number in h.state.made_by}
        if given and (len(made_by) != 1 or any(len(h.state.made_by) != 1 for h in given)):
            return None
        for op in map(flow.ops.__getitem__, made_by):
            users = [flow.ops[number] for number in op.users]
            inside = all(any(user.via[: len(chain)] == chain for chain in chains) for user in users)
            own = op.owner == op.runner == trace.owner and not op.inner and not op.loops
            if not (inside and own) or op.kept or op.returned or runs_again(trace, op.span):
                return None
            found.add(op.span)
    return found.pop() if len(found) == 1 else None


def _places(trace: Trace, stray: Stray) -> dict[Span, None]:
    """The arguments of the class's own calls through which the tensor gets to all its meetings; none where
    one of them gets it in another way."""
    places: dict[Span, None] = {}
    for flow in trace.flows:
        for meeting in stray.runs:
            if meeting.op.number >= len(flow.ops) or flow.ops[meeting.op.number] is not meeting.op:
                continue
            found = [h.argument for h in flow.handed if _leads_to(trace, h, stray.origin, meeting)]
            if not found:
                return {}
            places.update(dict.fromkeys(found))
    return places


def _leads_to(trace: Trace, handed: Handed, origin: Origin, meeting: Meeting) -> bool:
    """Whether an argument of a call in the class's own forward carries the tensor to an op."""
    chain = (*handed.via, handed.call)
    own = handed.owner == handed.runner == trace.owner
    same = set(handed.state.origins) in ({origin}, {*meeting.state.origins})
    return own and same and meeting.op.via[: len(chain)] == chain


def _belongs(flow: Flow, handed: Handed, origin: Origin, named: Collection[Origin]) -> bool:
    """Whether all that takes the tensor behind one call can take it quantised."""
    if any(origin in r.state.origins and r.state.made_by == handed.state.made_by for r in flow.inner_returns):
        return False  # the child gives it back
    if origin in flow.kept and not handed.state.made_by:
        return False
    chain = (*handed.via, handed.call)
    enters = entering(flow)
    made: set[int] = set()
    for op in flow.ops:
        inside = op.via[: len(chain)] == chain
        parts = [_is_part(op, state, handed, origin, made, inside) for state in op.operands]
        if not any(parts):
            continue
        if op.stub is not None or meaning_of(op.name) is None or (changes_operand(op) and parts[0]):
            return False
        if is_mixed(op):
            continue
        if op.kept or op.returned:
            return False
        others = [s for s, part in zip(op.operands, parts, strict=True) if not part]
        floats = [s for s in others if s.quant is not Quant.PLAIN]
        if not all(_gets_a_stub(state, named) for state in floats):
            return False
        # Arithmetic on the tensor alone is to stay in float, in front of a stub.
        runs_there = op.name in layers() or bool(floats)
        if not _is_layout(op) and not (runs_there and op.number in enters):
            return False
        if op.name not in layers():
            made.add(op.number)
    return True


def _is_part(
    op: QuantOp, state: QuantState, handed: Handed, origin: Origin, made: set[int], inside: bool
) -> bool:
    if not made.isdisjoint(state.made_by):
        return True
    # A turn of a loop may be given what an op behind this one made in the turn before.
    before = tuple(number for number in state.made_by if number < op.number)
    return inside and origin in state.origins and before == handed.state.made_by


def _is_layout(op: QuantOp) -> bool:
    meaning = meaning_of(op.name)
    return meaning is not None and meaning.layout


def _gets_a_stub(state: QuantState, named: Collection[Origin]) -> bool:
    """Whether it is a constant of which it is said, too, that it needs a stub."""
    constant = all(o.comes is Comes.CONSTANT for o in state.origins)
    return state.quant is Quant.FLOAT and bool(state.origins) and constant and set(state.origins) <= {*named}
