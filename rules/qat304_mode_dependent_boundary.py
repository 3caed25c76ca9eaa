"""A QuantStub or DeQuantStub that works in one mode only, or on one return path only.

## What it flags

A stub that runs in training only, in evaluation only, or in or outside of export only
(`torch.onnx.is_in_onnx_export()`), while the ops behind it run in both; a DeQuantStub that one mode leaves
out, using the quantised tensor instead (for its loss, mostly); a return statement that gives a quantised
tensor where another one gives it dequantised, in the model or in a child of it. As well: torch's QuantStub
with a number or a `scale`, which it cannot take. Not where an attribute decides that the
constructor sets (`if self.export:`): each model that is built has one boundary then. Nor a stub whose whole
branch exists in one mode only (an auxiliary head).

## Why it matters

`prepare` traces the model once, in eval mode, and cuts it at the stubs. In the other mode the boundary
lies elsewhere: losses are computed of quantised tensors, float tensors meet quantised ones, scales are
never calibrated. The first argument of torch's QuantStub is a qconfig: a number there is no scale, and the
one that was meant is not set.

## Bad

```python
import torch
from horizon_plugin_pytorch.quantization import QuantStub
from torch import nn
from torch.quantization import DeQuantStub

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.out = nn.Conv2d(8, 8, 1)
        self.dequant = DeQuantStub()

    def forward(self, x):
        y = self.out(self.quant(x))
        if not self.training:
            y = self.dequant(y)
        return y
```

## Good

```python
import torch
from horizon_plugin_pytorch.quantization import QuantStub
from torch import nn
from torch.quantization import DeQuantStub

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.out = nn.Conv2d(8, 8, 1)
        self.dequant = DeQuantStub()

    def forward(self, x):
        y = self.out(self.quant(x))
        return self.dequant(y)
```

## The fix

There is none: which side is right, only the author knows. Put the stub outside of the branch.

## Source

Horizon's how-to texts on stubs and on prepare; torch's and the plugin's QuantStub; horizon_facts B4 and F.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qatlint.condition import TRAINING, Condition, excludes, implies, literal, negate
from qatlint.finding import Finding, Related, Severity
from qatlint.flowing import Subjects, is_quantised, own_stubs, subject_of
from qatlint.rule import rule
from qatlint.trace import Comes, Flow, Quant, QuantOp, Returned, Span, Trace
from qatlint.words import listed

_OUTSIDE = "put the stub where it runs in every mode, outside of the branch"


@rule("QAT304", "mode-dependent-boundary", severity=Severity.ERROR, fixable=False, since="0.2.0")
def check(trace: Trace) -> Iterator[Finding]:
    """One finding per call of a stub, stub or return."""
    subjects = Subjects()
    made: set[Span] = set()
    of_mode = False
    for quantizes in (True, False):
        for runs in own_stubs(trace, quantizes=quantizes).values():
            subject = subjects.take(subject_of(runs[0][1]))
            found = [_mode_of(flow, op) for flow, op in runs]
            if all(mode for mode, _ in found):
                of_mode = True
                yield _in_one_mode(*runs[0], *found[0], subject)
            yield from _wrongly_made(runs[0][1], subject, made)
    yield from _returns(trace, subjects, of_mode)


# --- one mode -----------------------------------------------------------------------------------------------


def _mode_of(flow: Flow, op: QuantOp) -> tuple[str, str]:
    """(the only mode in which the stub works while what it is for exists in both, the other); "" when there
    is none."""
    modes = [(TRAINING, "in training", "in evaluation")]
    modes += [(a.number, f"in {a.mode}", f"outside of {a.mode}") for a in flow.atoms.values() if a.mode]
    for number, mode, other in modes:
        for holds in (True, False):
            elsewhere = literal(number, not holds)
            if not implies(op.when, literal(number, holds)):
                continue
            if _used_in(flow, op, elsewhere) or _left_out(flow, op, elsewhere):
                return (mode, other) if holds else (other, mode)
    return "", ""


def _used_in(flow: Flow, op: QuantOp, mode: Condition) -> bool:
    """Whether what takes the stub's result is given something else in a mode in which the stub does not run:
    a tensor that is quantised on one path only."""
    makes = _made_in(flow, op, negate(mode))
    takers = [
        (state, flow.ops[user].when)
        for number in makes
        for user in flow.ops[number].users
        for state in flow.ops[user].operands
    ]
    takers += [(returned.state, returned.when) for returned in flow.returns]
    return any(
        state.quant is Quant.UNKNOWN
        and not makes.isdisjoint(state.made_by)
        and not excludes(when, mode)
        and _is_instead(flow, op, [n for n in state.made_by if n not in makes], mode)
        for state, when in takers
    )


def _is_instead(flow: Flow, op: QuantOp, others: Sequence[int], mode: Condition) -> bool:
    """Whether that is what the stub is given, or made of it: of what else may have made a tensor, nothing has
    done there what the stub does. None: it is an input."""
    states = {flow.ops[n].result.quant for n in others if not excludes(flow.ops[n].when, mode)}
    return op.result.quant not in states and (not states or states != {Quant.UNKNOWN})


def _made_in(flow: Flow, op: QuantOp, mode: Condition) -> set[int]:
    """The stub, and what in its mode only is made of its result: quantised or float as that is."""
    makes, pending = {op.number}, [op]
    while pending:
        for number in pending.pop().users:
            user = flow.ops[number]
            if number not in makes and implies(user.when, mode) and user.result.quant is op.result.quant:
                makes.add(number)
                pending.append(user)
    return makes


def _left_out(flow: Flow, op: QuantOp, mode: Condition) -> bool:
    """Whether what a DeQuantStub is given is used in the other mode as it is, on all of its paths: else the
    return statement of the one path is what is wrong."""
    if op.stub is None or op.stub.quantizes or not op.operands:
        return False
    makers = [flow.ops[number] for number in op.operands[0].made_by]
    # `self.head(x)` of each mode may stand in a branch of its own.
    makers += [
        other
        for other in flow.ops
        if implies(other.when, mode) and any(other.module and other.module == one.module for one in makers)
    ]
    takers = [flow.ops[user] for maker in makers for user in maker.users]
    if any(_dequantises(taker) and not excludes(taker.when, mode) for taker in takers):
        return False
    if any(implies(taker.when, mode) for taker in takers if not _dequantises(taker)):
        return True
    return any(
        implies(r.when, mode)
        and r.state.quant is Quant.QUANTIZED
        and any(maker.number in r.state.made_by for maker in makers)
        for r in flow.returns
    )


def _dequantises(op: QuantOp) -> bool:
    return op.stub is not None and not op.stub.quantizes


def _in_one_mode(flow: Flow, op: QuantOp, mode: str, other: str, subject: str) -> Finding:
    begins = op.stub is not None and op.stub.quantizes
    effect = (
        f"{other} the ops behind it are given the float tensor"
        if begins
        else f"{other} its input is used quantised"
    )
    users = [flow.ops[user] for user in op.users][:1]
    return Finding(
        code="QAT304",
        name="mode-dependent-boundary",
        severity=Severity.ERROR,
        message=f"`{op.written}` runs {mode} only: {effect}, and prepare sees one mode",
        span=op.span,
        owner=op.owner,
        subject=subject,
        related=tuple(Related(user.span, f"`{user.written}` takes its result") for user in users),
        no_fix=_OUTSIDE,
    )


# --- what a stub is made with -------------------------------------------------------------------------------


def _wrongly_made(op: QuantOp, subject: str, made: set[Span]) -> Iterator[Finding]:
    stub = op.stub
    if (
        stub is None
        or not stub.quantizes
        or not stub.class_name.startswith("torch.")
        or stub.definition in made
    ):
        return
    if not stub.number_first and not stub.scale:
        return
    made.add(stub.definition)
    what = (
        "the first argument of torch's QuantStub is a qconfig, not a scale"
        if stub.number_first
        else "torch's QuantStub takes no scale"
    )
    yield Finding(
        code="QAT304",
        name="mode-dependent-boundary",
        severity=Severity.ERROR,
        message=f"{what}: the stub of `{op.written}` does not get the scale that is meant",
        span=stub.definition,
        owner=op.owner,
        subject=f"{subject}: scale",
        no_fix="import it from horizon_plugin_pytorch.quantization, whose QuantStub takes a scale",
    )


# --- return paths -------------------------------------------------------------------------------------------


def _returns(trace: Trace, subjects: Subjects, of_mode: bool) -> Iterator[Finding]:
    """One finding per return statement that is without a boundary wherever the class runs. `of_mode`: a stub
    was found that works in one mode, so that returns of the other have been spoken of."""
    found: dict[Span, list[tuple[Flow, list[Returned], Returned] | None]] = {}
    for flow in trace.flows:
        if not flow.complete:
            continue
        runs: dict[str, list[Returned]] = {}
        for returned in (*flow.returns, *flow.inner_returns):
            if returned.runner == trace.owner:
                runs.setdefault(returned.path, []).append(returned)
        for returns in runs.values():
            for span in dict.fromkeys(r.span for r in returns):
                found.setdefault(span, []).append(_without_boundary(flow, span, returns))
    for span, judged in found.items():
        if judged[0] is None or None in judged:
            continue
        flow, given, other = judged[0]
        if of_mode and _is_of_one_mode(flow, given[0].when):
            continue
        makers = list(dict.fromkeys(f"`{flow.ops[r.state.made_by[0]].written}`" for r in given))
        results = "results" if len(makers) > 1 else "result"
        yield Finding(
            code="QAT304",
            name="mode-dependent-boundary",
            severity=Severity.WARNING,
            message=f"this return gives the {results} of {listed(makers)} quantised, where another return "
            "is behind a DeQuantStub: the model has no one boundary",
            span=span,
            owner=trace.owner,
            subject=subjects.take("return"),
            related=(Related(other.span, "this return is behind a DeQuantStub"),),
            no_fix="give every output back behind a DeQuantStub",
        )


def _is_of_one_mode(flow: Flow, when: Condition) -> bool:
    numbers = [TRAINING, *(atom.number for atom in flow.atoms.values() if atom.mode)]
    return any(implies(when, literal(number, holds)) for number in numbers for holds in (True, False))


def _without_boundary(
    flow: Flow, span: Span, returns: Sequence[Returned]
) -> tuple[Flow, list[Returned], Returned] | None:
    """(flow, what one return statement gives quantised, another return that gives it dequantised); None
    where there is no such thing."""
    mine = [r for r in returns if r.span == span]
    given = [r for r in mine if r.state.made_by and is_quantised(flow, r.state)]
    if not given:
        return None
    is_root = flow.root == given[0].runner
    for other in returns:
        if other.span == span or not _is_dequantised(other) or not _choose(flow, other, given[0]):
            continue
        beside = [r for r in returns if r.span == other.span]
        # A child may well hand on quantised features, beside outputs that are dequantised.
        if is_root or not (
            any(map(_is_dequantised, mine)) or any(is_quantised(flow, r.state) for r in beside)
        ):
            return flow, given, other
    return None


def _is_dequantised(returned: Returned) -> bool:
    state = returned.state
    return state.quant is Quant.FLOAT and any(origin.comes is Comes.DEQUANTIZED for origin in state.origins)


def _choose(flow: Flow, one: Returned, other: Returned) -> bool:
    """Whether the inputs or the mode decide between two returns, not the constructor."""
    atoms = {abs(x) for condition in (one.when, other.when) for term in condition for x in term}
    undecided = [n for n in atoms if n != TRAINING and not (n in flow.atoms and flow.atoms[n].config)]
    return excludes(one.when, other.when) and bool(undecided or TRAINING in atoms)
