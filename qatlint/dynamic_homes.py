"""Where dynamic blocks can stand: in which body of a loop or branch, around which of its statements."""

from __future__ import annotations

from collections.abc import Sequence

from qatlint.trace import Op, Region, Span, Standing, Trace, Varies

INLINE = ("comprehension", "call", "either", "test")
"""Regions without statements of their own."""


class Homes:
    """Questions to the regions of one Trace."""

    def __init__(self, trace: Trace) -> None:
        self._regions = trace.regions
        self._apart: dict[int, dict[Span, None]] = {}
        """Region -> statements of its body that hold a block, or will."""
        self._leaving: dict[int, dict[Span, None]] = {}
        """Region -> statements by which its body may be left."""
        for op in trace.ops:
            if not op.is_module or op.scope is not None:
                self._learn(op)

    def _learn(self, op: Op) -> None:
        """Which statements around an op hold a block, or will."""
        holds = op.scope is not None
        bodies: set[int] = set()
        """Regions of whose body a part gets the block."""
        for standing in reversed(op.inside):
            region = self._regions[standing.region]
            if holds and standing.statement is not None:
                self._apart.setdefault(standing.region, {})[standing.statement] = None
            if self.is_dynamic(region) and region.statement == "rest" and region.beside >= 0:
                bodies.add(region.beside)
                self._leaving.setdefault(region.beside, {})[region.span] = None
            elif self.is_dynamic(region) or region.number in bodies:
                holds = True

    def is_dynamic(self, region: Region) -> bool:
        """Whether nobody knows, when the model is built, whether or how often it runs."""
        return region.varies is not Varies.STATIC

    def around(self, op: Op) -> list[Region]:
        """The dynamic regions around an op, outermost first."""
        regions = (self._regions[standing.region] for standing in op.inside)
        return [region for region in regions if self.is_dynamic(region)]

    def innermost(self, op: Op) -> Region | None:
        """The innermost dynamic loop or branch around an op. What follows a `continue` or the like belongs to
        the loop or branch that it is a part of, where that is dynamic by itself."""
        around = self.around(op)
        if not around:
            return None
        last = around[-1]
        if last.statement == "rest" and last.beside >= 0:
            beside = self._regions[last.beside]
            return beside if self.is_dynamic(beside) else last
        return last

    def home(self, op: Op, region: Region) -> Standing | None:
        """The body that gets a block around `op`, and the statement there that runs it: that of `region`, or
        of the outermost loop or branch in it whose statement holds no other block. None where there is
        none."""
        for standing in self._within(op, region):
            here = self._regions[standing.region]
            if here.owner != region.owner or here.receiver != region.receiver or here.statement in INLINE:
                return None
            if standing.statement is not None and here.bodied and not self._is_apart(standing):
                return standing
        return None

    def holds(self, op: Op, region: Region) -> bool:
        """Whether an op stands in a region."""
        return bool(self._within(op, region))

    def _within(self, op: Op, region: Region) -> tuple[Standing, ...]:
        """Where an op stands, from `region` on inwards."""
        numbers = [standing.region for standing in op.inside]
        return op.inside[numbers.index(region.number) :] if region.number in numbers else ()

    def _is_apart(self, standing: Standing) -> bool:
        return standing.statement in self._apart.get(standing.region, ())

    def apart(self, number: int) -> tuple[Span, ...]:
        """Statements in the body of a region that stay outside of its blocks."""
        return tuple(dict.fromkeys((*self._apart.get(number, ()), *self._regions[number].suspends)))

    def leaving(self, number: int) -> tuple[Span, ...]:
        """Statements by which the body of a region may be left: they can be the last ones of a block."""
        return tuple(self._leaving.get(number, ()))

    def between(self, row: Sequence[Op], region: Region) -> Span | None:
        """A statement between the first and the last op of a row that stays outside of the block, so that no
        block holds them all; the statement of the last one where they stand in different bodies. None where
        one block does hold them."""
        standings = [self.home(op, region) for op in row]
        bodies = {standing.region if standing is not None else -1 for standing in standings}
        spans = [s.statement for s in standings if s is not None and s.statement is not None]
        if len(bodies) > 1:
            return spans[-1]
        if standings[0] is None:
            return None
        number = standings[0].region
        parting = (*self.leaving(number), *self.apart(number))
        return next((span for span in parting if min(spans) <= span < max(spans)), None)

    def runs_again(self, op: Op, region: Region) -> Region | None:
        """A loop in the block around `op`: it runs several times at each entry."""
        standing = self.home(op, region)
        inside = self._within(op, region)
        if standing is not None:
            inside = inside[inside.index(standing) :]
        loops = (self._regions[s.region] for s in inside[1:])
        return next((loop for loop in loops if loop.loops), None)
