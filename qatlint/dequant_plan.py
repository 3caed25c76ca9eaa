"""Whether the ops before a DeQuantStub may run behind it, in float: the plan of that fix, or why not.

In float a stub does nothing, so results stay as they are wherever it stands. What else is asked: the stub
must get everything that was quantised before, and nobody else may need what is float now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from qatlint.condition import implies
from qatlint.finding import MoveDequant
from qatlint.outputs import Output, Source, outputs
from qatlint.trace import Flow, Quant, QuantOp, Span
from qatlint.unquantised import entering, layers


class Plan(NamedTuple):
    """A move of the stub. `reason` says why it is not safe ("" when it is)."""

    intent: MoveDequant
    reason: str


class NoPlan(NamedTuple):
    """Why the ops stay where they are."""

    reason: str


def plan(flow: Flow, output: Output) -> Plan | NoPlan:
    """How the DeQuantStub of `output` gets in front of the ops between, with those of others that
    take parts of the same."""
    together = _together(flow, output)
    stubs = [flow.ops[one.stub] for one in together]
    stub = stubs[0]
    output = _joined(together)
    between = [flow.ops[n] for n in output.between]
    inside = {*_stubs_at(flow, stubs), *output.between}
    for one in stubs:
        problem = _problem(flow, output, one, between, inside)
        if problem:
            return NoPlan(problem)
    places: list[Span] = []
    for source in output.sources:
        place = _place(flow, source, stub, between)
        if place is None:
            end = flow.ops[source.end]
            name = _named(end)
            if _is_under(end, stub) and end.via == stub.via and end.loops != stub.loops:
                return NoPlan(f"{name} and the stub do not run in the same loops")
            return NoPlan(f"the result of {name} has no place of its own where a stub could take it")
        places.append(place)
    owner = stub.owner.partition(":")[2]
    others = tuple(dict.fromkeys(one.span for one in stubs if one.span != stub.span))
    intent = MoveDequant(stub.span.path, owner, stub.span, tuple(dict.fromkeys(places)), others)
    return Plan(intent, _unsafe(flow, between, inside))


def _together(flow: Flow, output: Output) -> list[Output]:
    """The outputs of one call each that can only be moved at once, in order: `box, cls = head(x).split(...)`,
    where both go through a stub. Only those beside the first."""
    stub = flow.ops[output.stub]
    found = {output.stub: output}
    known = list(outputs(flow))
    new = [output]
    while new:
        inside = {
            *_stubs_at(flow, [flow.ops[n] for n in found]),
            *(n for o in found.values() for n in o.between),
        }
        made = {n for o in new for n in (*o.between, *(source.end for source in o.sources))}
        users = {user for number in made for user in flow.ops[number].users} - inside
        new = [
            other
            for other in known
            if other.stub not in found
            and _beside(flow.ops[other.stub], stub)
            and not users.isdisjoint((other.stub, *other.between))
        ]
        found.update((other.stub, other) for other in new)
    return [found[number] for number in sorted(found)]


def _joined(together: list[Output]) -> Output:
    """What is true of all of them."""
    first = together[0]
    return Output(
        first.stub,
        first.precision,
        tuple(sorted({n for one in together for n in one.between})),
        tuple(sorted({source for one in together for source in one.sources})),
        tuple(sorted({n for one in together for n in one.others})),
        any(one.open for one in together),
    )


def _stubs_at(flow: Flow, stubs: list[QuantOp]) -> set[int]:
    """The runs of some calls of stubs: turns of a loop are one op, and each may have a stub of its own."""
    spans = {stub.span for stub in stubs}
    return {op.number for op in flow.ops if op.stub is not None and op.span in spans}


def _problem(flow: Flow, output: Output, stub: QuantOp, between: list[QuantOp], inside: set[int]) -> str:
    """Why the ops cannot be moved; "" when they can."""
    if output.open or not output.sources:
        return "it is not known where all that they compute with comes from"
    if stub.entry:
        return "the stub is an entry of a container"
    if stub.stub is not None and stub.stub.bound:
        return stub.stub.bound
    if stub.owner != stub.runner:
        return "the stub is called in a base class"
    for op in between:
        if not _is_under(op, stub):
            return f"{_named(op)} runs in another function than the stub, or where that does not"
        if op.returned or op.kept or op.refilled or not set(op.users) <= inside:
            return f"the result of {_named(op)} is used elsewhere, quantised"
        for state in op.operands:
            if state.quant is Quant.UNKNOWN:
                return f"it is not known what {_named(op)} is given"
    ends = {source.end for source in output.sources}
    given = _through_identities(flow, stub.operands[0].made_by)
    if not given <= ends | set(output.between):
        return "it is also given what no GEMM op makes"
    called = {flow.ops[end].span: flow.ops[end] for end in ends}
    for op in between:
        if op.span in called:
            return f"{_named(op)} is in one container with {_named(called[op.span])}"
        if not _beside(op, stub) and _stays_elsewhere(flow, op, inside):
            return f"{_named(op)} also runs elsewhere, quantised, and takes a constant there"
    for op in between:
        for state in op.operands:
            if state.quant is Quant.QUANTIZED and not set(state.made_by) <= ends | set(output.between):
                return f"{_named(op)} takes another quantised tensor"
    layer = _to_be_quantised(flow, between)
    if layer is not None:
        return f"{_named(layer)} is given a float tensor and belongs into the region: quantise that first"
    for source in output.sources:
        end = flow.ops[source.end]
        for user in (flow.ops[n] for n in end.users if n not in inside):
            if user.stub is None or user.stub.quantizes:
                return f"{_named(user)} needs the same result quantised"
            return f"{_named(user)} takes the same result, and would be given a float tensor"
        if end.returned or end.kept or end.refilled:
            return f"the result of {_named(end)} is used elsewhere, quantised"
        if end.when != stub.when:
            return f"{_named(end)} runs under another condition than the stub"
    return ""


def _to_be_quantised(flow: Flow, between: Sequence[QuantOp]) -> QuantOp | None:
    """A layer that computes in float only until its input gets a QuantStub, whose result ops between take."""
    enters: set[int] | None = None
    pending = [n for op in between for state in op.operands for n in state.made_by]
    seen: set[int] = set()
    while pending:
        number = pending.pop()
        op = flow.ops[number]
        if number in seen or op.result.quant is not Quant.FLOAT:
            continue
        seen.add(number)
        if op.name in layers():
            enters = entering(flow) if enters is None else enters
            if number in enters:
                return op
        pending += [n for state in op.operands for n in state.made_by]
    return None


def _through_identities(flow: Flow, numbers: Sequence[int]) -> set[int]:
    """The ops that made something, and the Identities behind them that do nothing left out."""
    found: set[int] = set()
    for number in numbers:
        op = flow.ops[number]
        if op.name == "identity" and op.operands:
            found |= _through_identities(flow, op.operands[0].made_by)
        else:
            found.add(number)
    return found


def _stays_elsewhere(flow: Flow, op: QuantOp, inside: set[int]) -> bool:
    """Whether the code of an op also runs in the region, together with a float tensor that is to be quantised
    there: where the op runs in float, that would be wrong."""
    others = (one for one in flow.ops if one.span == op.span and one.number not in inside)
    return any(
        any(state.quant is Quant.QUANTIZED for state in one.operands)
        and any(
            state.quant is Quant.FLOAT and not all(o.scalar for o in state.origins) for state in one.operands
        )
        for one in others
    )


def _place(flow: Flow, source: Source, stub: QuantOp, between: list[QuantOp]) -> Span | None:
    """The expression that a stub takes in place of what it takes now: the op itself where it stands in the
    same function, else where the one op that takes its result has it written."""
    end = flow.ops[source.end]
    if _is_in_reach(end, stub):
        return end.span
    written = [
        where
        for op in between
        if _beside(op, stub)
        for state, where in zip(op.operands, op.positions, strict=True)
        if source.end in state.made_by
    ]
    return written[0] if len(written) == 1 else None


def _is_in_reach(op: QuantOp, stub: QuantOp) -> bool:
    """Whether an op runs in the same function as the stub and under the same condition; as often, or in a
    loop in front of it, where the stub can run in each turn."""
    same = (op.owner, op.function, op.path, op.via) == (stub.owner, stub.function, stub.path, stub.via)
    around = op.loops[: len(stub.loops)] == stub.loops
    return same and around and op.span.path == stub.span.path and op.when == stub.when


def _beside(op: QuantOp, stub: QuantOp) -> bool:
    """Whether an op runs in the same function as the stub, as often and under the same condition."""
    return _is_in_reach(op, stub) and op.loops == stub.loops


def _is_under(op: QuantOp, stub: QuantOp) -> bool:
    """Whether an op runs in one run of the function that holds the stub: there, or in what that calls, and
    only where the stub runs too."""
    depth = len(stub.via)
    if op.via[:depth] != stub.via or not implies(op.when, stub.when):
        return False
    same = (op.owner, op.function, op.path) == (stub.owner, stub.function, stub.path)
    return len(op.via) > depth or (same and op.span.path == stub.span.path)


def _unsafe(flow: Flow, between: list[QuantOp], inside: set[int]) -> str:
    """Why the move is not safe: a module that is float then is also used where it must be quantised."""
    modules = {op.module: op for op in between if op.module}
    for op in flow.ops:
        if op.number not in inside and op.module in modules and op.module:
            return f"`{op.module}` also runs elsewhere, where it stays quantised"
    return ""


def _named(op: QuantOp) -> str:
    return f"`{op.written}`"
