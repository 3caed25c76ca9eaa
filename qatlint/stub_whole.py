"""Whether a float tensor can be quantised where it begins: all that is made of it belongs into the region.

This is asked where no single op or expression makes what enters: an embedding that is cut in two, a history
of which each turn of a loop takes a part. Every op that takes the tensor, or what such ops make of it, must
then be given nothing else that is float, or be given what is quantised, or be a layer of the region.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from qatlint.condition import TRUE
from qatlint.flowing import changes_operand
from qatlint.horizon.ops import meaning_of
from qatlint.trace import Comes, Flow, Handed, Origin, Quant, QuantOp, QuantState, Span, Trace
from qatlint.unquantised import Stray, entering, is_mixed, layers


class Target(NamedTuple):
    """What gets quantised."""

    span: Span
    """An expression, or the parameter."""
    parameter: str = ""
    """The name of that parameter."""
    others: tuple[Span, ...] = ()
    """Further places of the same expression: it is quantised once, in front of all of them."""


def whole_plan(trace: Trace, stray: Stray) -> Target | None:
    """The place where a tensor begins, if it can be quantised there."""
    origin = stray.origin
    if any(set(meeting.state.origins) != {origin} for meeting in stray.runs):
        return None
    in_region = {op.span for flow in trace.flows for op in flow.ops if is_mixed(op)}
    found = [_Uses(flow, origin, in_region) for flow in trace.flows]
    if not all(uses.all_belong for uses in found):
        return None
    first = [use for uses in found for use in uses.first]
    makers = [op for uses in found for op in uses.makers]
    if makers:
        return _maker(trace, makers) if not first else None
    if origin.comes is Comes.INPUT and origin.name.isidentifier() and origin.owner == trace.owner:
        return Target(origin.span, origin.name) if first else None
    if origin.comes is Comes.CONSTANT and origin.runner == trace.owner and origin.name.startswith("self."):
        return _attribute(trace, origin, first)
    return None


def _maker(trace: Trace, makers: Sequence[QuantOp]) -> Target | None:
    """The one op of the class that makes it."""
    spans = {op.span for op in makers}
    one = makers[0]
    if runs_again(trace, one.span):
        return None
    own = one.owner == one.runner == trace.owner and not one.inner and not one.loops
    return Target(one.span) if own and len(spans) == 1 else None


def _attribute(trace: Trace, origin: Origin, first: Sequence[tuple[QuantOp, Span | None]]) -> Target | None:
    """The places of the class that take an attribute."""
    places: dict[Span, None] = {}
    for op, position in first:
        if position is None or not op.owner == op.runner == trace.owner:
            return None
        if op.inner and not op.comprehended:
            return None
        if runs_again(trace, op.span):
            return None
        places[position] = None
    if len(places) == 1 and not any(op.loops or op.inner for op, _ in first):
        return Target(next(iter(places)))
    # The attribute itself, and no name of something else that it may be at the time. Under a condition it
    # may not even exist in front of the loop.
    if not places or len({op.function for op, _ in first}) > 1 or any(op.when != TRUE for op, _ in first):
        return None
    if not all(is_as_long(span, origin.name) for span in places):
        return None
    return Target(next(iter(places)), others=tuple(places))


def runs_again(trace: Trace, span: Span) -> bool:
    """Whether a place runs several times in one forward of the class, in a method that is called so often:
    one stub there would serve all of them."""
    return any(run_again(op for op in flow.ops if op.span == span) for flow in trace.flows)


def run_again(runs: Iterable[QuantOp | Handed]) -> bool:
    """Whether two of these runs of one place belong to one forward of the class."""
    seen: set[tuple[str, tuple[Span, ...]]] = set()
    for one in runs:
        depth = len(one.via)
        if not depth:
            continue
        while depth and one.via_owners[depth - 1] == one.runner:
            depth -= 1
        if (one.path, one.via[:depth]) in seen:
            return True
        seen.add((one.path, one.via[:depth]))
    return False


def is_as_long(span: Span, name: str) -> bool:
    """Whether a name is all that is written at a place."""
    return span.line == span.end_line and span.end_column - span.column == len(name)


class _Uses:
    """What takes one tensor, and what is made of it, in one flow."""

    def __init__(self, flow: Flow, origin: Origin, in_region: Collection[Span]) -> None:
        """`in_region`: the places that are given something quantised in one of their runs."""
        self.first: list[tuple[QuantOp, Span | None]] = []
        """The ops that take it as it is, and where they have it written."""
        self.makers: list[QuantOp] = []
        """The ops that make it of nothing."""
        self._flow, self._origin, self._in_region = flow, origin, in_region
        self._made: set[int] = set()
        self._enters = entering(flow)
        self.all_belong = self._follow()

    def _follow(self) -> bool:
        origin = self._origin
        if origin in self._flow.kept or any(self._is_part(r.state) for r in self._flow.returns):
            return False
        return all(self._belongs(op) for op in self._flow.ops)

    def _belongs(self, op: QuantOp) -> bool:
        """Whether an op can take the tensor quantised; true of one that does not take it."""
        parts = [self._is_part(state) for state in op.operands]
        if not any(parts):
            if self._origin.span == op.span and self._origin in op.result.origins:
                self._made.add(op.number)
                self.makers.append(op)
                return not op.kept
            return True
        meaning = meaning_of(op.name)
        # A parameter is another name for what its stub gives; an expression would lose what is written to it.
        loses = changes_operand(op) and parts[0] and self._origin.comes is not Comes.INPUT
        if op.stub is not None or meaning is None or loses:
            return False
        for state, position in zip(op.operands, op.positions, strict=True):
            if self._is_part(state) and not state.made_by:
                self.first.append((op, position))
        if is_mixed(op):
            return True
        if op.kept or op.returned:
            return False
        others = [s for s, part in zip(op.operands, parts, strict=True) if not part]
        if any(s.quant is not Quant.PLAIN for s in others):
            return False
        if op.name in layers():
            return op.number in self._enters
        # Arithmetic stays in float, unless it is a turn of what runs in the region.
        self._made.add(op.number)
        return meaning.layout or op.span in self._in_region

    def _is_part(self, state: QuantState) -> bool:
        if state.made_by:
            return not self._made.isdisjoint(state.made_by)
        return self._origin in state.origins
