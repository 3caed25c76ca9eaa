"""What a DeQuantStub is given does not come from a GEMM op directly.

## What it flags

An op between the last GEMM op (Conv2d, Conv3d, Linear, matmul) and a DeQuantStub, a GEMM op whose result
has other users besides DeQuantStubs, and an output without any GEMM op. What fuses with the GEMM op (batch
norm, add, ReLU) is part of it; an Identity does not count. Also a product that the toolchain's list of GEMM
ops does not have: `F.linear` and other functions that are given their weights, `torch.bmm`, `einsum`, an
attention. As a note: ops that only move numbers (`view`,
`permute`, slices), which newer versions of the toolchain may see through (a warning where the settings say
`toolchain = "early"`), and ConvTranspose, Conv1d and deformable convolutions, for which it depends on the
version.

## Why it matters

Only a GEMM op directly before a DeQuantStub keeps the precision of its accumulator: int32 on J6E and J6M,
float on J6B, J6H and J6P. Any other op gives int8 or int16 (on J6H and J6P float16, unless the qconfig
says int8), so that regressed boxes, points and scores lose their last digits. Sigmoid, exp and softmax
cost more: they are tables of values.

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
        self.cls = nn.Conv2d(8, 3, 1)
        self.dequant = DeQuantStub()

    def forward(self, x):
        x = self.quant(x)
        return self.dequant(self.cls(x).sigmoid())
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
        self.cls = nn.Conv2d(8, 3, 1)
        self.dequant = DeQuantStub()

    def forward(self, x):
        x = self.quant(x)
        return self.dequant(self.cls(x)).sigmoid()
```

## The fix

The stub is moved to the result of the GEMM op, and the ops run behind it, in float, on the CPU; also those
in helpers and children that are given it (`self.decode(self.head(x))`), or under a condition. Where the
GEMM op runs in a loop and the stub behind it, the stub runs in each turn then. Where several GEMM ops are
put together (`cat`), each gets a stub of its own; outputs that are parts of one result (`boxes, classes =
head(x).split(...)`) are moved at once, and share one. In float a stub does nothing, so results and keys of
the state dict stay: safe. It is unsafe where a module (`self.sigmoid`) also runs elsewhere, where it stays
quantised. There is no fix where another op, or another stub, needs what would be float then, and for
products, which are no work for the CPU.

## Source

The plugin's template for high precision output and its checker, the manual's chapter on heads; horizon_facts
G.
"""

from __future__ import annotations

from collections.abc import Iterator

from qatlint.condition import TRAINING, implies, literal
from qatlint.dequant_plan import NoPlan, Plan, plan
from qatlint.finding import Finding, Fix, Intent, MoveDequant, Related, Safety, Severity
from qatlint.flowing import Subjects, own_stubs, subject_of
from qatlint.horizon.ops import Gemm, Result, chips, meaning_of, result_on
from qatlint.outputs import Output, Precision, outputs
from qatlint.rule import rule
from qatlint.trace import Flow, QuantOp, Trace
from qatlint.words import listed

_SAID = (Precision.VERSION, Precision.BETWEEN, Precision.USERS, Precision.UNLISTED, Precision.NONE)


@rule("QAT401", "non-gemm-before-dequant", severity=Severity.WARNING, fixable=True, since="0.2.0")
def check(trace: Trace) -> Iterator[Finding]:
    """One finding per call of a stub."""
    subjects = Subjects()
    known = [{output.stub: output for output in outputs(flow)} for flow in trace.flows]
    by_flow = {id(flow): found for flow, found in zip(trace.flows, known, strict=True)}
    for span, runs in own_stubs(trace, quantizes=False).items():
        judged: dict[str, list[tuple[Flow, QuantOp, Output | None]]] = {}
        for flow, op in runs:
            judged.setdefault(subject_of(op), []).append((flow, op, by_flow[id(flow)].get(op.number)))
        lost = [entry for entry in judged if all(_is_said(output) for _, _, output in judged[entry])]
        subject = subjects.take(lost[0] if lost else next(iter(judged)))
        if not lost or implies(runs[0][1].when, literal(TRAINING)):
            continue
        said = [(f, op, o) for entry in lost for f, op, o in judged[entry] if o is not None]
        flow, op, output = said[0]
        fix, no_fix = _fix(trace, said)
        right = [run for entry in judged if entry not in lost for run in judged[entry]]
        if fix is not None and not all(_stays_right(fix.intent, f, o) for f, _, o in right):
            fix, no_fix = None, "other stubs that the same call runs are right where they are"
        yield Finding(
            code="QAT401",
            name="non-gemm-before-dequant",
            severity=min(_severity(trace, f, o) for f, _, o in said),
            message=_message(trace, flow, op, output),
            span=span,
            owner=op.owner,
            subject=subject,
            related=tuple(_related(flow, output)),
            fix=fix,
            no_fix=no_fix,
        )


def _is_said(output: Output | None) -> bool:
    return output is not None and output.precision in _SAID


def _stays_right(intent: Intent, flow: Flow, output: Output | None) -> bool:
    """Whether another stub that the same call runs would take what it takes now."""
    if not isinstance(intent, MoveDequant) or output is None or output.between:
        return False
    return {flow.ops[source.end].span for source in output.sources} == set(intent.operands)


def _severity(trace: Trace, flow: Flow, output: Output) -> Severity:
    if output.precision is Precision.VERSION:
        return Severity.NOTE
    moves = output.precision is Precision.BETWEEN and all(_is_layout(flow.ops[n]) for n in output.between)
    return Severity.NOTE if moves and trace.toolchain != "early" else Severity.WARNING


def _is_layout(op: QuantOp) -> bool:
    meaning = meaning_of(op.name)
    return meaning is not None and meaning.layout


def _message(trace: Trace, flow: Flow, op: QuantOp, output: Output) -> str:
    gemm = _listed_gemms(flow, [source.root for source in output.sources])
    between = _between(flow, output)
    if output.precision is Precision.VERSION:
        return f"whether {gemm} keeps its precision before `{op.written}` depends on the toolchain's version"
    if output.precision is Precision.USERS:
        fused = _listed_gemms(flow, [source.end for source in output.sources])
        return f"the result of {fused} has other users besides `{op.written}`: {_lost(trace)}"
    if output.precision is Precision.UNLISTED:
        return _unlisted(trace, flow, op, output)
    if output.precision is Precision.NONE:
        last = between[-1:] or ["a QuantStub"]
        return f"`{op.written}` is given the result of {last[0]}, and no GEMM op is before it: {_lost(trace)}"
    stands = "stands" if len(between) == 1 else "stand"
    where = f"between {gemm} and `{op.written}`" if gemm else f"directly before `{op.written}`"
    message = f"{listed(between)} {stands} {where}: {_lost(trace)}"
    if _severity(trace, flow, output) is Severity.NOTE:
        message += "; newer versions of the toolchain may see through ops that only move numbers"
    return message


def _listed_gemms(flow: Flow, numbers: list[int]) -> str:
    return ", ".join(dict.fromkeys(f"`{flow.ops[number].written}`" for number in numbers))


def _unlisted(trace: Trace, flow: Flow, op: QuantOp, output: Output) -> str:
    """Of a product that the toolchain's list does not have."""
    ops = _products(flow, output)
    refused = [one for one in ops if _is_refused(one, trace.march)]
    names = listed([*dict.fromkeys(f"`{one.written}`" for one in refused or ops)])
    if refused:
        return f"a quantised tensor refuses {names} before `{op.written}`, and prepare makes no module of it"
    return f"`{op.written}` is given the result of {names}, which is none of the GEMM ops: {_lost(trace)}"


def _products(flow: Flow, output: Output) -> list[QuantOp]:
    return [flow.ops[source.root] for source in output.sources if source.gemm is Gemm.UNLISTED]


def _is_refused(op: QuantOp, march: str) -> bool:
    meaning = meaning_of(op.name)
    return meaning is not None and result_on(meaning, march) is Result.REFUSED


def _between(flow: Flow, output: Output) -> list[str]:
    """What stands between, as it is written, each once."""
    return [f"`{written}`" for written in dict.fromkeys(flow.ops[n].written for n in output.between)]


def _lost(trace: Trace) -> str:
    """What is lost on the chip."""
    chip = chips()[trace.march] if trace.march else None
    if chip is None:
        return "the output leaves as int8 or int16, not with the precision of a GEMM op"
    return f"on {chip.march} the output leaves as {chip.otherwise} instead of {chip.output}"


def _related(flow: Flow, output: Output) -> Iterator[Related]:
    for span, written in {flow.ops[n].span: flow.ops[n].written for n in output.between}.items():
        yield Related(span, f"`{written}`")
    for source in output.sources:
        yield Related(flow.ops[source.root].span, "the GEMM op")
    if output.precision is Precision.USERS:
        for number in output.others:
            yield Related(flow.ops[number].span, f"`{flow.ops[number].written}` takes the same result")


def _fix(trace: Trace, said: list[tuple[Flow, QuantOp, Output]]) -> tuple[Fix | None, str]:
    """(the fix, or None, why there is none)."""
    flow, op, output = said[0]
    if output.precision is Precision.VERSION:
        return None, "end with Conv2d, Conv3d or Linear where the precision matters"
    if output.precision is Precision.USERS:
        return None, "give the output a GEMM op of its own, or the other users one"
    if output.precision is Precision.UNLISTED:
        if any(_is_refused(one, trace.march) for one in _products(flow, output)):
            return (
                None,
                "hold the weights in a module (nn.Linear, nn.Conv2d); write a product as torch.matmul",
            )
        return None, "end with Conv2d, Conv3d, Linear or torch.matmul where the precision matters"
    if output.precision is Precision.NONE:
        return None, "end with a GEMM op, or keep the output at int16 by the qconfig"
    if op.owner != trace.owner:
        return None, "the stub is called in a base class, which others may inherit"
    plans = [plan(f, o) for f, _, o in said]
    first = plans[0]
    if isinstance(first, NoPlan):
        return None, first.reason
    if any(not isinstance(p, Plan) or p.intent != first.intent for p in plans):
        return None, "it is not the same in every model that runs the class"
    reasons = [p.reason for p in plans if isinstance(p, Plan) and p.reason]
    title = f"apply `{op.written}` before {listed(_between(flow, output))}"
    if reasons:
        return Fix(title, Safety.UNSAFE, reasons[0], first.intent), ""
    return Fix(title, Safety.SAFE, "", first.intent), ""
