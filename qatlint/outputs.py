"""What stands before every DeQuantStub of a Flow: a GEMM op that keeps its precision, or something else.

Only a GEMM op directly before the stub, all of whose users are DeQuantStubs, keeps the precision of its
accumulator; nothing but an Identity may stand between, and a fused sequence counts as its root (horizon_facts
G). `runtime.dequants` asks the same of a model that was executed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from qatlint.condition import TRAINING, Condition, both, excludes, literal
from qatlint.horizon.ops import Gemm, Meaning, Role, meaning_of
from qatlint.trace import Flow, Quant, QuantOp

_BEFORE = {
    Role.RELU: (Role.ADD, Role.BATCH_NORM, Role.ROOT),
    Role.ADD: (Role.BATCH_NORM, Role.ROOT),
    Role.BATCH_NORM: (Role.ROOT,),
}
"""What a member of a fusable sequence may fuse with, in front of it."""


_EVALUATION = literal(TRAINING, False)


class Precision(Enum):
    """Whether an output keeps its precision."""

    HIGH = "high precision"
    VERSION = "depends on the version"
    BETWEEN = "another op stands between"
    USERS = "the result has other users"
    UNLISTED = "a product that is none of the GEMM ops"
    NONE = "no GEMM op before it"
    FLOAT = "float already"
    UNKNOWN = "nobody can tell"


class Source(NamedTuple):
    """One way in which the input of a stub is made."""

    end: int
    """The op whose result is that of a GEMM op: itself, or the last of what fuses with it."""
    root: int
    """The GEMM op."""
    gemm: Gemm


class Output(NamedTuple):
    """What is known of one DeQuantStub's input."""

    stub: int
    """Its number."""
    precision: Precision
    between: tuple[int, ...] = ()
    """The ops between the GEMM ops and the stub, in order of execution."""
    sources: tuple[Source, ...] = ()
    """The GEMM ops before it."""
    others: tuple[int, ...] = ()
    """Other users of their results."""
    open: bool = False
    """Whether some of what it is made of could not be followed."""


def outputs(flow: Flow) -> Iterator[Output]:
    """Every DeQuantStub of a flow that is given a quantised tensor, in order of execution."""
    for op in flow.ops:
        if op.stub is not None and not op.stub.quantizes and op.operands:
            state = op.operands[0]
            if state.quant is Quant.QUANTIZED and state.made_by:
                yield _output(flow, op)


def _output(flow: Flow, stub: QuantOp) -> Output:
    between: dict[int, None] = {}
    sources: dict[int, Source] = {}
    is_open = first_unknown = False
    pending = list(stub.operands[0].made_by)
    first = frozenset(_through_identities(flow, pending))
    while pending:
        for number in _through_identities(flow, [pending.pop()]):
            if number in between or number in sources:
                continue
            op = flow.ops[number]
            meaning = meaning_of(op.name)
            if meaning is None:
                is_open = True
                first_unknown = first_unknown or number in first
                continue
            if op.stub is not None:
                if number in first:
                    between[number] = None  # a QuantStub: there is no op at all
                continue
            source = _source(flow, op, meaning)
            if source is not None:
                sources[number] = source
                continue
            between[number] = None
            quantised = [state for state in op.operands if state.quant is Quant.QUANTIZED]
            is_open = is_open or any(not state.made_by for state in quantised)
            pending += [n for state in quantised for n in state.made_by]
    found = tuple(sorted(sources.values()))
    ops = tuple(sorted(n for n in between if flow.ops[n].stub is None))
    inside = {stub.number, *ops}
    others = tuple(sorted({n for source in found for n in _other_users(flow, source.end, stub, inside)}))
    given = any(_is_given(flow, source.end, stub) for source in found)
    precision = _precision(between, found, bool(others) or given, is_open, first_unknown)
    return Output(stub.number, precision, ops, found, others, is_open)


def _precision(
    between: dict[int, None],
    sources: Sequence[Source],
    shared: bool,
    is_open: bool,
    first_unknown: bool,
) -> Precision:
    if first_unknown:
        return Precision.UNKNOWN
    if not sources:
        return Precision.BETWEEN if is_open and between else Precision.NONE if between else Precision.UNKNOWN
    if any(source.gemm is Gemm.UNLISTED for source in sources):
        return Precision.UNLISTED
    if between:
        return Precision.BETWEEN
    if shared:
        return Precision.USERS
    if any(source.gemm is Gemm.VERSION for source in sources):
        return Precision.VERSION
    return Precision.HIGH


def _source(flow: Flow, op: QuantOp, meaning: Meaning) -> Source | None:
    """The GEMM op whose result the op gives: itself, or what it fuses with."""
    root = _root(flow, op, meaning, tuple(Role))
    if root is None:
        return None
    found = meaning_of(root.name)
    assert found is not None
    # The fused kinds of a deformable convolution are in the list of the template, the bare one is not.
    fused = root is not op and found.name == "deform_conv2d"
    return Source(op.number, root.number, Gemm.YES if fused else found.gemm)


def _root(flow: Flow, op: QuantOp, meaning: Meaning, allowed: Sequence[Role]) -> QuantOp | None:
    if meaning.gemm is not Gemm.NO:
        return op
    role = meaning.fuses
    if role is None or role not in allowed or role not in _BEFORE:
        return None
    if role is Role.ADD and op.with_number:
        return None  # only two tensors are added in one step with a convolution
    if not op.module and _is_repeated(flow, op):
        return None  # each turn is a module of its own, and the convolution is one
    for state in op.operands:
        if len(state.made_by) != 1 or state.quant is not Quant.QUANTIZED:
            continue
        before = flow.ops[state.made_by[0]]
        known = meaning_of(before.name)
        if known is None or known.fuses not in _BEFORE[role]:
            continue
        # What has other users is needed as it is, and does not fuse.
        users = {n for n in before.users if not excludes(flow.ops[n].when, _EVALUATION)}
        if users <= {op.number} and not before.returned and excludes(before.kept, _EVALUATION):
            root = _root(flow, before, known, _BEFORE[role])
            if root is not None and _runs(flow, op) <= _runs(flow, root):
                return root
    return None


def _is_repeated(flow: Flow, op: QuantOp) -> bool:
    """Whether a function runs several times in one run of its scope: a loop without a dynamic_block."""
    runs = [ran for ran in flow.order if ran.op == op.number and not ran.again]
    entries = Counter(ran.entry for ran in runs)
    return any(len(ran.loops) > ran.outside for ran in runs) or any(n > 1 for n in entries.values())


def _runs(flow: Flow, op: QuantOp) -> int:
    """How often the module of an op runs in the same forward, as far as its calls are written apart: one that
    runs more often than the convolution (a ReLU that several share) does not become a part of it."""
    if not op.module:
        return 1
    when = both(op.when, _EVALUATION)
    return sum(one.module == op.module and not excludes(one.when, when) for one in flow.ops)


def _other_users(flow: Flow, number: int, stub: QuantOp, inside: set[int]) -> Iterator[int]:
    """Users of a result besides those `inside`, and besides DeQuantStubs; Identities are looked through.

    Not those that run only where the stub does not, or in training, which is not what is compiled, nor those
    that may get another tensor in its place.
    """
    for user in flow.ops[number].users:
        op = flow.ops[user]
        if op.name == "identity":
            yield from _other_users(flow, user, stub, inside)
        elif user not in inside and not (op.stub is not None and not op.stub.quantizes):
            if not excludes(op.when, _compiled(stub)) and any(s.made_by == (number,) for s in op.operands):
                yield user


def _is_given(flow: Flow, number: int, stub: QuantOp) -> bool:
    """Whether a result is also given back as it is, or kept."""
    when = _compiled(stub)
    if not excludes(flow.ops[number].kept, when):
        return True
    return any(r.state.made_by == (number,) and not excludes(r.when, when) for r in flow.returns)


def _compiled(stub: QuantOp) -> Condition:
    """When a stub runs in evaluation, which is the mode that is compiled."""
    return both(stub.when, _EVALUATION)


def _through_identities(flow: Flow, numbers: Sequence[int]) -> list[int]:
    """The ops that made something, past Identities."""
    found: list[int] = []
    for number in numbers:
        op = flow.ops[number]
        if op.name == "identity" and op.operands and op.operands[0].made_by:
            found += _through_identities(flow, op.operands[0].made_by)
        else:
            found.append(number)
    return found
