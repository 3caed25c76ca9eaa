"""A QuantStub is given a tensor that is quantised already.

## What it flags

A call of a QuantStub whose argument comes from another QuantStub, or from ops on quantised tensors, on every
path and in every model that runs the class. An error where the stub has a fixed scale. A QuantStub behind a
DeQuantStub (a model that is cut in two) is none, nor one whose argument may be float.

Where a class has a stub of its own and several instances, one of which is given a float tensor, it is said
of the others.

## Why it matters

The tensor is quantised a second time: one more op on the chip, with a scale of its own, which costs accuracy
and time. With a fixed scale the plugin refuses the quantised input and stops.

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
        self.conv = nn.Conv2d(8, 8, 1)
        self.quant_feat = QuantStub()
        self.out = nn.Conv2d(8, 8, 1)
        self.dequant = DeQuantStub()

    def forward(self, x):
        x = self.conv(self.quant(x))
        return self.dequant(self.out(self.quant_feat(x)))
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
        self.conv = nn.Conv2d(8, 8, 1)
        self.out = nn.Conv2d(8, 8, 1)
        self.dequant = DeQuantStub()

    def forward(self, x):
        x = self.conv(self.quant(x))
        return self.dequant(self.out(x))
```

## The fix

The call is replaced by its argument, and the stub is made no more where nothing else uses it. Float results
and keys of the state dict stay: the fix is safe. No fix where the stub is an entry of a container, or
picked out of several (`self.stubs[i]`).

## Source

The plugin's QuantStub and notes on `model_check_result.txt`; horizon_facts F and C6.
"""

from __future__ import annotations

from collections.abc import Iterator

from qatlint.finding import Finding, Fix, Related, RemoveStub, Safety, Severity
from qatlint.flowing import Subjects, is_quantised, makers, own_stubs, subject_of
from qatlint.rule import rule
from qatlint.trace import Flow, QuantOp, Trace


@rule("QAT303", "redundant-quantstub", severity=Severity.ERROR, fixable=True, since="0.2.0")
def check(trace: Trace) -> Iterator[Finding]:
    """One finding per call of a stub."""
    subjects = Subjects()
    for span, runs in own_stubs(trace, quantizes=True).items():
        subject = subjects.take(subject_of(runs[0][1]))
        redundant = _redundant(runs)
        if not redundant:
            continue
        flow, op = redundant[0]
        fixed = any(op.stub is not None and op.stub.scale for _, op in redundant)
        is_one_of_some = len(redundant) < len(runs)
        cost = (
            "it has a fixed scale, and the plugin stops at a quantised input"
            if fixed
            else "it is quantised twice, each time with a loss"
        )
        fix, no_fix = _fix(trace, runs)
        where = f" in `{op.path}`" if is_one_of_some else ""
        if is_one_of_some:
            fix, no_fix = None, f"other instances are given a float tensor: make `{op.path}` without a stub"
        yield Finding(
            code="QAT303",
            name="redundant-quantstub",
            severity=Severity.ERROR if fixed else Severity.WARNING,
            message=f"the argument of `{op.written}` is quantised already{where}: {cost}",
            span=span,
            owner=op.owner,
            subject=subject,
            related=tuple(_related(flow, op)),
            fix=fix,
            no_fix=no_fix,
        )


def _redundant(runs: list[tuple[Flow, QuantOp]]) -> list[tuple[Flow, QuantOp]]:
    """Those of the runs whose stub, one instance in one model, is given nothing else."""
    needed = {
        (flow.root, op.module)
        for flow, op in runs
        if not op.operands or not is_quantised(flow, op.operands[0])
    }
    if any(not op.path or not op.module for _, op in runs) and needed:
        return []  # nobody knows which instance it is
    return [(flow, op) for flow, op in runs if (flow.root, op.module) not in needed]


def _related(flow: Flow, op: QuantOp) -> Iterator[Related]:
    maker = next(makers(flow, op.operands[0]), None)
    if maker is not None:
        yield Related(maker.span, f"`{maker.written}` gives a quantised tensor")


def _fix(trace: Trace, runs: list[tuple[Flow, QuantOp]]) -> tuple[Fix | None, str]:
    """(the fix, or None, why there is none)."""
    op = runs[0][1]
    if op.owner != trace.owner:
        return None, "the stub is called in a base class, which others may inherit"
    if op.entry:
        return None, "the stub is an entry of a container: take it out there"
    if op.stub is not None and op.stub.bound:
        return None, op.stub.bound
    if op.stub is not None and op.stub.picked:
        return None, "it is one of several stubs, which would be made for nothing: take it out there"
    intent = RemoveStub(op.span.path, op.owner.partition(":")[2], op.span)
    return Fix(f"remove `{op.written}`", Safety.SAFE, "", intent), ""
