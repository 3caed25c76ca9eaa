"""A loop or branch that may run another number of times holds ops, and no dynamic block.

## What it flags

Functions, Tensor methods and operators that `prepare` replaces or fuses, run by the class itself in a loop
or branch whose number of turns is not fixed when the model is built: it depends on tensor values, on the
shape of the input, on random numbers, on an attribute that forward changes, or on something nobody can
prove to be constant (an argument, the length of a list that was handed in). Where all who make a class are
other modules of the project, what they hand in is looked at: a list that they write down has one length,
and one that a module gives is only ever a note, since a module gives as many tensors each time as it is
built for. The cases of a `match` and conditional expressions are branches, and so are the `else` of a loop
that may `break`, what follows a branch or a loop that may return, unless it is the shape that decides, and
what follows a `continue` in a turn. Helpers are followed, also into other files, functions in functions,
methods of objects that are no modules, and methods of children that are not their forward.

What an earlier forward may have left decides about a test of it, also whether it is there: an attribute, an
entry of a dict or list of the module (`self.info["bev"]`), an attribute of a child whose methods forward
calls, and what `hasattr` asks for. A list that forward clears or sets first holds what it fills in. `sum(ys)`
and `functools.reduce(f, ys)` run an op for each of `ys`; they have no fix.

However a loop over a tensor is written, it turns as often as an axis is long: `for t in x`, `enumerate(x)`,
`zip(x, y)`, `range(len(x))`, `range(x.shape[0])`, `torch.arange(x.shape[0])`, `x.unbind(0)`, `x.split(1)`.
For an input, and for what is computed of one, the shape decides: a warning. It is not known to be fixed
where the tensor is made by a module that is not looked into, where each turn takes a module of the class
(`self.layers[i]`), along the last axis, of coordinates or channels (`x.shape[-1]`, `x.unbind(-1)`), and for
a table of sizes or indices that is handed in: a warning where a sequence is inside that should be fused,
else a note. So it is with what nothing shows to be a tensor. It is fixed where the length is written:
`x.view(3, -1)`, a `stack` of a list of known length, `x.chunk(2)`, `x.split([1, 2])`, and `zip` with
anything that is.

So it is with what tensors are kept in: the columns of `zip(*rows)` are as many as there are rows, a dict
has an entry for each turn that filled it, and `a, *rest = xs` leaves the others. Of an attribute or an
entry of something that was handed in (`tracks.scores`, `batch["x"]`) nobody knows if it is a tensor: a test
of it depends on values where only a tensor answers (`.max()`, `.any()`, `.item()`), and where it is added
to a convolution, that is a sequence. Writing into a tensor (`x[...] = y`) is an op, since `prepare`
replaces it; a number that is written into what holds one number everywhere (`x.new_ones(2, 3)`) makes a
mask, and is none.

Silent for loops over the constructor's own lists and numbers, for bodies that only call modules or move
data (`view`, `permute`, `x[i]`), for arithmetic on numbers and shapes, for `self.training`, for tests of
presence (`is not None`) and of types, for code in a block already, for functions hidden by `@fx_wrap`, for
guards against empty or too small inputs (`x.shape[0] == 0`, `padding > 0`), for losses and what else needs
the ground truth, for whole numbers (indices, counts) and what an `assert` computes, and for what comes
after the last DeQuantStub, is post-processing by its name, or stands in one loop or helper with a call of
non-maximum suppression.

## Why it matters

Every execution of a function call gets a generated module of its own, matched by order. When the number of
executions is another than while tracing, calls get each other's scales, or forward fails with "Forward
graph varied after tracing!"; `conv + add` in such a loop stays unfused. A dynamic block makes one line one
module.

## Bad

```python
import torch
from torch import nn

class Refine(nn.Module):
    def __init__(self):
        super().__init__()
        self.step = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x):
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
            with Tracer.dynamic_block(self, "refine_forward_1"):
                x = self.step(x) + x
        return x
```

## The fix

The statements that run the ops are put into `with Tracer.dynamic_block(self, "<class>_<method>_<n>"):`,
inside the innermost dynamic loop or branch, numbered from the top of the text to its end. A loop in it
whose turns are fixed comes into the block as a whole: each of its turns has modules of its own there, so
`conv + add` in it does not fuse, and the finding says so. The block ends where a dynamic test may leave a
turn (`continue`, `break`) or a generator gives something away; a convolution in front of that does not
fuse with an add behind it. Turns that differ by the counter (`if i > 0`) or by what an earlier turn made
(`prev is not None`) share the block: let such a turn run in code of its own where `verify` says that
entries of a block do not do the same. Results in float are the same, so the fix is safe. It imports `Tracer`
where the file has no name for it: from the plugin, or from where `tracer-import` in the settings says; as
`HorizonTracer` where something else is called `Tracer`. In a project that nowhere imports the plugin and
has no such setting, the finding is the same, since the code is as wrong for the chip, but the fix is
unsafe: the file could no longer be imported where the plugin is missing. A comprehension, a generator that
is taken whole (by `sum`, `list`, `max` and the like), and `list(map(f, xs))` or `multi_apply`, become a
loop in front of their statement, which is unsafe: it runs before the rest of the statement, and its
variables become those of the function. A plain function has no module to give to the block: there the
finding says what to do.

## Source

Horizon's how-to on dynamic code blocks, the J6 manual's precision tuning example
(`BevFormer.process_input`); horizon_facts B, C5, I.
"""

from __future__ import annotations

from collections.abc import Iterator

from qatlint.dynamic_homes import Homes
from qatlint.dynamic_plan import Spot, Unfused, plan_blocks, spots
from qatlint.finding import Finding, Related, Severity
from qatlint.horizon.ops import becomes_of
from qatlint.rule import rule
from qatlint.trace import Op, Region, Trace, Varies
from qatlint.words import listed, varies_words

_PARTS = {"else": "`else`", "test": "test", "unbroken": "`else`"}
"""Parts of a statement that are regions of their own."""


@rule("QAT201", "missing-dynamic-block", severity=Severity.WARNING, fixable=True, since="0.2.0")
def check(trace: Trace) -> Iterator[Finding]:
    """One finding per innermost dynamic loop or branch."""
    taken: dict[tuple[str, str], int] = {}
    homes = Homes(trace)
    for spot in spots(trace, homes):
        region = spot.region
        subject = f"{region.function}: {_head(region)}{_number(trace, region)}"
        key = (region.owner, subject)
        taken[key] = count = taken.get(key, 0) + 1
        plan = plan_blocks(trace, homes, spot)
        yield Finding(
            code="QAT201",
            name="missing-dynamic-block",
            severity=_severity(spot),
            message=_message(spot),
            span=region.header,
            owner=region.owner,
            subject=subject if count == 1 else f"{subject} ({count})",
            related=tuple(dict.fromkeys(_related(spot))),
            fix=plan.fix,
            no_fix=plan.no_fix,
        )


def _number(trace: Trace, region: Region) -> str:
    """Which one it is of those that are called alike, by their places in the text: a subclass meets what its
    base has before or after its own, and what is fixed does not change what others are called."""
    alike = {r.span for r in trace.regions if (r.header, r.statement) == (region.header, region.statement)}
    parts = sorted(alike).index(region.span) + 1  # one test may end several bodies early
    return (f" ({region.nth})" if region.nth > 1 else "") + (f" [{parts}]" if parts > 1 else "")


def _severity(spot: Spot) -> Severity:
    varies = spot.by.varies
    fusable = spot.rows or any(unfused.repeated is not None for unfused in spot.unfused)
    doubtful = varies is Varies.GIVEN or (varies is Varies.UNPROVEN and not fusable)
    return Severity.NOTE if doubtful else Severity.WARNING


def _part(region: Region) -> str:
    return f"code after the `{region.way}`" if region.way else _PARTS.get(region.statement, "")


def _head(region: Region) -> str:
    part = _part(region)
    return f"{part.replace('`', '')} of {region.written}" if part else region.written


def _message(spot: Spot) -> str:
    region, by = spot.region, spot.by
    part, is_left = _part(region), by.statement == "rest" and by.beside == region.number
    if is_left:
        left = f"a turn of `{region.written}`" if by.way == "continue" else f"`{region.written}`"
        what = f"whether `{by.written}` leaves {left} early {varies_words(by)}"
    elif by.loops:
        what = f"the number of turns of `{by.written}` {varies_words(by)}"
    elif by.statement == "either":
        what = f"which side of `{by.written}` runs {varies_words(by)}"
    elif by.statement == "unbroken":
        what = f"whether `{by.written}` comes to its end {varies_words(by)}"
    else:
        what = f"whether `{by.written}` holds {varies_words(by)}"
    here = f"`{region.written}` {f'after its `{by.way}`' if by.way else 'in it'}"
    if is_left:
        here = "the loop" if region.loops else "the branch"
    elif region.written == by.written:
        here = f"its {part}" if part else "it"
    elif part:
        here = f"the {part} of {here}"
    ops = listed(list(dict.fromkeys(f"`{op.written}`" for op in spot.ops)))
    text = f"{what}, and {here} runs {ops} outside of any dynamic block: calls are matched by order"
    if spot.rows:
        return f"{text}, and {_row_words(spot.rows[0])} is not fused"
    return f"{text}, so they get each other's scales"


def _row_words(row: tuple[Op, ...]) -> str:
    return " then ".join(f"`{op.written}`" for op in row)


def _related(spot: Spot) -> Iterator[Related]:
    if spot.by is not spot.region:
        yield Related(spot.by.header, "this decides how often")
    for row in spot.rows:
        yield Related(row[-1].span, f"{_row_words(row)}: fuses only inside a dynamic block")
    for unfused in spot.unfused:
        yield Related(unfused.row[-1].span, f"{_row_words(unfused.row)}: {_why_unfused(unfused)}")
    ends = {row[-1].number for row in (*spot.rows, *(unfused.row for unfused in spot.unfused))}
    for op in spot.ops:
        if op.number not in ends:
            yield Related(op.span, f"`{op.written}` becomes a module ({becomes_of(op.name)})")


def _why_unfused(unfused: Unfused) -> str:
    if unfused.repeated is not None:
        return (
            f"stays unfused in a block around `{unfused.repeated.written}`, which repeats it there; only a "
            "block in that loop lets it fuse"
        )
    if unfused.between is not None:
        return f"no block fuses it, since `{unfused.between.written}` between them must stay outside"
    return "no block fuses it, since they cannot be in one block"
