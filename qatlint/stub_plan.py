"""Where the one QuantStub of a float tensor goes that meets the quantised region, or why there is none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from qatlint import dequant_plan
from qatlint.condition import implies
from qatlint.finding import AddQuantStub, Fix, Safety
from qatlint.flowing import changes_operand, subject_of
from qatlint.horizon.ops import meaning_of
from qatlint.outputs import outputs
from qatlint.stub_handed import handed_plan
from qatlint.stub_whole import Target, runs_again, whole_plan
from qatlint.trace import Flow, Quant, QuantOp, Span, Trace
from qatlint.unquantised import Meeting, Stray, entering, home_of, is_mixed, layers

_DOUBTED = (
    "no model was found that runs the class: where its inputs are float, the operation stays in two types"
)
_MIXES_THERE = "the operation also runs where all that it takes is float: there, a stub would mix the two"
_OTHERS = "elsewhere the operation is given what is quantised: this is to be handed over quantised, too"
_UNSEEN = (
    "code of training or post-processing may run the class too: where its inputs are float, types would mix"
)
_UNKNOWN = "the operation also runs where nobody knows whether what it takes is float: there, types would mix"


class Plan(NamedTuple):
    """A fix, or why there is none."""

    fix: Fix | None
    no_fix: str = ""


def stub_plan(trace: Trace, stray: Stray) -> Plan:
    """Where the one stub of a tensor goes."""
    leaving, staying = _leaving(trace, stray)
    if leaving is not None and staying:
        return Plan(
            None,
            f"`{leaving.written}` can run behind the DeQuantStub in one model, and is to be quantised in "
            "another: hand the tensor over, quantised where needed",
        )
    if leaving is not None:
        is_other = leaving.span != stray.meetings[0].op.span
        where, then = (f" of line {leaving.span.line}", ": move that first") if is_other else ("", "")
        reason = "can run behind the DeQuantStub, where a float tensor is what it needs"
        return Plan(None, f"`{leaving.written}`{where} {reason}{then}")
    if not trace.has_stub_room:
        return Plan(None, "there is no line in the constructor behind which a QuantStub could be made")
    if stray.doubted and not trace.has_room:
        return Plan(None, _DOUBTED)  # not worth a constructor
    if Quant.FLOAT in _elsewhere(trace, stray):
        return _whole(trace, stray) or Plan(None, _MIXES_THERE)
    if stray.taken:
        before = _maker(trace, stray.taken)
        if before is not None:
            return _plan(trace, stray, Target(before.span))
        return Plan(None, "a loop begins with it: put a QuantStub where the variable is set in front of it")
    ops = [meeting.op for meeting in stray.meetings]
    first = stray.meetings[0]
    position = _position(first)
    inside = all(op.owner == op.runner == trace.owner for op in ops)
    once = not (first.op.loops or first.op.inner or runs_again(trace, first.op.span))
    if inside and len(ops) == 1 and once and position is not None:
        if _gets_others(trace, stray, first):
            return _whole(trace, stray, but=position) or Plan(None, _OTHERS)
        return _plan(trace, stray, Target(position))
    maker = _maker(trace, stray.runs)
    if maker is not None:
        return _plan(trace, stray, Target(maker.span))
    return _whole(trace, stray) or Plan(None, _why_not(trace, stray, inside))


def _whole(trace: Trace, stray: Stray, but: Span | None = None) -> Plan | None:
    """The stub where the tensor begins, or where it is handed over, unless nobody knows the model. `but`: not
    there."""
    target = None if stray.doubted else whole_plan(trace, stray) or handed_plan(trace, stray)
    return _plan(trace, stray, target) if target is not None and target.span != but else None


def _why_not(trace: Trace, stray: Stray, inside: bool) -> str:
    """Why no place was found."""
    if not inside and stray.origin.runner != trace.owner:
        return "it comes from another class: put a QuantStub where it enters the region"
    if not inside and any(_computes_first(trace, meeting) for meeting in stray.runs):
        return "another class computes with it first: put a QuantStub there, behind that"
    if not inside:
        return "another function uses it: put a QuantStub where the tensor is handed over"
    if all(meeting.op.inner for meeting in stray.meetings):
        return (
            "it is used in a function inside of the method, a static method or a comprehension: hand it over "
            "quantised"
        )
    if any(runs_again(trace, meeting.op.span) for meeting in stray.meetings):
        return "the method that uses it runs several times in one forward: hand it over quantised"
    if _is_needed_in_float(trace, stray):
        return "what makes it is also needed in float: put one QuantStub behind it, and use its result here"
    return (
        "several operations or turns use it, and no single expression makes it for them: put one QuantStub "
        "before them"
    )


def _computes_first(trace: Trace, meeting: Meeting) -> bool:
    """Whether what meets the region was computed of the tensor in another class."""
    for flow in trace.flows:
        if meeting.op.number < len(flow.ops) and flow.ops[meeting.op.number] is meeting.op:
            makers = [flow.ops[number] for number in meeting.state.made_by]
            known = [(maker, meaning_of(maker.name)) for maker in makers]
            return any(m.runner != trace.owner and not (k is not None and k.layout) for m, k in known)
    return False


def _is_needed_in_float(trace: Trace, stray: Stray) -> bool:
    """Whether one op makes it, which has other users, or gives it back as it is."""
    makers = {number for meeting in stray.runs for number in meeting.state.made_by}
    if len(makers) != 1 or len(trace.flows) != 1:
        return False
    maker = trace.flows[0].ops[makers.pop()]
    met_by = {meeting.op.number for meeting in stray.runs}
    return bool(maker.returned or maker.kept) or not met_by.issuperset(maker.users)


def _leaving(trace: Trace, stray: Stray) -> tuple[QuantOp | None, bool]:
    """(a meeting that can as well run behind a DeQuantStub, whether in another model none of them can): to
    quantise what it takes would keep it from that, and both at once would be wrong."""
    met = {meeting.op.span for meeting in stray.meetings}
    found: QuantOp | None = None
    staying = False
    for flow in trace.flows:
        if not any(op.span in met for op in flow.ops):
            continue
        leaving = _leaving_in(flow, met)
        found = found or leaving
        staying = staying or leaving is None
    return found, staying


def _leaving_in(flow: Flow, met: Collection[Span]) -> QuantOp | None:
    for output in outputs(flow):
        between = [op for op in map(flow.ops.__getitem__, output.between) if op.span in met]
        if between and isinstance(dequant_plan.plan(flow, output), dequant_plan.Plan):
            return between[0]
    return None


def _elsewhere(trace: Trace, stray: Stray) -> set[Quant]:
    """What the operation takes beside the tensor where it runs and nothing that it takes is quantised: with a
    float tensor there, a stub would mix the two. So it would behind a layer whose result stays in float."""
    places = {m.op.span: m for m in stray.meetings}
    origins = {origin for m in stray.meetings for origin in m.state.origins}
    found: set[Quant] = set()
    for flow in trace.flows:
        enters = entering(flow)
        for op in flow.ops:
            meeting = places.get(op.span)
            if meeting is None or is_mixed(op) or meeting.operand >= len(op.operands):
                continue
            there = op.operands[meeting.operand]
            if there.origins and origins.isdisjoint(there.origins):
                continue  # another tensor, which the stub does not get
            if is_mixed(meeting.op):
                others = (s for n, s in enumerate(op.operands) if n != meeting.operand)
                found.update(s.quant for s in others if not s.turned)
            elif not stray.bare and op.name in layers() and op.number not in enters and not there.turned:
                is_used = op.users or op.returned or op.kept
                found.add(Quant.FLOAT if is_used else Quant.UNKNOWN)  # nobody was seen who takes the result
    return found


def _gets_others(trace: Trace, stray: Stray, meeting: Meeting) -> bool:
    """Whether the operation gets tensors elsewhere that are quantised, or that another class is to quantise:
    a stub there would quantise them again."""
    for flow in trace.flows:
        for op in flow.ops:
            if op.span != meeting.op.span or meeting.operand >= len(op.operands):
                continue
            state = op.operands[meeting.operand]
            if state.quant is Quant.QUANTIZED and not flow.assumed:
                return True
            stubs = (flow.ops[number].stub for number in state.made_by)
            if state.quant is Quant.UNKNOWN and any(s is not None and s.quantizes for s in stubs):
                return True
            if state.quant is Quant.FLOAT and set(state.origins).isdisjoint(meeting.state.origins):
                if is_mixed(op) and any(home_of(op, origin) != trace.owner for origin in state.origins):
                    return True
    return False


def _position(meeting: Meeting) -> Span | None:
    """Where the tensor is written, unless the op changes it in place: what a stub gives is another one."""
    op = meeting.op
    if changes_operand(op) and meeting.operand == 0:
        return None
    return op.positions[meeting.operand] if meeting.operand < len(op.positions) else None


def _maker(trace: Trace, meetings: Sequence[Meeting]) -> QuantOp | None:
    """The op that makes the tensor, outside of loops, where only the meetings take its result: the same in
    all models."""
    found: QuantOp | None = None
    for flow in trace.flows:
        here = [m for m in meetings if m.op.number < len(flow.ops) and flow.ops[m.op.number] is m.op]
        if not here:
            continue
        maker = _maker_in(trace, flow, here)
        if maker is None or (found is not None and found.span != maker.span):
            return None
        if runs_again(trace, maker.span):
            return None
        found = maker
    return found


def _maker_in(trace: Trace, flow: Flow, meetings: Sequence[Meeting]) -> QuantOp | None:
    # What a later turn made is quantised.
    made_by = [
        {n for n in meeting.state.made_by if flow.ops[n].result.quant is not Quant.QUANTIZED}
        for meeting in meetings
    ]
    made = set().union(*made_by)
    if len(made) != 1 or not all(made_by):
        return None
    (number,) = made
    op = flow.ops[number]
    users = {meeting.op.number for meeting in meetings}
    own = op.owner == op.runner == trace.owner and not op.inner
    free = not op.loops and not op.kept and not op.returned and users.issuperset(op.users)
    known = meaning_of(op.name)
    # On the paths where it does not run, the tensor is another one.
    always = all(implies(meeting.op.when, op.when) for meeting in meetings)
    return op if own and free and always and known is not None and not known.several else None


def _plan(trace: Trace, stray: Stray, target: Target) -> Plan:
    owner = stray.owner.partition(":")[2]
    begins = not all(is_mixed(meeting.op) for meeting in stray.meetings)
    name, span = stray.origin.name, target.span
    own = (op for flow in trace.flows for op in flow.ops if op.runner == trace.owner and op.module)
    taken = tuple(sorted({subject_of(op).partition(".")[0] for op in own}))
    intent = AddQuantStub(span.path, owner, span, name, target.parameter, begins, target.others, taken)
    reason = _doubt(trace, stray)
    safety = Safety.UNSAFE if reason else Safety.SAFE
    return Plan(Fix(f"quantise `{stray.origin.name}` with a QuantStub", safety, reason, intent))


def _doubt(trace: Trace, stray: Stray) -> str:
    """Why a stub may be wrong; "" where it is right wherever the class runs."""
    if stray.doubted:
        return _DOUBTED
    if any(flow.runs_unseen for flow in trace.flows):
        return _UNSEEN
    return _UNKNOWN if Quant.UNKNOWN in _elsewhere(trace, stray) else ""
