"""What the trace claims about generated models holds when they are executed, for all flags."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings

from qatlint.trace import Module, On, Times, Trace, Usage
from qatlint.usage import usage
from tests.static.programs import Identity, Scopes, executions, identity, programs
from tests.static.sources import PATH, trace_in

Claim = Callable[[Trace, Module], Usage]


def claims(text: str, claim: Claim) -> tuple[dict[Identity, list[Usage]], Scopes]:
    """What is claimed of counts and of scopes, by the class and the line that makes the module."""
    trace = trace_in({PATH: text}, PATH, "Model")
    usages: dict[Identity, list[Usage]] = {}
    scopes: Scopes = {}
    for module in trace.modules:
        line = (module.made_at or module.definition).line
        name = module.class_name.rpartition(":")[2].rpartition(".")[2]
        key = identity(name, line)
        usages.setdefault(key, []).append(claim(trace, module))
        around = {c.scope.name if c.scope is not None else None for c in trace.calls_of(module)}
        scopes.setdefault(key, set()).update(around)
    return usages, scopes


def contradictions(text: str, claim: Claim = usage) -> list[str]:
    """Claims about the program that an execution contradicts."""
    claimed, around = claims(text, claim)
    wrong = []
    for training, found, scopes in executions(text):
        wrong += [
            f"{key}: executed in the block {name}, claimed {around[key]}"
            for key, names in scopes.items()
            for name in names - around.get(key, names)
        ]
        for key, counts in found.items():
            usages = claimed.get(key)
            if usages is None:
                wrong.append(f"{key}: executed {counts}, and not in the trace")
            elif len(usages) == len(counts):
                pairs = list(zip(usages, counts, strict=True))
                wrong += [f"{key}: {w}" for u, c in pairs for w in against(u, c, training)]
            else:
                # One entry stands for several instances: it speaks of the one that runs most often.
                wrong += [f"{key}: {w}" for w in against(widest(usages), max(counts), training)]
    return wrong


def widest(usages: list[Usage]) -> Usage:
    """What several entries claim together about the instance that runs most often."""
    mosts = [u.times.most for u in usages]
    most = None if None in mosts else max(m for m in mosts if m is not None)
    shared = [u for u in usages if u.shared]
    on = shared[0].on if len(usages) == 1 and shared else On.SOME_PATH
    return Usage(Times(min(u.times.least for u in usages), most), on, bool(shared))


def against(claimed: Usage, count: int, training: bool) -> list[str]:
    """How a count contradicts a claim."""
    wrong = []
    if count < claimed.times.least or (claimed.times.most is not None and count > claimed.times.most):
        wrong.append(f"{count} executions, claimed {claimed.times}")
    if count > 1 and not claimed.shared:
        wrong.append(f"{count} executions, claimed not to be shared")
    if claimed.shared and claimed.on is On.ALWAYS and count < 2:
        wrong.append(f"{count} executions, claimed to be always shared")
    if count > 1 and claimed.on is On.TRAINING and not training:
        wrong.append(f"{count} executions outside training, claimed to be shared in training only")
    return wrong


PROFILE = settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@PROFILE
@given(programs())
def test_no_claim_is_contradicted_by_an_execution(text: str) -> None:
    assert not contradictions(text), text


def without_conditions(trace: Trace, module: Module) -> Usage:
    """A wrong claim: exclusive branches are added up."""
    calls = trace.calls_of(module)
    return Usage(Times(len(calls), None), On.ALWAYS, len(calls) > 1)


def places(trace: Trace, module: Module) -> Usage:
    """A wrong claim: every place counts once, however often a loop repeats it."""
    right = usage(trace, module)
    most = len({c.span for c in trace.calls_of(module)})
    return Usage(Times(0, most), right.on, most > 1 and right.shared)


def always(trace: Trace, module: Module) -> Usage:
    """A wrong claim: what is shared on some path is shared on all."""
    right = usage(trace, module)
    return Usage(right.times, On.ALWAYS, right.shared)


def training(trace: Trace, module: Module) -> Usage:
    """A wrong claim: sharing happens in training only."""
    right = usage(trace, module)
    return Usage(right.times, On.TRAINING, right.shared)


def never_shared(trace: Trace, module: Module) -> Usage:
    """A wrong claim: nothing is shared."""
    right = usage(trace, module)
    return Usage(right.times, right.on, False)


@pytest.mark.parametrize("claim", [without_conditions, places, always, training, never_shared])
def test_wrong_claims_are_contradicted(claim: Claim) -> None:
    found: list[str] = []

    @settings(PROFILE, max_examples=40)
    @given(programs())
    def collect(text: str) -> None:
        found.extend(contradictions(text, claim))

    collect()
    assert found


def test_a_module_that_the_trace_misses_is_a_contradiction(monkeypatch: pytest.MonkeyPatch) -> None:
    text = """from torch import nn

class Model(nn.Module):
    def __init__(self, f0=False, f1=False):
        super().__init__()
        self.a = nn.ReLU()

    def forward(self, x, flag=False):
        return self.a(x)
"""
    assert not contradictions(text)
    monkeypatch.setattr("tests.static.test_soundness.claims", lambda text, claim: ({}, {}))
    assert set(contradictions(text)) == {"('ReLU', 6): executed [1], and not in the trace"}
