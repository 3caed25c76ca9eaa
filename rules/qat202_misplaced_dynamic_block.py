"""A `Tracer.dynamic_block` that does not do what it is there for.

## What it flags

A block around a dynamic loop (or a comprehension) instead of inside it; a first argument that is not a
module, or is another one than that whose forward runs (`self.head`); a name that is put together from
something that may change, or that two blocks of one class, or of a class and its base, share; a block inside
a block; `Tracer` where nothing imports it. As a note: a block in code whose number of runs the constructor
fixes, and a name that never changes but is not written as a literal (a constant of the file).

## Why it matters

Each entry of a block is one run of one scope: every line in it is one module. Around the loop there is one
entry, and the loop in it is as dynamic as before. Blocks of one name count as one piece of logic, so their
scales are mixed up; a name that changes makes a new block each time. The plugin wants the module that runs as
the first argument, and a literal as the name. Static code needs no block, and shares modules in it for
nothing.

## Bad

```python
import torch
from horizon_plugin_pytorch.fx.jit_scheme import Tracer
from torch import nn

class Refine(nn.Module):
    def __init__(self):
        super().__init__()
        self.step = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        with Tracer.dynamic_block(self, "refine"):
            for _ in range(x.shape[0]):
                x = self.step(x) + x
        return x
```

## Good

```python
import torch
from horizon_plugin_pytorch.fx.jit_scheme import Tracer
from torch import nn

class Refine(nn.Module):
    def __init__(self):
        super().__init__()
        self.step = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
        for _ in range(x.shape[0]):
            with Tracer.dynamic_block(self, "refine"):
                x = self.step(x) + x
        return x
```

## The fix

A block around nothing but a loop is moved into it (into the innermost dynamic one of several), and the
second of two blocks with one name gets another: float results stay as they are, so both are safe. A missing
import of `Tracer` is added, from where QAT201 has it, and as safe as there. For the rest there is no one
rewrite that is right.

## Source

Horizon's how-to on dynamic code blocks; horizon_facts B and B2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from qatlint.dynamic_plan import import_fix
from qatlint.finding import Finding, Fix, MoveBlock, Related, RenameBlock, Safety, Severity
from qatlint.rule import rule
from qatlint.trace import Block, Region, Span, Trace, Varies

_NO_METHOD = "`{}` is no method, and blocks are written in methods only: {}"


class _Trouble(NamedTuple):
    """What is wrong with a block."""

    what: str
    """For the subject."""
    severity: Severity
    message: str
    fix: Fix | None = None
    no_fix: str = ""
    related: tuple[Related, ...] = ()


@rule("QAT202", "misplaced-dynamic-block", severity=Severity.ERROR, fixable=True, since="0.2.0")
def check(trace: Trace) -> Iterator[Finding]:
    """One finding per block and trouble."""
    taken: dict[tuple[str, str], int] = {}
    for block in trace.blocks:
        for trouble in _troubles(trace, block):
            subject = f"{block.function}: {trouble.what} {block.scope.name}".rstrip()
            taken[block.owner, subject] = count = taken.get((block.owner, subject), 0) + 1
            yield Finding(
                code="QAT202",
                name="misplaced-dynamic-block",
                severity=trouble.severity,
                message=trouble.message,
                span=block.scope.span,
                owner=block.owner,
                subject=subject if count == 1 else f"{subject} ({count})",
                related=trouble.related,
                fix=trouble.fix,
                no_fix=trouble.no_fix,
            )


def _troubles(trace: Trace, block: Block) -> Iterator[_Trouble]:
    known = block.scope.name and "*" not in block.scope.name
    called = f"the dynamic block `{block.scope.name}`" if known else "this dynamic block"
    if not block.imported:
        yield _Trouble(
            "not imported",
            Severity.ERROR,
            "nothing gives `Tracer` a meaning in this file: forward fails here",
            *import_fix(trace, block),
        )
    if not block.module:
        yield _Trouble(
            "no module",
            Severity.ERROR,
            f"the first argument of {called} is not a module: the plugin needs the module that runs",
            no_fix="pass the module whose forward this is, usually `self`",
        )
    elif block.foreign:
        yield _Trouble(
            "another module",
            Severity.WARNING,
            f"the first argument of {called} is another module than the one whose forward this is: the block "
            "belongs to the module that runs its lines",
            no_fix="pass the module whose forward this is, usually `self`",
        )
    if block.named == "constant":
        yield _Trouble(
            "constant name",
            Severity.NOTE,
            f"the name of {called} is not a literal: it never changes, but where the block stands, nobody "
            "sees which one it is, or whether another block has it",
            no_fix=f'write "{block.scope.name}" in its place',
        )
    if block.named == "built":
        yield _Trouble(
            "built name",
            Severity.WARNING,
            f"the name of {called} is made of something that may change: each name is another block",
            no_fix="write one literal name",
        )
    twin = _twin(trace, block)
    if twin is not None:
        yield _Trouble(
            "shared name",
            Severity.WARNING,
            f"the name `{block.scope.name}` belongs to another block of the class: both count as one piece "
            "of logic, and their scales are mixed up",
            *_renamed(block),
            related=(Related(twin.scope.span, "another block of this name"),),
        )
    if block.within is not None:
        yield _Trouble(
            "nested",
            Severity.WARNING,
            f"{called} is inside of another one: blocks must not be nested",
            no_fix="keep the inner one, and end the outer one before it",
            related=(Related(block.within.span, "the block around it"),),
        )
        return
    yield from _placed(trace, block, called)


def _placed(trace: Trace, block: Block, called: str) -> Iterator[_Trouble]:
    regions = [trace.regions[number] for number in block.inside]
    loop = next((r for r in _nest(trace, block) if r is not None and r.varies is not Varies.STATIC), None)
    loop = loop or next(_loops_in(trace, block), None)
    if loop is not None:
        fix, no_fix = _moved(trace, block, loop)
        yield _Trouble(
            "around",
            Severity.WARNING,
            f"{called} is around `{loop.written}`, not inside it: each turn runs the same lines in one "
            "entry of the block, and nothing is gained",
            fix,
            no_fix,
            related=(Related(loop.header, "the loop"),),
        )
    elif block.owner != trace.owner:
        return  # another subclass may need the block
    elif all(region.varies is Varies.STATIC for region in (*regions, *_inner(trace, block))):
        yield _Trouble(
            "static",
            Severity.NOTE,
            f"{called} is in code that runs equally often in every forward: it needs no block, and its lines "
            "share their modules for nothing",
            no_fix="remove it, unless the number of runs is not fixed after all",
        )


def _moved(trace: Trace, block: Block, loop: Region) -> tuple[Fix | None, str]:
    """The fix that moves a block into the loop in it, or why there is none."""
    if loop.statement in ("comprehension", "call"):
        return None, "write it as a loop with statements, and put the block around these"
    if not block.method:
        return None, _NO_METHOD.format(block.function, "move it by hand")
    if block.items > 1:
        return (
            None,
            "its `with` enters something else, too: take that apart, and move the block into the loop",
        )
    nest = [r for r in _nest(trace, block)[: block.alone] if r is not None and r.varies is not Varies.STATIC]
    if not nest or any(_is_in(r.span, nest[-1].span) and r not in nest for r in _loops_in(trace, block)):
        return None, "it holds more than the loop: one block into the loop, one around the rest"
    intent = MoveBlock(*_place(block), block.statement, nest[-1].span)
    return Fix("move it into the loop", Safety.SAFE, "", intent), ""


def _renamed(block: Block) -> tuple[Fix | None, str]:
    """The fix that renames a block, or why there is none."""
    if not block.method:
        return None, _NO_METHOD.format(block.function, "rename it by hand")
    if not block.called:
        return None, "its `with` does not name it: rename it where it is made"
    intent = RenameBlock(*_place(block), block.scope.span)
    return Fix("give it a name of its own", Safety.SAFE, "", intent), ""


def _place(block: Block) -> tuple[str, str]:
    return block.scope.span.path, block.owner.partition(":")[2]


def _twin(trace: Trace, block: Block) -> Block | None:
    """An earlier block of the same class and name, or one of that name that a base has: it is the same
    instance that enters both."""
    if not block.scope.name or "*" in block.scope.name:
        return None
    is_earlier = True
    for other in trace.blocks:
        if other is block:
            is_earlier = False
        elif other.scope.name == block.scope.name:
            if is_earlier if other.owner == block.owner else block.owner == trace.owner:
                return other
    return None


def _nest(trace: Trace, block: Block) -> list[Region | None]:
    """The loops that a block begins with, outermost first; None for one that runs nothing."""
    return [next((r for r in trace.regions if r.span == span and r.loops), None) for span in block.around]


def _loops_in(trace: Trace, block: Block) -> Iterator[Region]:
    """Loops anywhere in a block that run ops of the block another number of times."""
    for op in trace.ops:
        if op.scope == block.scope and not op.is_module:
            for standing in op.inside:
                region = trace.regions[standing.region]
                if (
                    region.loops
                    and region.varies is not Varies.STATIC
                    and _is_in(region.span, block.statement)
                ):
                    yield region


def _is_in(span: Span, around: Span) -> bool:
    first, last = (span.line, span.column), (span.end_line, span.end_column)
    return (
        span.path == around.path
        and (around.line, around.column) <= first
        and last <= (around.end_line, around.end_column)
    )


def _inner(trace: Trace, block: Block) -> list[Region]:
    """Regions in a block: what varies there is what the block is for."""
    return [
        trace.regions[standing.region]
        for op in trace.ops
        if op.scope == block.scope
        for standing in op.inside
    ]
