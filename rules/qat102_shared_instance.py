"""One module instance is reachable under two names, or repeated in a container.

## What it flags

`self.b = self.a`, `[m] * n`, `[m for _ in range(n)]`, one activation object put several times into a
Sequential, a module handed to several children, a convolution grafted from one list into another, and
modules made at class level or in a default argument, which are one object for every instance.

## Why it matters

What looks like several modules is one, with one set of quantisation parameters. The toolchain reports it
under its first name only, so the other names never appear in `model_check_result.txt`.

## Bad

```python
import torch
from torch import nn

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        act = nn.ReLU()
        self.layers = nn.Sequential(nn.Linear(4, 4), act, nn.Linear(4, 4), act)

    def forward(self, x):
        return self.layers(x)
```

## Good

```python
import torch
from torch import nn

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        act = nn.ReLU()
        self.layers = nn.Sequential(nn.Linear(4, 4), act, nn.Linear(4, 4), nn.ReLU())

    def forward(self, x):
        return self.layers(x)
```

## The fix

The constructor is written once per name. Safe for modules without parameters; for modules with weights
the copies share their tensors and the state dict keeps its keys, but code that replaces or changes one
of them no longer reaches all, so the fix is unsafe.

## Source

horizon_facts E (`[m] * n` is the sharing anti-pattern of `get_clone_module`) and the profiler's log line
about names that "refer to the same instance".
"""

from __future__ import annotations

from collections.abc import Iterator

from qatlint.condition import TRUE, excludes
from qatlint.finding import Finding, Fix, Related, Safety, SeparateInstances, Severity
from qatlint.horizon.sharing import severity, why_of
from qatlint.rule import rule
from qatlint.trace import Kind, Module, Name, On, Trace, Usage
from qatlint.usage import bounds, usage
from qatlint.words import class_words, path_words


@rule("QAT102", "shared-instance", severity=Severity.ERROR, fixable=True, since="0.1.0")
def check(trace: Trace) -> Iterator[Finding]:
    """One finding per instance that is held more than once."""
    inside = (trace.owner, *trace.bases)
    held: list[frozenset[str]] = []
    for module in trace.modules:
        if module.kind is Kind.LOSS or not module.names:
            continue
        # A child that was handed the module and keeps it is another matter: its calls count for
        # QAT101 of the owner. So do plain lists, which register nothing.
        registered = [n for n in module.names if n.registered]
        names = tuple(n for n in registered if n.owner in inside)
        if any(_is_graft(n) for n in names):
            names = tuple(registered)
        if not names or not (module.class_name or trace.calls_of(module)):
            continue  # of what is neither called nor of a known class, nothing says it is a module
        if names != module.names:
            module = module._replace(names=names)
        if module.origin in ("class-level", "default-argument"):
            yield _one_for_all(trace, module)
        elif (module.origin != "parameter" or _runs_by_container(trace, module)) and (
            len(module.names) > 1 or any(n.repeated != 1 for n in module.names)
        ):
            paths = frozenset(n.path for n in module.names)
            if any(_is_inside(paths, holders) for holders in held):
                continue  # what is inside of one instance is one, too
            held.append(paths)
            used = usage(trace, module)
            if used.times.most != 0 or not trace.calls_of(module):  # else no model can be made that runs it
                yield _repeated(trace, module, used)


def _runs_by_container(trace: Trace, module: Module) -> bool:
    """Whether only a container that holds it several times runs it several times: of what is handed in and
    called by name, the calls are what is said."""
    calls = trace.calls_of(module)
    return bool(calls) and all(call.implied for call in calls) and usage(trace, module).shared


def _is_inside(paths: frozenset[str], holders: frozenset[str]) -> bool:
    return len(holders) > 1 and all(any(p.startswith(f"{h}.") for h in holders) for p in paths)


def _is_graft(name: Name) -> bool:
    """`self.b.conv = self.a.conv`: put into a child from outside."""
    return "." in name.path.removesuffix(".*") and not name.path.endswith("*")


def _repeated(trace: Trace, module: Module, used: Usage) -> Finding:
    first, second = module.names[0], module.names[min(1, len(module.names) - 1)]
    several = [n for n in module.names if n.repeated != 1]
    place = several[0] if several else second
    once = used.times.most == 1
    plan = "it runs once, so there is nothing to separate" if once else _separate(trace, module)
    return Finding(
        code="QAT102",
        name="shared-instance",
        severity=Severity.NOTE if once else severity(module.kind, module.internals, module.certain),
        message=f"{_what(module, place)}: {_once(module) if once else why_of(module)}",
        span=place.span,
        owner=place.owner or trace.owner,
        subject=module.path,
        times=bounds(used, module),
        on=On.ALWAYS if place.when == TRUE else On.SOME_PATH,
        related=tuple(
            Related(n.span, f"{'first ' if n is first else ''}held as `{path_words(n.path)}`")
            for n in module.names
            if n is not place
        ),
        fix=plan if isinstance(plan, Fix) else None,
        no_fix="" if isinstance(plan, Fix) else plan,
    )


def _once(module: Module) -> str:
    """What two names mean for a module that runs at most once."""
    if module.parameters is False and module.buffers is False:
        return "it runs once, so scales are not affected, and only the report names it twice"
    return "it runs once, so scales are not affected, but checkpoints hold its tensors under each name"


def _what(module: Module, place: Name) -> str:
    kind = class_words(module)
    if place.repeated != 1:
        count = f"{place.repeated} entries" if place.repeated else "all entries"
        return f"{count} of `{place.path.removesuffix('.*')}` are one instance ({kind})"
    others = [n.path for n in module.names if n is not place and n.path != place.path]
    if not others:
        return f"`{path_words(place.path)}` holds one instance ({kind}) {len(module.names)} times"
    return f"`{path_words(place.path)}` and `{path_words(others[0])}` are one instance ({kind})"


def _one_for_all(trace: Trace, module: Module) -> Finding:
    place = module.names[0]
    made = "at class level" if module.origin == "class-level" else "in a default argument"
    return Finding(
        code="QAT102",
        name="shared-instance",
        severity=severity(module.kind, module.internals, True),
        message=f"`{module.path}` ({class_words(module)}) is made {made}, once for all instances of the "
        f"class: {why_of(module)}",
        span=module.made_at or place.span,
        owner=trace.owner,
        subject=module.path,
        times=bounds(usage(trace, module), module),
        on=On.ALWAYS,
        related=(Related(place.span, f"held as `{place.path}` here"),) if module.made_at else (),
        no_fix=f"make `{module.path}` in `__init__`, where each instance gets its own",
    )


def _separate(trace: Trace, module: Module) -> Fix | str:
    """The fix, or why there is none."""
    names = module.names
    if module.when and any(excludes(module.when, c.when) for c in trace.calls_of(module)):
        return "it is made on some paths of the constructor only"
    if module.modified:
        return f"{module.modified} after it is made, which another instance would not follow"
    owners = {n.owner for n in names}
    if len(owners) != 1 or "" in owners or owners != {names[0].owner}:
        return "the names are given in different classes: separate the instances by hand"
    if any("." in n.path.removesuffix(".*") for n in names if not n.path.endswith(".*")):
        return "an entry of another list takes its place: separate the instances by hand"
    places = {n.span for n in names}
    if len(names) > 1 and len(places) == 1 and all(n.path.endswith("*") and n.repeated == 1 for n in names):
        return "one list takes the entries of the other: separate the instances by hand"
    if any(n.span in places for m in trace.modules if m.key != module.key for n in m.names):
        return "on another path of the constructor another module takes its place: separate them by hand"
    if module.scattered:
        return f"{module.scattered}: separate the instances by hand"
    calls = trace.calls_of(module)
    idle = next((n.path for n in names if "." not in n.path and "*" not in n.path), "")
    if idle and calls and all(c.implied for c in calls):
        return (
            f"only the container that holds it runs it: an instance of its own for `{idle}` would never run"
        )
    weighted = module.parameters is not False or module.buffers is not False
    tied = weighted or bool(module.made_anew)
    if tied and module.uncopied:
        return module.uncopied
    uses = tuple(dict.fromkeys(n.span for n in names))
    intent = SeparateInstances(
        path=names[0].span.path,
        owner=names[0].owner.partition(":")[2],
        definition=module.made_at or names[0].span,
        uses=uses,
        tied=tied,
    )
    if module.keeps_state:
        return Fix("make one instance per name", Safety.UNSAFE, module.keeps_state, intent)
    if tied:
        # The state dict had a key for each registered name before.
        reason = "the copies share the weights, but code that replaces or changes one no longer reaches all"
        if not weighted:
            reason = f"{module.made_anew}: the copies hold what the first one holds"
        return Fix("make one instance per name", Safety.UNSAFE, reason, intent)
    if module.compared:
        return Fix(
            "make one instance per name", Safety.UNSAFE, f"{module.compared}: the answer changes", intent
        )
    if module.listed:
        reason = f"{module.listed}, and would meet the new instances too"
        return Fix("make one instance per name", Safety.UNSAFE, reason, intent)
    return Fix("make one instance per name", Safety.SAFE, "", intent)
