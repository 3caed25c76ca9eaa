"""Where a class needs `Tracer.dynamic_block`: dynamic loops and branches with ops in them."""

from __future__ import annotations

from typing import NamedTuple

from qatlint.fusable import rows
from qatlint.trace import Op, Region, Standing, Trace, Varies

_ORDER = {varies: n for n, varies in enumerate(Varies)}
_INLINE = ("comprehension", "call")
"""Regions without statements."""


class Spot(NamedTuple):
    """A dynamic loop or branch that runs ops itself, outside of any block."""

    region: Region
    """The innermost dynamic one around the ops."""
    by: Region
    """The one around them of which least is known; often the same."""
    ops: tuple[Op, ...]
    """In order of execution; no modules."""
    rows: tuple[tuple[Op, ...], ...]
    """Fusable rows that end with one of the ops."""


def spots(trace: Trace) -> list[Spot]:
    """All of them, in order of execution."""
    found: dict[int, list[Op]] = {}
    for op in trace.ops:
        if op.is_module or op.scope is not None:
            continue
        around = _dynamic(trace, op)
        if around:
            found.setdefault(around[-1].number, []).append(op)
    in_rows = rows(trace.ops)
    return [
        Spot(
            trace.regions[number],
            min((_worst(trace, op) for op in ops), key=lambda r: _ORDER[r.varies]),
            tuple(ops),
            tuple(row for row in in_rows if row[-1] in ops),
        )
        for number, ops in found.items()
    ]


def home(trace: Trace, op: Op, spot: Spot) -> Standing:
    """The region whose body gets the block, and the statement there that runs the op: the innermost loop,
    as far as it is written with statements."""
    inside = list(op.inside)
    first = next(n for n, s in enumerate(inside) if s.region == spot.region.number)
    best = inside[first]
    for standing in inside[first + 1 :]:
        region = trace.regions[standing.region]
        if region.span.path != spot.region.span.path or not region.receiver:
            break
        if region.loops and region.statement not in _INLINE:
            best = standing
    return best


def _dynamic(trace: Trace, op: Op) -> list[Region]:
    around = [trace.regions[s.region] for s in op.inside]
    return [region for region in around if region.varies is not Varies.STATIC]


def _worst(trace: Trace, op: Op) -> Region:
    """Of equally bad ones the innermost."""
    return min(reversed(_dynamic(trace, op)), key=lambda r: _ORDER[r.varies])
