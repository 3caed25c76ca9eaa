"""Loops over names, where a test of the name decides what runs in a turn."""

from __future__ import annotations

import pytest

from qatlint.finding import Severity
from tests.static.sources import check_counts, counted, findings, model, said, trace_of

BRANCHES = """
for name in self.names:
    if name == "act":
        x = self.step(x)
    elif name in ("norm", "other"):
        x = self.norm(x)
    else:
        raise ValueError(name)
return x
"""
INIT = "self.names = names\nself.act = nn.ReLU()\nself.norm = nn.LayerNorm(8)"
STEP = "def step(self, x):\n    return self.act(x)\n"


@pytest.mark.parametrize(
    ("default", "act", "norm"),
    [
        ("('act', 'norm')", "1", "1"),
        ("['act', 'norm', 'act', 'other']", "2", "2"),
        ("['norm']", "0", "1"),
        ("()", "many", "many"),
        ("None", "many", "many"),
    ],
)
def test_the_names_of_a_default_decide_how_often(default: str, act: str, norm: str) -> None:
    trace = trace_of(model(INIT, BRANCHES, parameters=f"names={default}", methods=STEP))
    assert (counted(trace, "act"), counted(trace, "norm")) == (act, norm)


def test_what_a_default_leaves_out_is_not_unused() -> None:
    text = model(INIT, BRANCHES, parameters="names=('norm', 'other')", methods=STEP)
    assert said(findings(text)) == {("QAT101", "norm")}


def test_numbers_of_a_default_are_known_one_by_one() -> None:
    text = model(
        "self.taps = taps\nself.a = nn.ReLU()\nself.b = nn.ReLU()",
        "for i, (k, n) in enumerate(self.taps):\n    if n == 3:\n        x = self.a(x)\n"
        "    if i == 0:\n        x = self.b(x)",
        parameters="taps=((1, 3), (2, 4), (3, 3))",
    )
    check_counts(text, {"a": "2", "b": "1"})


def test_a_return_in_turns_that_a_default_does_not_have_changes_nothing() -> None:
    text = model(
        INIT,
        "for name in self.names:\n    if name == 'stop':\n        return x\n    x = self.act(x)\nreturn self.act(x)",
        parameters="names=('act', 'norm')",
    )
    check_counts(text, {"act": "3"})


@pytest.mark.parametrize(
    ("forward", "words"),
    [
        (BRANCHES, "`norm` (LayerNorm) runs each time `self.names` has 'norm' or 'other' in one forward"),
        (
            "for name in self.names:\n    if name == 'a':\n        x = self.norm(x)\n"
            "    elif name == 'b':\n        x = self.norm(self.act(x))",
            "`norm` (LayerNorm) runs each time `self.names` has 'a' or 'b' in one forward",
        ),
    ],
)
def test_turns_that_nobody_knows_are_a_note(forward: str, words: str) -> None:
    found = findings(model(INIT, forward, parameters="names", methods=STEP), "QAT101")
    norm = next(f for f in found if f.subject == "norm")
    assert norm.severity is Severity.NOTE
    assert words in norm.message
    assert norm.fix is None
    assert "some turns only" in norm.no_fix


def test_what_runs_in_other_turns_too_stays_a_warning() -> None:
    text = model(
        INIT,
        "x = self.act(x)\nfor name in self.names:\n    if name == 'a':\n        x = self.act(x)",
        parameters="names",
    )
    (found,) = findings(text, "QAT101")
    assert found.severity is Severity.WARNING
    assert "at least once, and again in each turn of the loop over `self.names` that has 'a'" in found.message


def test_elements_in_exclusive_branches_of_a_turn_run_once() -> None:
    """However many tests there are: the branches of one `elif` never add up."""
    branches = "".join(
        f"    elif name == 'n{i}':\n        x = self.layers[i](x) if x.a{i} else self.step(i, x)\n"
        for i in range(9)
    )
    text = model(
        "self.names = names\nself.layers = nn.ModuleList([build(n) for n in names])",
        f"for i, name in enumerate(self.names):\n    if self.layers[i] is None:\n        continue\n{branches}return x",
        parameters="names",
        methods="def step(self, i, x):\n    if x.b:\n        x = x + 1\n    return self.layers[i](x)\n",
    )
    check_counts(text, {"layers.*": "0-1"})


def test_a_list_shared_under_a_flag_is_shared_on_some_path() -> None:
    text = """
    def clones(module, n, share=False):
        if share:
            return nn.ModuleList([module for i in range(n)])
        return nn.ModuleList([copy.deepcopy(module) for i in range(n)])

    class Encoder(nn.Module):
        def __init__(self, layer, n, share=False):
            super().__init__()
            self.layers = clones(layer, n, share)
        def forward(self, x):
            for layer in self.layers:
                x = layer(x)
            return x

    class Model(nn.Module):
        def __init__(self, n=6, share=False):
            super().__init__()
            self.encoder = Encoder(nn.Linear(8, 8), n, share)
        def forward(self, x):
            return self.encoder(x)
    """
    (found,) = [f for f in findings(text, "QAT101") if f.owner.endswith("Model")]
    assert found.subject == "encoder.layers.*"
    assert found.on.value == "some-path"
    assert "on some paths only" in found.message
