"""A module that no path of forward executes.

## What it flags

`self.x = nn.Something(...)` where forward, and what it reaches, never runs `self.x` nor anything inside
it. Silent when it is read in another way (its weight, a return value, a subclass, another object), when
it belongs to training code such as a loss, and when the forward could not be followed.

## Why it matters

A module that is not executed while the model is traced gets no quantisation parameters. It is listed with
0 in "Each module called times", and loading a calibration or QAT checkpoint then reports missing keys.

## Bad

```python
import torch
from torch import nn

class Neck(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x):
        return self.conv(x)
```

## Good

```python
import torch
from torch import nn

class Neck(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return self.conv(x)
```

## The fix

None: whether the module or its missing call is the mistake, only the author knows.

## Source

horizon_facts H22 and B3 (modules with called times 0 give miss_key at calibration, QAT and export).
"""

from __future__ import annotations

from collections.abc import Iterator

from qatlint.finding import Finding, Severity
from qatlint.rule import rule
from qatlint.trace import Kind, Module, On, Times, Trace
from qatlint.words import class_words

_SILENT = frozenset({Kind.LOSS, Kind.UNKNOWN, Kind.IDENTITY, Kind.DROPOUT})


@rule("QAT103", "unused-module", severity=Severity.WARNING, fixable=False, since="0.1.0")
def check(trace: Trace) -> Iterator[Finding]:
    """One finding per attribute that holds a module and is never executed."""
    if not trace.has_forward or not trace.complete:
        return
    executed = {call.module for call in trace.calls}
    busy = {p for m in trace.modules if m.key in executed for p in (m.path, *(n.path for n in m.names))}
    # One of several objects, of which another may be anything.
    seen = {m.path for m in trace.modules if m.kind is Kind.UNKNOWN}
    for module in trace.modules:
        if module.key in executed or module.path in busy or module.path in seen or not _judged(module):
            continue
        if any(path.startswith(f"{module.path}.") for path in busy):
            continue
        if module.definition_owner != trace.owner:
            continue  # the class that makes it is judged on its own
        seen.add(module.path)
        only = module.used.startswith("only ")
        if module.used and not only:
            continue
        holds = (module.parameters, module.buffers)
        lost = (
            ", and checkpoints miss its keys"
            if any(holds)
            else ", and checkpoints miss its keys, if it has any"
        )
        lost = "" if holds == (False, False) else lost
        where = f"; it is used {module.used}, which forward does not reach" if only else ""
        yield Finding(
            code="QAT103",
            name="unused-module",
            severity=Severity.NOTE if only else Severity.WARNING,
            message=f"`{module.path}` ({class_words(module)}) is never executed by forward{where}: it gets "
            f"no quantisation parameters{lost}",
            span=module.definition,
            owner=trace.owner,
            subject=module.path,
            times=Times(0, 0),
            on=On.ALWAYS,
            no_fix="remove the module, or call it in forward",
        )


def _judged(module: Module) -> bool:
    return (
        bool(module.path)
        and "." not in module.path
        and "*" not in module.path
        and bool(module.names)
        and len(module.names) == 1
        and module.kind not in _SILENT
    )
