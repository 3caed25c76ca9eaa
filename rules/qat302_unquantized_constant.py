"""A float constant that meets a quantised tensor without a QuantStub.

## What it flags

A tensor that is the same in every forward (`torch.arange`, `linspace`, a literal, a buffer, a parameter, the
weight of an embedding), or what is computed of such tensors only, where it meets a quantised tensor in an
operation, or a layer with weights whose result goes on into the region; also where a loop begins with it and
goes on with what is quantised (the queries of a decoder). The model is followed through its children in all
files.

Silent for constants of whole numbers and truths, for tensors of one number (and an entry of a row of
numbers), for constants whose dtype nobody knows, for the weights of functional convolutions, for what runs
in training only, and in projects that have nothing to do with the plugin. A note instead of a warning where
the settings say `toolchain = "current"`: that one inserts the stub itself. Where the quant state of the
other operand is not known, nothing is said.

## Why it matters

The constant is an input of the operation, and an operation of the region wants quantised inputs. Older
versions of the toolchain leave it in float, and the operation falls back to the CPU. Newer ones insert a
QuantStub by themselves, whose range is a guess: with a stub of your own you can fix the range, or choose
int16, for this tensor alone.

## Bad

```python
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.conv = nn.Conv2d(3, 8, 1)
        self.out = nn.Conv2d(8, 4, 1)
        self.dequant = DeQuantStub()

    def forward(self, x):
        x = self.conv(self.quant(x))
        weights = torch.linspace(0, 1, 8)[None, :, None, None] * 2
        return self.dequant(self.out(x * weights))
```

## Good

```python
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.quant_weights = QuantStub()
        self.conv = nn.Conv2d(3, 8, 1)
        self.out = nn.Conv2d(8, 4, 1)
        self.dequant = DeQuantStub()

    def forward(self, x):
        x = self.conv(self.quant(x))
        weights = torch.linspace(0, 1, 8)[None, :, None, None] * 2
        return self.dequant(self.out(x * self.quant_weights(weights)))
```

## The fix

Makes `self.quant_<name>` in the constructor and uses it once, after the arithmetic on the constant, which
stays in float, and outside of loops: where each turn takes a row of a table, a variable in front of the
loop holds the quantised table; a table that is cut in parts is quantised as a whole. Where the constant is
handed to another class, or another function, the stub is around the argument. Safe: float results and
checkpoint keys stay the same. Unsafe where no model is found that runs the class, so that its inputs are
only taken for quantised, and where the class also runs on what nobody knows, or in code that is not
followed (loss, post-processing). No fix where another class computes with the constant before it meets a
quantised tensor, where the operation gets what is quantised elsewhere, and where the operation can run
behind the DeQuantStub (QAT401): there it needs a float constant; nor where the class also runs in float,
outside of the region.

## Source

Horizon's how-to on inserting QuantStub (constant tensors), the J6 manual's precision tuning example
(`dim_t_quant`); horizon_facts F: newer versions of the toolchain insert the stub by themselves.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qatlint.finding import Finding, Related, Severity
from qatlint.rule import rule
from qatlint.stub_plan import stub_plan
from qatlint.trace import Trace
from qatlint.unquantised import Stray, met, unquantized_constants

_EFFECTS = {
    "": "the operation falls back to the CPU, or a newer toolchain inserts a stub and guesses its range",
    "early": "the operation falls back to the CPU",
    "current": "the toolchain inserts a stub itself and guesses its range, which one of your own can fix",
}
"""What comes of it, by the generation of the toolchain in the settings."""
_RANDOM = re.compile(r"\.(rand|randn|rand_like|randn_like|normal|poisson|bernoulli)_?\(")


@rule("QAT302", "unquantized-constant", severity=Severity.WARNING, fixable=True, since="0.2.0")
def check(trace: Trace) -> Iterator[Finding]:
    """One finding per constant."""
    taken: dict[str, int] = {}
    for stray in unquantized_constants(trace):
        name = stray.origin.name
        taken[name] = count = taken.get(name, 0) + 1
        plan = stub_plan(trace, stray)
        yield Finding(
            code="QAT302",
            name="unquantized-constant",
            severity=Severity.NOTE if trace.toolchain == "current" else Severity.WARNING,
            message=_message(stray, trace.toolchain),
            span=stray.place,
            owner=stray.owner,
            subject=name if count == 1 else f"{name} ({count})",
            related=tuple(_related(stray)),
            fix=plan.fix,
            no_fix=plan.no_fix,
        )


def _message(stray: Stray, toolchain: str) -> str:
    what = "random tensor" if _RANDOM.search(stray.origin.name) else "constant"
    return f"{what} `{stray.origin.name}` {met(stray)}: {_EFFECTS[toolchain]}"


def _related(stray: Stray) -> Iterator[Related]:
    if stray.origin.span != stray.place:
        yield Related(stray.origin.span, "the constant")
    for meeting in stray.meetings:
        if meeting.op.span != stray.place:
            yield Related(meeting.op.span, f"`{meeting.op.written}` takes it as float")
