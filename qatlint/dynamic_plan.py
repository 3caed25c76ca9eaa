"""Where a class needs `Tracer.dynamic_block`: dynamic loops and branches with ops in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from qatlint.finding import (
    TRACER,
    BlockSite,
    Fix,
    ImportTracer,
    Intent,
    LoopWithBlock,
    Safety,
    WrapInBlock,
)
from qatlint.fusable import rows
from qatlint.trace import Block, Op, Region, Span, Standing, Trace, Varies

_ORDER = {varies: n for n, varies in enumerate(Varies)}
_INLINE = {
    "comprehension": "a comprehension has no statements to put into a block: write it as a loop first",
    "call": "a call of `map` has no statements to put into a block: write it as a loop first",
    "either": "a conditional expression has no statements to put into a block: write it as `if` and `else`",
    "test": "the test of a loop cannot be in a block: compute it before the loop and at the end of its body",
}
"""Regions without statements, and what to do."""


_LOOPED = {
    "comprehension": "the comprehension becomes a loop, which runs before the rest of its statement, and its "
    "variables become those of the function",
    "call": "the call becomes a loop, which runs before the rest of its statement; `multi_apply` is taken "
    "for the usual one, which gives one list for each result",
}
"""Why a loop in their place is unsafe."""


_WHAT = {
    "if": "what the branch runs",
    "else": "what the `else` runs",
    "case": "what the `case` runs",
    "unbroken": "what the `else` runs",
    "rest": "what follows the `return`",
}
"""What to put into a block where there is no loop."""


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


class Plan(NamedTuple):
    """A fix, or why there is none."""

    fix: Fix | None
    no_fix: str = ""


def plan_blocks(trace: Trace, spot: Spot) -> Plan:
    """Which statements to put into a block."""
    region = spot.region
    if region.becomes_loop and region.receiver:
        owner = region.owner.partition(":")[2]
        loop = LoopWithBlock(
            region.span.path,
            owner,
            region.receiver,
            region.span,
            _tracer(trace),
            _prefix(trace, region.owner),
        )
        why = _LOOPED[region.statement]
        return Plan(Fix("write it as a loop with a dynamic block", Safety.UNSAFE, why, loop))
    if region.statement in _INLINE:
        return Plan(None, _INLINE[region.statement])
    if not region.receiver:
        return Plan(
            None,
            f"`{region.function}` has no module to give to the block: make it a method of the class, and put "
            f"{_WHAT.get(region.statement, 'the body of the loop')} into a block there",
        )
    homes: dict[int, list[Span]] = {}
    for op in (*spot.ops, *(op for row in spot.rows for op in row)):
        standing = _home(trace, op, spot)
        if standing is not None and standing.statement is not None:
            homes.setdefault(standing.region, []).append(standing.statement)
    sites: list[BlockSite] = []
    for number, statements in homes.items():
        home = trace.regions[number]
        apart = dict.fromkeys(_apart(trace, number, homes, spot))
        if not apart.keys().isdisjoint(statements):
            return Plan(
                None,
                "an op stands in the head of a statement with a block of its own: compute it before that",
            )
        sites.append(BlockSite(home.span, home.statement, tuple(dict.fromkeys(statements)), tuple(apart)))
    if not sites:
        return Plan(None, "the ops are not run by a statement of the loop that could be put into a block")
    what = "dynamic blocks" if len(sites) > 1 else "a dynamic block"
    title = f"put them into {what} in `{region.written}`"
    owner = region.owner.partition(":")[2]
    intent = WrapInBlock(
        region.span.path, owner, region.receiver, tuple(sites), _tracer(trace), _prefix(trace, region.owner)
    )
    return Plan(_importing(trace, title, intent))


def _prefix(trace: Trace, owner: str) -> str:
    """The module of a class that has a base of its own name: blocks are named after their class, and those of
    both belong to one instance."""
    module, _, qualname = owner.partition(":")
    name = qualname.rpartition(".")[2]
    same = any(b.partition(":")[2].rpartition(".")[2] == name for b in trace.bases if b != owner)
    return module.rpartition(".")[2] if same and owner == trace.owner else ""


def import_fix(trace: Trace, block: Block) -> Fix:
    """The fix for a block whose `Tracer` nothing imports."""
    owner = block.owner.partition(":")[2]
    intent = ImportTracer(block.scope.span.path, owner, block.statement, _tracer(trace))
    return _importing(trace, "import it", intent)


def _tracer(trace: Trace) -> str:
    return trace.tracer or TRACER


def _importing(trace: Trace, title: str, intent: Intent) -> Fix:
    """A fix that may bring an import into a file: safe where the project has what is imported."""
    if trace.tracer or trace.has_plugin:
        return Fix(title, Safety.SAFE, "", intent)
    why = (
        "no file here imports the plugin, and with the fix this one does: where the plugin is missing, it "
        "cannot be imported any more (`tracer-import` in the settings says where `Tracer` comes from)"
    )
    return Fix(title, Safety.UNSAFE, why, intent)


def _home(trace: Trace, op: Op, spot: Spot) -> Standing | None:
    """The region whose body gets the block, and the statement there that runs the op: the innermost loop in
    the class that is written with statements."""
    numbers = [s.region for s in op.inside]
    if spot.region.number not in numbers:
        return None
    first = numbers.index(spot.region.number)
    best = op.inside[first]
    for standing in op.inside[first + 1 :]:
        region = trace.regions[standing.region]
        if region.span.path != spot.region.span.path or region.receiver != spot.region.receiver:
            break
        elif_ = trace.regions[best.region].statement == "else" and region.span == best.statement
        if elif_ or (region.loops and region.statement not in _INLINE):
            best = standing
    return best


def _apart(trace: Trace, number: int, homes: Mapping[int, object], spot: Spot) -> Iterator[Span]:
    """Statements of a region that hold a block, or will."""
    mine = {op.number for op in spot.ops}
    for op in trace.ops:
        inside = [s.region for s in op.inside]
        if op.is_module or number not in inside:
            continue
        statement = op.inside[inside.index(number)].statement
        deeper = inside[inside.index(number) + 1 :]
        own = op.number in mine and homes.keys().isdisjoint(deeper)
        if statement is not None and not own and (op.scope is not None or _dynamic(trace, op)):
            yield statement


def _dynamic(trace: Trace, op: Op) -> list[Region]:
    around = [trace.regions[s.region] for s in op.inside]
    return [region for region in around if region.varies is not Varies.STATIC]


def _worst(trace: Trace, op: Op) -> Region:
    """Of equally bad ones the innermost."""
    return min(reversed(_dynamic(trace, op)), key=lambda r: _ORDER[r.varies])
