"""Elements of a loop that are one of several classes, and what is called on them."""

from __future__ import annotations

import pytest

from tests.static.sources import check_counts, findings, said

LAYERS = """
class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.mlp = nn.Linear(8, 8)

    def compute(self, x):
        return self.mlp(x)

class Routed(nn.Module):
    def __init__(self):
        super().__init__()
        self.router = nn.Linear(8, 8)

    def compute(self, x):
        return self.router(x)
"""


def stack(forward: str, made: str = "Dense() if first and i == 0 else Routed()") -> str:
    return LAYERS + (
        "class Model(nn.Module):\n"
        "    def __init__(self, n, first, cfg):\n"
        "        super().__init__()\n"
        "        self.layers = nn.ModuleList()\n"
        "        for i in range(n):\n"
        f"            self.layers.append({made})\n"
        "    def forward(self, x):\n"
        f"        {forward}\n"
        "        return x\n"
    )


@pytest.mark.parametrize(
    "forward",
    [
        "for layer in self.layers: x = layer.compute(x)",
        "for i in range(len(self.layers)): x = self.layers[i].compute(x)",
        "for i, layer in enumerate(self.layers): x = layer.compute(x)",
    ],
)
def test_a_method_of_one_of_two_classes_runs_once_per_element(forward: str) -> None:
    assert findings(stack(forward), "QAT101") == []


def test_a_method_that_is_called_twice_on_each_element_is_shared() -> None:
    text = stack("for layer in self.layers: x = layer.compute(layer.compute(x))")
    assert said(findings(text, "QAT101")) == {("QAT101", "layers.*.mlp"), ("QAT101", "layers.*.router")}


def test_a_method_of_one_object_that_stands_everywhere_is_shared() -> None:
    text = LAYERS + (
        "class Model(nn.Module):\n"
        "    def __init__(self, n, first):\n"
        "        super().__init__()\n"
        "        one = Dense() if first else Routed()\n"
        "        self.layers = nn.ModuleList([one for _ in range(n)])\n"
        "    def forward(self, x):\n"
        "        for layer in self.layers:\n"
        "            x = layer.compute(x)\n"
        "        return x\n"
    )
    assert len(findings(text, "QAT101")) == 2


BUILT = """
REG = {}

def build_one(cfg):
    if isinstance(cfg, list):
        return nn.Sequential(*[REG[c.type](c) for c in cfg])
    return REG[cfg.type](cfg)
"""


def test_forward_by_name_of_what_a_builder_made_runs_it_once_per_element() -> None:
    text = BUILT + stack("for layer in self.layers: x = layer.forward(x)", "build_one(cfg)")
    assert findings(text, "QAT101") == []
    check_counts(text, {"layers.*": "1 1"})


def test_forward_by_name_twice_is_shared() -> None:
    text = BUILT + stack("for layer in self.layers: x = layer.forward(layer.forward(x))", "build_one(cfg)")
    assert {f.subject for f in findings(text, "QAT101")} == {"layers.*"}


@pytest.mark.parametrize("test", ["i > 0", "i >= 1", "i != 0", "i", "not i < 1", "not i <= 0"])
def test_the_first_entry_runs_apart_from_all_others(test: str) -> None:
    apart = f"x = self.layers[0](x)\n        for i, layer in enumerate(self.layers):\n            if {test}: x = layer(x)"
    assert findings(stack(apart, "nn.Linear(8, 8)"), "QAT101") == []


@pytest.mark.parametrize("test", ["i >= 0", "i < 3", "i != 1"])
def test_other_tests_of_the_counter_do_not_leave_the_first_entry_out(test: str) -> None:
    apart = f"x = self.layers[0](x)\n        for i, layer in enumerate(self.layers):\n            if {test}: x = layer(x)"
    found = findings(stack(apart, "nn.Linear(8, 8)"), "QAT101")
    assert len(found) == 1


BY_LIST = "self.convs = nn.ModuleList(nn.Conv2d(3, 3, 1) for _ in range(n))"
BY_NAME = "for i in range(n): setattr(self, f'conv{i}', nn.Conv2d(3, 3, 1))"


@pytest.mark.parametrize(
    ("made", "turns", "picked", "last", "shared"),
    [
        (BY_LIST, "range(self.n)", "self.convs[i]", "self.convs[self.n - 1]", True),
        (BY_NAME, "range(self.n)", "getattr(self, f'conv{i}')", "getattr(self, f'conv{self.n - 1}')", True),
        (BY_NAME, "range(self.n)", "getattr(self, f'conv{i}')", "getattr(self, f'conv{self.n - 2}')", True),
        (BY_NAME, "range(self.n)", "getattr(self, f'conv{i}')", "getattr(self, f'other{self.n - 1}')", False),
        (BY_LIST, "range(self.n - 1)", "self.convs[i]", "self.convs[self.n - 1]", False),
        (BY_LIST, "range(self.n - 1)", "self.convs[i]", "self.convs[self.n - 2]", True),
        (BY_LIST, "range(self.n - 1)", "self.convs[i]", "self.convs[-1]", False),
        (BY_LIST, "range(self.n - 1)", "self.convs[i + 1]", "self.convs[self.n - 1]", True),
        (BY_LIST, "range(self.n - 1)", "self.convs[1 + i]", "self.convs[-1]", True),
        (BY_LIST, "range(1, self.n)", "self.convs[i - 1]", "self.convs[self.n - 1]", False),
        (BY_LIST, "range(1, self.n)", "self.convs[i - 1]", "self.convs[-1]", False),
        (BY_LIST, "range(self.n)", "self.convs[i]", "self.convs[self.other - 1]", False),
        (BY_LIST, "range(len(self.convs))", "self.convs[i]", "self.convs[len(self.convs) - 1]", True),
    ],
)
def test_the_last_entry_by_its_number(made: str, turns: str, picked: str, last: str, shared: bool) -> None:
    text = (
        "class Model(nn.Module):\n"
        "    def __init__(self, n, other):\n"
        "        super().__init__()\n"
        "        self.n, self.other = n, other\n"
        f"        {made}\n"
        "    def forward(self, x):\n"
        f"        for i in {turns}:\n"
        f"            x = {picked}(x)\n"
        f"        return {last}(x)\n"
    )
    assert bool(findings(text, "QAT101")) is shared


@pytest.mark.parametrize(
    ("over", "last", "shared"),
    [
        ("self.convs", "len(self.convs) - 1", True),
        ("self.convs", "self.n - 1", True),
        ("self.convs", "self.other - 1", False),
        ("self.convs[:-1]", "len(self.convs) - 1", False),
        ("self.convs[:-1]", "self.n - 1", False),
        ("self.convs[:-1]", "len(self.convs) - 2", True),
    ],
)
def test_the_last_entry_after_a_loop_over_the_entries(over: str, last: str, shared: bool) -> None:
    text = (
        "class Model(nn.Module):\n"
        "    def __init__(self, n, other):\n"
        "        super().__init__()\n"
        "        self.n, self.other = n, other\n"
        f"        {BY_LIST}\n"
        "    def forward(self, x):\n"
        f"        for conv in {over}:\n"
        "            x = conv(x)\n"
        f"        return self.convs[{last}](x)\n"
    )
    assert bool(findings(text, "QAT101")) is shared


N_AND_ONE = "self.convs = nn.ModuleList([nn.Conv2d(3, 3, 1) for _ in range(n)] + [nn.Linear(3, 3)])"
SOME_AND_ONE = (
    "self.convs = nn.ModuleList()\n"
    "        for i in range(n):\n"
    "            if other[i]: continue\n"
    "            self.convs.append(nn.Conv2d(3, 3, 1))\n"
    "        self.convs.append(nn.Linear(3, 3))"
)


@pytest.mark.parametrize(
    ("made", "turns", "picked", "last", "shared"),
    [
        (N_AND_ONE, "range(self.n)", "i", "-1", False),
        (N_AND_ONE, "range(self.n - 1)", "i", "-1", False),
        (N_AND_ONE, "range(self.n - 1)", "i + 1", "-1", False),
        (N_AND_ONE, "range(self.n + 1)", "i", "-1", True),
        (N_AND_ONE, "range(self.n)", "i + 1", "-1", True),
        (N_AND_ONE, "range(self.n)", "i", "self.n - 1", True),
        (N_AND_ONE, "range(self.n - 1)", "i", "self.n - 1", False),
        (N_AND_ONE, "range(1, self.n)", "i", "0", False),
        # How many were appended is not known.
        (SOME_AND_ONE, "range(self.n - 1)", "i", "self.n - 1", False),
    ],
)
def test_one_entry_behind_as_many_as_are_counted(
    made: str, turns: str, picked: str, last: str, shared: bool
) -> None:
    text = (
        "class Model(nn.Module):\n"
        "    def __init__(self, n, other):\n"
        "        super().__init__()\n"
        "        self.n, self.other = n, other\n"
        f"        {made}\n"
        "    def forward(self, x):\n"
        f"        for i in {turns}:\n"
        f"            x = self.convs[{picked}](x)\n"
        f"        return self.convs[{last}](x)\n"
    )
    assert bool(findings(text, "QAT101")) is shared
