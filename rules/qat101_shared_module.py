"""One module instance is executed more than once in one forward of its owner.

## What it flags

A module held by a class (`self.relu`, an entry of `self.layers`) that one forward of that class runs
twice or more: at several places, in a loop, through helpers, `super()`, `multi_apply`, `checkpoint`, or
by a child it was handed to. Calls in exclusive branches are not added up. A loop that goes round once
only because that is the default of a parameter is a note. What code that is not read does with a module it
is handed (`run_twice(self.relu, x)`) is no finding; a module that is shared anyway then has no upper bound.

## Why it matters

The toolchain keeps one set of quantisation parameters per module instance. When the calls see different
ranges, the scale is averaged over them: one call is clipped, the other loses resolution. A convolution or
batch normalisation that runs twice also stays unfused. Modules that run more than once are listed under
"Each module called times" in `model_check_result.txt`.

## Bad

```python
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        return self.relu(self.conv2(x))
```

## Good

```python
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(8, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)
        self.relu = nn.ReLU()
        self.relu_1 = nn.ReLU()

    def forward(self, x):
        x = self.relu(self.conv1(x))
        return self.relu_1(self.conv2(x))
```

## The fix

Each call gets an instance of its own; the first keeps its name. A module without parameters is made
again by the same constructor expression: float results and checkpoint keys stay as they are, so the fix
is safe. A module with weights, or of unknown class, becomes a copy whose parameters and buffers are the
same tensors: results stay equal, but the state dict gains keys, so the fix is unsafe. There is no fix
where the number of calls is not known when the model is built.

## Source

Horizon's J6 manual, precision tuning example ("modules with called times > 1 need to be split");
horizon_facts E.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qatlint.clone_plan import plan_clone
from qatlint.condition import excludes
from qatlint.finding import Finding, Related, Severity
from qatlint.horizon.sharing import severity, why_of
from qatlint.rule import rule
from qatlint.trace import Call, Kind, Loop, Module, On, Span, Times, Trace, Usage
from qatlint.usage import at_most_once, bounds, usage, usage_of_calls
from qatlint.words import call_places, chosen_words, class_words, given_words, path_words, times_words

_SKIPPED = (Kind.LOSS,)


@rule("QAT101", "shared-module", severity=Severity.ERROR, fixable=True, since="0.1.0")
def check(trace: Trace) -> Iterator[Finding]:
    """One finding per child that runs more than once."""
    by_path: dict[str, list[tuple[Module, Usage]]] = {}
    once: list[Module] = []
    for module in trace.modules:
        if not module.path or module.kind in _SKIPPED:
            continue
        calls = trace.calls_of(module)
        if not calls or all(c.implied or c.own for c in calls):
            continue  # run by its container or its maker only: that is what is shared, or nothing is
        if module.switching:
            continue
        if at_most_once(trace, module):
            if any(_once_by_default(loop) for call in calls for loop in call.loops):
                once.append(module)
            continue
        used = usage(trace, module)
        if used.shared:
            by_path.setdefault(module.path, []).append((module, used))
    for path, shared in by_path.items():
        if _can_be_shown(trace, shared) and not _said_of_holder(trace, path, by_path):
            yield _finding(trace, path, shared)
    for module in once:
        if module.path not in by_path:
            yield _with_another_default(trace, module)


def _once_by_default(loop: Loop) -> bool:
    """Whether it goes round once, and only since that is the default of a parameter."""
    return bool(loop.given) and loop.times.most == 1


def _with_another_default(trace: Trace, module: Module) -> Finding:
    """A module that is shared as soon as a parameter is given another value than its default."""
    calls = [c for c in trace.calls_of(module) if any(map(_once_by_default, c.loops))]
    place = calls[0]
    given = given_words([loop for loop in place.loops if _once_by_default(loop)])
    over = next(loop.over for loop in place.loops if _once_by_default(loop))
    return Finding(
        code="QAT101",
        name="shared-module",
        severity=Severity.NOTE,
        message=f"`{path_words(module.path)}` ({class_words(module)}) runs once{given}, and again in each "
        f"further turn of the loop over `{over}` with another: {why_of(module)}",
        span=place.span,
        owner=_owner(trace, place),
        subject=module.path,
        times=Times(0, None),
        on=On.SOME_PATH,
        related=tuple(_related(module, place, call_places(calls), [])),
        no_fix="the number of turns is another one for each value that is given",
    )


def _said_of_holder(trace: Trace, path: str, by_path: Mapping[str, list[tuple[Module, Usage]]]) -> bool:
    """Whether what holds it is reported, and explains it: on some paths the holder stands there itself, or
    each call of the holder runs it once."""
    here, spans, most = _places(trace, by_path[path]), _spans(trace, by_path[path]), _most(by_path[path])
    return any(
        path.startswith(f"{holder}.")
        and (here <= _places(trace, shared) or (spans <= _spans(trace, shared) and most <= _most(shared)))
        for holder, shared in by_path.items()
    )


def _most(shared: list[tuple[Module, Usage]]) -> float:
    return max(float("inf") if used.times.most is None else used.times.most for _, used in shared)


def _spans(trace: Trace, shared: list[tuple[Module, Usage]]) -> set[Span]:
    """Where it is run, as it is reported."""
    return {c.span for m, _ in shared for c in trace.calls_of(m) if not c.other_element}


def _places(trace: Trace, shared: list[tuple[Module, Usage]]) -> set[Span]:
    return {c.inside or c.span for m, _ in shared for c in trace.calls_of(m) if not c.other_element}


def _can_be_shown(trace: Trace, shared: list[tuple[Module, Usage]]) -> bool:
    """Whether there is a second call, a loop or a way to the call: what nothing explains is not said."""
    calls = [c for m, _ in shared for c in trace.calls_of(m) if not c.other_element]
    return len({c.span for c in calls}) > 1 or any(c.loops or c.via or c.inside for c in calls)


def _finding(trace: Trace, path: str, shared: list[tuple[Module, Usage]]) -> Finding:
    modules = [m for m, _ in shared]
    module, used = max(shared, key=lambda s: _weight(s[0], s[1]))
    calls = [c for c in trace.calls_of(module) if not c.other_element and not c.implied]
    implied = [c for c in trace.calls_of(module) if not c.other_element and c.implied]
    places = call_places(calls or implied)
    place = _second(places)
    if (used.on is On.ALWAYS or used.by_turns) and _has_unshared_twin(trace, path, modules):
        # the configuration may pick the other one
        used = used._replace(on=On.SOME_PATH, by_turns=False)
    chosen = _only_in_chosen_turns(trace, module)
    plan = plan_clone(trace, module, modules, places, used)
    return Finding(
        code="QAT101",
        name="shared-module",
        severity=Severity.NOTE if chosen else severity(module.kind, module.internals, module.certain),
        message=_message(trace, path, module, used, place, chosen),
        span=place.span,
        owner=_owner(trace, place),
        subject=path,
        times=bounds(used, module),
        on=used.on,
        related=tuple(_related(module, place, places, implied)),
        fix=plan.fix,
        no_fix=plan.no_fix,
    )


def _has_unshared_twin(trace: Trace, path: str, shared: list[Module]) -> bool:
    return any(
        m.path == path and all(excludes(m.when, other.when) for other in shared) for m in trace.modules
    )


def _only_in_chosen_turns(trace: Trace, module: Module) -> str:
    """In words, which turns would have to come twice for it to be shared; "" when it is shared anyway."""
    calls = [c for c in trace.calls_of(module) if not c.other_element]
    once = [c._replace(times=Times(0, 1)) if c.chosen else c for c in calls]
    if usage_of_calls(once, module.when, trace.facts, trace.atoms).shared:
        return ""
    return chosen_words([c.chosen for c in calls if c.chosen])


def _second(places: list[Call]) -> Call:
    """The place where it becomes shared: the first in a loop, or the first that can follow another."""
    for i, place in enumerate(places):
        if place.loops:
            return place
        if any(not excludes(place.when, earlier.when) for earlier in places[:i]):
            return place
    return places[-1]


def _weight(module: Module, used: Usage) -> tuple[int, int, float]:
    weight = severity(module.kind, module.internals, module.certain)
    return (weight, module.certain, _most([(module, used)]))


def _owner(trace: Trace, place: Call) -> str:
    """The class whose body holds the call, where that is the owner or one of its bases."""
    if place.owner and (place.owner == trace.owner or place.owner in trace.bases):
        return place.owner
    return trace.owner


def _message(trace: Trace, path: str, module: Module, used: Usage, place: Call, chosen: str) -> str:
    where = {
        On.ALWAYS: "in one forward",
        On.SOME_PATH: "in one forward" if used.by_turns else "in one forward on some paths only",
        On.TRAINING: "in one forward only in training",
    }[used.on]
    if _owner(trace, place) != trace.owner:
        # The code is a base's, but only this class runs it so often.
        where += f" of `{trace.owner.rpartition(':')[2]}`, which inherits this"
    calls = [c for c in trace.calls_of(module) if not c.other_element]
    if used.times.most is not None:
        where += given_words([loop for call in calls for loop in call.loops])
    if module.handed:
        where += f", and again where `{module.handed}` runs it"
    often = chosen or times_words(used.times, calls)
    return f"`{path_words(path)}` ({class_words(module)}) runs {often} {where}: {why_of(module)}"


def _related(module: Module, place: Call, places: list[Call], implied: list[Call]) -> Iterator[Related]:
    for other in places:
        if other is not place:
            yield Related(other.span, "also run here")
    for loop in place.loops:
        yield Related(loop.header, f"in this loop over `{loop.over}`" if loop.over else "in this loop")
    if place.inside is not None:
        yield Related(place.inside, "the call itself")
    for via in dict.fromkeys(v for p in places for v in p.via):
        yield Related(via, "reached through this call")
    for other in implied:
        if other not in places:
            yield Related(other.span, "also run here, by the container that holds it")
    yield Related(module.definition, f"`{path_words(module.path)}` is made here")
    for name in module.names[1:]:
        if name.registered and name.span != module.definition:
            yield Related(name.span, f"also held as `{name.path}`")
