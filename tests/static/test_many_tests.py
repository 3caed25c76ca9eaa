"""Paths behind very many tests: what excludes what is still known there."""

from __future__ import annotations

import pytest

from tests.static.sources import check_counts, findings, model

CHECKS = "".join(f"if x.a{i}:\n        raise ValueError\n    " for i in range(8))
RETURNS = "".join(f"if x.a{i}:\n        return x\n    " for i in range(8))
ORIGINS = """
if x.dynamic:
    if x.cached and x.sin is None:
        rot = f(x)
    elif x.aug and flag:
        rot = f(x)
    else:
        rot = f(x)
elif x.feat:
    rot = f(x)
else:
    rot = None
"""
ACTIVATION = """
def activation(act, inplace=True):
    if act is None:
        return nn.Identity()
    elif isinstance(act, nn.Module):
        return act
    if act == "silu" or act == "swish":
        return nn.SiLU()
    elif act == "relu":
        return nn.ReLU()
    elif act == "leaky":
        return nn.LeakyReLU()
    elif act == "gelu":
        return nn.GELU()
    raise ValueError(act)

class Layer(nn.Module):
    def __init__(self, act):
        super().__init__()
        self.act = activation(act)

    def forward(self, x):
        return self.act(x)
"""


@pytest.mark.parametrize("many", [CHECKS, RETURNS], ids=["raises", "returns"])
def test_a_branch_of_many_tests_that_returns_excludes_what_follows(many: str) -> None:
    forward = f"if flag:\n    {many}return self.a(x)\nreturn self.a(x)"
    expected = "1" if many is CHECKS else "0-1"
    check_counts(model("self.a = nn.ReLU()", forward), {"a": expected})


def test_a_branch_of_many_tests_that_goes_on_adds_up_with_what_follows() -> None:
    forward = f"if flag:\n    {RETURNS}x = self.a(x)\nreturn self.a(x)"
    check_counts(model("self.a = nn.ReLU()", forward), {"a": "0-2"})


def test_many_tests_that_raise_need_no_condition() -> None:
    forward = f"if flag:\n    {CHECKS}x = x + 1\nreturn self.a(self.a(x))"
    check_counts(model("self.a = nn.ReLU()", forward), {"a": "2"})


def test_branches_of_a_test_with_many_origins_exclude_each_other() -> None:
    forward = (
        ORIGINS + "if x.mixed and rot is not None:\n    return self.a(x)\nelif rot is not None:\n"
        "    return self.a(x)\nreturn self.a(x)"
    )
    check_counts(model("self.a = nn.ReLU()", forward), {"a": "1"})


def test_what_follows_branches_with_many_origins_adds_up() -> None:
    forward = ORIGINS + "if x.mixed and rot is not None:\n    x = self.a(x)\nreturn self.a(x)"
    check_counts(model("self.a = nn.ReLU()", forward), {"a": "1-2"})


def test_a_conditional_expression_over_many_origins_has_two_sides() -> None:
    forward = ORIGINS + "return self.a(x) if x.mixed and rot is not None else self.a(x)"
    check_counts(model("self.a = nn.ReLU()", forward), {"a": "1"})


def test_one_of_many_alternatives_that_is_handed_on_is_still_one_instance() -> None:
    text = ACTIVATION + (
        "class Model(nn.Module):\n"
        "    def __init__(self, act):\n"
        "        super().__init__()\n"
        "        act = activation(act)\n"
        "        self.one, self.two = Layer(act), Layer(act)\n"
        "    def forward(self, x):\n"
        "        return self.two(self.one(x))\n"
    )
    (finding,) = findings(text, "QAT101")
    assert finding.subject == "one.act" and str(finding.times) == "2"


def test_a_loop_of_one_turn_is_known_also_in_a_large_class() -> None:
    text = model(
        "self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(flag)])",
        "x = x + 1\n" * 2000 + "return self.run(self.run(x, 0, 1), 1, len(self.layers))",
        parameters="flag",
        methods="def run(self, x, start, end):\n    for i in range(start, end):\n"
        "        x = self.layers[i](x)\n    return x\n",
    )
    assert findings(text, "QAT101") == []
