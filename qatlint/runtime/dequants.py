"""What stands before every DeQuantStub: a GEMM operation that keeps its precision, or something else.

Only a GEMM operation directly before the stub, all of whose users are DeQuantStubs, keeps the precision of
its accumulator; nothing but an Identity may stand between [V]. A fused sequence counts as its root [V].
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

from qatlint.horizon.modules import facts_of
from qatlint.horizon.ops import Boundary, Gemm, Meaning
from qatlint.outputs import Precision
from qatlint.runtime.changes import Changes, changes, pairs
from qatlint.runtime.flow import BEHIND_STUB, Flow
from qatlint.runtime.fuse import Fusion
from qatlint.trace import Kind


class Feed(NamedTuple):
    """One execution of a DeQuantStub."""

    dequant: int
    """Its number."""
    feeder: int
    """The op that gives it its input, Identities left out."""
    precision: Precision
    gemm: int | None = None
    """The nearest GEMM op before it, along the tensors that the ops between work on."""
    between: tuple[int, ...] = ()
    """What stands between, in order of execution."""
    others: tuple[int, ...] = ()
    """Other users of what the GEMM op gives."""


def feeds(flow: Flow, fused: Sequence[Fusion]) -> tuple[Feed, ...]:
    """Every execution of a DeQuantStub, in order."""
    roots = {f.members[f.fused - 1]: f for f in fused if f.fused}
    return tuple(
        _feed(flow, roots, op.number)
        for op in flow.ops
        if _is_dequant(flow.meanings[op.number]) and op.inputs
    )


def _feed(flow: Flow, roots: dict[int, Fusion], dequant: int) -> Feed:
    first = _through_identities(flow, flow.ops[dequant].inputs[0])
    if BEHIND_STUB.isdisjoint(flow.given(dequant)):
        return Feed(dequant, first, Precision.FLOAT)
    between: list[int] = []
    number: int | None = first
    while number is not None:
        fusion = roots.get(number)
        root = fusion.members[0] if fusion else number
        kind = _gemm(flow.meanings[root], fusion)
        if kind is not Gemm.NO:
            others = tuple(_other_users(flow, number, dequant if not between else between[-1]))
            precision = (
                Precision.UNLISTED
                if kind is Gemm.UNLISTED
                else Precision.BETWEEN
                if between
                else Precision.USERS
                if others
                else Precision.HIGH
                if kind is Gemm.YES
                else Precision.VERSION
            )
            return Feed(dequant, first, precision, root, tuple(reversed(between)), others)
        between.append(number)
        number = _worked_on(flow, number)
    return Feed(dequant, first, Precision.NONE, None, tuple(reversed(between)))


def _gemm(meaning: Meaning | None, fusion: Fusion | None) -> Gemm:
    if meaning is None:
        return Gemm.NO
    # The fused kinds of a deformable convolution are in the list, the bare one is not [V].
    if fusion is not None and meaning.name == "deform_conv2d":
        return Gemm.YES
    return meaning.gemm


def _worked_on(flow: Flow, number: int) -> int | None:
    """Who made the first tensor that is or may be quantised of those that an op is given."""
    for producer, state in zip(flow.ops[number].inputs, flow.given(number), strict=True):
        if state in BEHIND_STUB:
            return _through_identities(flow, producer)
    return None


def _through_identities(flow: Flow, number: int) -> int:
    while _is_identity(flow, number) and flow.ops[number].inputs:
        number = flow.ops[number].inputs[0]
    return number


def _is_identity(flow: Flow, number: int) -> bool:
    op = flow.ops[number]
    return op.kind == "module" and facts_of(op.target).kind is Kind.IDENTITY


def _is_dequant(meaning: Meaning | None) -> bool:
    return meaning is not None and meaning.boundary is Boundary.DEQUANT


def _other_users(flow: Flow, number: int, known: int) -> list[int]:
    """Users of a result that are no DeQuantStubs, Identities looked through."""
    found = []
    for user in flow.users[number]:
        if _is_identity(flow, user):
            found += _other_users(flow, user, known)
        elif user != known and not _is_dequant(flow.meanings[user]):
            found.append(user)
    return found


def compare(
    before: Flow, old: Sequence[Feed], after: Flow, new: Sequence[Feed]
) -> Changes[tuple[Flow, Feed]]:
    """The outputs of two versions side by side, by the GEMM op that they come from."""
    return changes(
        pairs([(before, f) for f in old], [(after, f) for f in new], _key),
        lambda pair: _BADNESS[pair[1].precision],
    )


_BADNESS = {
    Precision.HIGH: 0,
    Precision.FLOAT: 1,
    Precision.VERSION: 1,
    Precision.BETWEEN: 2,
    Precision.USERS: 2,
    Precision.UNLISTED: 2,
    Precision.NONE: 2,
}


def _key(pair: tuple[Flow, Feed]) -> Hashable:
    """A GEMM op by its class and shape; a stub that has none by what it gives."""
    flow, feed = pair
    op = flow.ops[feed.dequant if feed.gemm is None else feed.gemm]
    return feed.gemm is None, op.target, op.output_facts
