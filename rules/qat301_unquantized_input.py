"""A float input of the model that meets an operation of the quantised region without a QuantStub.

## What it flags

An argument of the model's forward (or an element of one: `batch["img"]`, `batch.img`, `feats[0]`) that is
given, as it is or after float arithmetic, to an operation together with a quantised tensor; or to a
convolution, a linear layer or another layer with weights whose result goes on into the region, or to the
first such layer of a model in which no stub is found. A product without weights (`torch.inverse(camera) @
points`) is float arithmetic like any other. As well: what a DeQuantStub gave, where it goes back into the
region like this (a model that is cut in two, reference points that a decoder refines), and a mask or an
index that is made a number (`mask.float()`), or added as it is (`scores + attn_mask`). The model is
followed through its children in all files, so a QuantStub in a backbone is seen. A stub that a flag
replaces by `nn.Identity()` or None counts: the model without it is the float one.

Silent for float arithmetic before the stub, for masks, indices, shapes and other arguments that hold no
quantities, for arguments with a default, for what runs in training only, and behind the last DeQuantStub.
Silent too where nothing says that the class is a model: it is one if the settings (`entry-points`) or a
script that calls `prepare` names it, or if no other class makes it and a QuantStub takes one of its
inputs.

## Why it matters

A float tensor sends the operation to the CPU, and the compiled model is cut in two there: data travels
between the processors, and nothing fuses across the cut. The table of layers in `model_check_result.txt`
shows it as `torch.float32` in the inputs of an operation that is no stub.

## Bad

```python
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub

class Fusion(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant_img = QuantStub()
        self.conv = nn.Conv2d(3, 8, 1)
        self.head = nn.Conv2d(8, 4, 1)
        self.dequant = DeQuantStub()

    def forward(self, rgbd):
        img, depth = rgbd[:, :3], rgbd[:, 3:4]
        x = self.conv(self.quant_img(img))
        return self.dequant(self.head(x + depth))
```

## Good

```python
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub

class Fusion(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant_img = QuantStub()
        self.quant_depth = QuantStub()
        self.conv = nn.Conv2d(3, 8, 1)
        self.head = nn.Conv2d(8, 4, 1)
        self.dequant = DeQuantStub()

    def forward(self, rgbd):
        img, depth = rgbd[:, :3], rgbd[:, 3:4]
        x = self.conv(self.quant_img(img))
        return self.dequant(self.head(x + self.quant_depth(depth)))
```

## The fix

Makes `self.quant_<input>` in the constructor and uses it once: around the operand where there is one place
that needs it, around the expression that makes the tensor where there are several, around the whole input
where it enters in parts (`chunk`, `history[:, step]`), around the argument where it is handed to another
class, and outside of loops. Safe: float results and checkpoint keys stay the same. No fix where the tensor
is computed in another class, where some of its users need it in float, and where the operation can run
behind the DeQuantStub (QAT401): there it needs a float tensor. None for what a DeQuantStub gave: it may as
well be taken from before that stub.

## Source

Horizon's how-to on inserting QuantStub and DeQuantStub, the J6 manual's precision tuning example (float32
inputs in the table of layers); horizon_facts F and H32.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qatlint.finding import Finding, Related, Severity
from qatlint.flowing import Subjects, subject_of
from qatlint.rule import rule
from qatlint.stub_plan import stub_plan
from qatlint.trace import Trace
from qatlint.unquantised import Stray, met, unquantized_casts, unquantized_inputs, unquantized_results

_ELEMENT = re.compile(r'\["?(.*?)"?\]')


@rule("QAT301", "unquantized-input", severity=Severity.ERROR, fixable=True, since="0.2.0")
def check(trace: Trace) -> Iterator[Finding]:
    """One finding per input, and per call of a DeQuantStub whose result goes back into the region."""
    for stray in unquantized_inputs(trace):
        plan = stub_plan(trace, stray)
        yield Finding(
            code="QAT301",
            name="unquantized-input",
            severity=Severity.ERROR,
            message=f"input {_message(stray)}",
            span=stray.place,
            owner=stray.owner,
            subject=_subject(stray.origin.name),
            related=tuple(_related(stray, "the input")),
            fix=plan.fix,
            no_fix=plan.no_fix,
        )
    subjects = Subjects()
    for stray in unquantized_casts(trace):
        plan = stub_plan(trace, stray)
        yield Finding(
            code="QAT301",
            name="unquantized-input",
            severity=Severity.ERROR,
            message=_message(stray),
            span=stray.place,
            owner=stray.owner,
            subject=subjects.take(stray.origin.name),
            related=tuple(_related(stray, "a mask or an index becomes a number")),
            fix=plan.fix,
            no_fix=plan.no_fix,
        )
    for stray in unquantized_results(trace):
        yield Finding(
            code="QAT301",
            name="unquantized-input",
            severity=Severity.ERROR,
            message=f"the result of {_message(stray)}",
            span=stray.place,
            owner=stray.owner,
            subject=subjects.take(_stub(trace, stray)),
            related=tuple(_related(stray, "the DeQuantStub")),
            no_fix="quantise it again in front of the operation, or take what the DeQuantStub is given",
        )


def _subject(name: str) -> str:
    """`batch.img` of `batch["img"]`, `feats.*` of `feats[...]`."""
    return _ELEMENT.sub(r".\1", name.replace("[...]", "[*]"))


def _stub(trace: Trace, stray: Stray) -> str:
    """`dequant` of `self.dequant(self.out(x))`."""
    called = stray.origin.name.partition("(")[0]
    if called == "getattr":
        runs = (op for flow in trace.flows for op in flow.ops if op.span == stray.origin.span)
        return next((subject_of(op) for op in runs), called)
    return called.removeprefix("self.")


def _message(stray: Stray) -> str:
    effect = "it runs on the CPU and cuts the compiled model in two"
    return f"`{stray.origin.name}` {met(stray)}: {'all of it runs on the CPU' if stray.bare else effect}"


def _related(stray: Stray, begin: str) -> Iterator[Related]:
    yield Related(stray.origin.span, begin)
    for meeting in stray.meetings:
        if meeting.op.span != stray.place:
            yield Related(meeting.op.span, f"`{meeting.op.written}` takes it as float")
