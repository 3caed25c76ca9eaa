"""Where a class needs `Tracer.dynamic_block`: dynamic loops and branches with ops in them."""

from __future__ import annotations

from typing import NamedTuple

from qatlint.dynamic_homes import INLINE, Homes
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
from qatlint.trace import Block, Op, Region, Span, Trace, Varies

_ORDER = {varies: n for n, varies in enumerate(Varies)}
_INLINE = {
    "comprehension": "a comprehension has no statements to put into a block: write it as a loop first",
    "call": "a call has no statements to put into a block for each turn: write it as a loop first",
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
}
"""What to put into a block where there is no loop."""


class Unfused(NamedTuple):
    """A fusable row that a dynamic block leaves as it is."""

    row: tuple[Op, ...]
    repeated: Region | None
    """The loop in the block that runs it several times at each entry; None where no block holds all of it."""
    between: Region | None = None
    """What stands between its ops."""


class Spot(NamedTuple):
    """A dynamic loop or branch that runs ops itself, outside of any block."""

    region: Region
    """The innermost dynamic one around the ops."""
    by: Region
    """The one of which least is known, also of what leaves those around them early; often the same."""
    ops: tuple[Op, ...]
    """In order of execution; no modules."""
    rows: tuple[tuple[Op, ...], ...]
    """Fusable rows that end with one of the ops, and that a block lets fuse."""
    unfused: tuple[Unfused, ...] = ()
    """The other ones."""


def spots(trace: Trace, homes: Homes) -> list[Spot]:
    """All of them, in order of execution; `homes` are those of the trace."""
    found: dict[int, list[Op]] = {}
    for op in trace.ops:
        region = homes.innermost(op) if not op.is_module and op.scope is None else None
        if region is not None:
            found.setdefault(region.number, []).append(op)
    every = rows(trace.ops, trace.regions)
    return [_spot(trace, homes, trace.regions[number], ops, every) for number, ops in found.items()]


def _spot(trace: Trace, homes: Homes, region: Region, ops: list[Op], every: list[tuple[Op, ...]]) -> Spot:
    around = [r for op in ops for r in reversed(homes.around(op))]
    # Of equally bad ones a loop that is left, not what follows the place where it is; then the innermost.
    by = min(around, key=lambda r: (_ORDER[r.varies], r.statement == "rest" and r != region))
    fused, unfused = [], []
    for row in every:
        if row[-1] in ops and all(homes.holds(op, region) for op in row):
            why = _unfused(trace, homes, region, row)
            if why is None:
                fused.append(row)
            else:
                unfused.append(why)
    return Spot(region, by, tuple(ops), tuple(fused), tuple(unfused))


def _unfused(trace: Trace, homes: Homes, region: Region, row: tuple[Op, ...]) -> Unfused | None:
    """Why a block leaves a row unfused; None where it does not."""
    between = homes.between(row, region)
    if between is not None:
        return Unfused(row, None, next((r for r in trace.regions if r.span == between), None))
    again = homes.runs_again(row[-1], region)
    return Unfused(row, again) if again is not None else None


class Plan(NamedTuple):
    """A fix, or why there is none."""

    fix: Fix | None
    no_fix: str = ""


def plan_blocks(trace: Trace, homes: Homes, spot: Spot) -> Plan:
    """Which statements to put into a block; `homes` are those of the trace."""
    region = spot.region
    if region.becomes_loop and region.receiver and region.method:
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
    if region.statement in INLINE:
        return Plan(None, _INLINE[region.statement])
    body = (
        f"what follows the `{region.way}`"
        if region.way
        else _WHAT.get(region.statement, "the body of the loop")
    )
    if not region.receiver and region.method:
        return Plan(
            None,
            f"`{region.function}` belongs to another module than the one whose forward runs it, and a block "
            f"is given that one: put {body} into a block where it is called, or into a forward of its own",
        )
    if not region.receiver:
        return Plan(
            None,
            f"`{region.function}` has no module to give to the block: make it a method of the class, and put "
            f"{body} into a block there",
        )
    if not region.method:
        return Plan(
            None,
            f"`{region.function}` is no method, and blocks are written into methods only: put {body} into "
            f'`with Tracer.dynamic_block({region.receiver}, "{region.function}_1")`, or make it a method',
        )
    bodies: dict[int, dict[Span, None]] = {}
    for op in (*spot.ops, *(op for row in spot.rows for op in row)):
        standing = homes.home(op, region)
        if standing is None or standing.statement is None:
            return Plan(None, _homeless(trace, op, region))
        bodies.setdefault(standing.region, {})[standing.statement] = None
    sites: list[BlockSite] = []
    for number, statements in bodies.items():
        home = trace.regions[number]
        if any(_share_lines(one, other) for one in statements for other in home.suspends):
            return Plan(
                None,
                "a statement with an op also gives control away (`yield`, `await`), and a block must not be "
                "open then: compute it before that",
            )
        apart, leaving = homes.apart(number), homes.leaving(number)
        sites.append(BlockSite(home.span, home.statement, tuple(statements), apart, leaving))
    what = "dynamic blocks" if len(sites) > 1 else "a dynamic block"
    title = f"put them into {what} in `{region.written}`"
    owner = region.owner.partition(":")[2]
    intent = WrapInBlock(
        region.span.path, owner, region.receiver, tuple(sites), _tracer(trace), _prefix(trace, region.owner)
    )
    return Plan(_importing(trace, title, intent))


def _homeless(trace: Trace, op: Op, region: Region) -> str:
    """Why no statement can be put into a block for an op."""
    numbers = [s.region for s in op.inside]
    statement = op.inside[numbers.index(region.number)].statement
    for other in trace.regions:
        if other.span == statement and other.header.line <= op.span.line <= other.header.end_line:
            return (
                f"`{op.written}` stands in the head of `{other.written}`, which has a block of its own in "
                "it: compute it before that"
            )
    return (
        f"the statement that runs `{op.written}` also runs code that has a block of its own, and blocks must "
        f"not be nested: put `{op.written}` into a block where it stands"
    )


def _share_lines(one: Span, other: Span) -> bool:
    return one.line <= other.end_line and other.line <= one.end_line


def _prefix(trace: Trace, owner: str) -> str:
    """The module of a class that has a base of its own name: blocks are named after their class, and those of
    both belong to one instance."""
    module, _, qualname = owner.partition(":")
    name = qualname.rpartition(".")[2]
    same = any(b.partition(":")[2].rpartition(".")[2] == name for b in trace.bases if b != owner)
    return module.rpartition(".")[2] if same and owner == trace.owner else ""


def import_fix(trace: Trace, block: Block) -> Plan:
    """The fix for a block whose `Tracer` nothing imports."""
    if not block.method:
        return Plan(None, f"`{block.function}` is no method, and only classes are fixed: import it by hand")
    owner = block.owner.partition(":")[2]
    intent = ImportTracer(block.scope.span.path, owner, block.statement, _tracer(trace))
    return Plan(_importing(trace, "import it", intent))


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
