"""A position that is kept in an attribute and moved on by each call."""

from __future__ import annotations

from tests.static.sources import check_counts, findings, said

DIAL = """
class Dial(nn.ModuleList):
    def __init__(self, modules):
        super().__init__(modules)
        self.at = 0

    def forward(self, x):
        y = self[self.at](x)
        self.at += 1
        if self.at >= len(self):
            self.at = 0
        return y
"""


def model(forward: str, methods: str = "") -> str:
    return (
        "class Model(nn.Module):\n"
        "    def __init__(self, n):\n"
        "        super().__init__()\n"
        "        self.at = 0\n"
        "        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(n)])\n"
        f"    def forward(self, x, xs):\n{forward}        return x\n{methods}"
    )


def test_a_child_that_moves_on_at_each_call() -> None:
    text = DIAL + (
        "class Model(nn.Module):\n"
        "    def __init__(self, n):\n"
        "        super().__init__()\n"
        "        self.norm = Dial([nn.BatchNorm2d(8) for _ in range(n)])\n"
        "    def forward(self, xs):\n"
        "        return [self.norm(x) for x in xs]\n"
    )
    assert findings(text, "QAT101") == []


def test_a_loop_that_moves_the_position() -> None:
    forward = "        for x in xs:\n            x = self.layers[self.at](x)\n            self.at += 1\n"
    assert findings(model(forward), "QAT101") == []


def test_a_method_that_moves_the_position_in_a_loop() -> None:
    forward = "        for x in xs:\n            x = self.step(x)\n"
    methods = "    def step(self, x):\n        x = self.layers[self.at](x)\n        self.at += 1\n        return x\n"
    assert findings(model(forward, methods), "QAT101") == []


def test_two_calls_at_one_position_are_shared() -> None:
    forward = "        for x in xs:\n            x = self.layers[self.at](self.layers[self.at](x))\n            self.at += 1\n"
    assert said(findings(model(forward), "QAT101")) == {("QAT101", "layers.*")}


def test_a_position_that_moves_outside_the_loop_is_one_in_it() -> None:
    forward = "        for x in xs:\n            x = self.layers[self.at](x)\n        self.at += 1\n"
    assert said(findings(model(forward), "QAT101")) == {("QAT101", "layers.*")}


def test_a_position_that_nothing_moves_is_one() -> None:
    forward = "        for x in xs:\n            x = self.layers[self.at](x)\n"
    assert said(findings(model(forward), "QAT101")) == {("QAT101", "layers.*")}


def test_positions_without_a_loop_are_known() -> None:
    forward = "".join("        x = self.layers[self.at](x)\n        self.at += 1\n" for _ in range(3))
    check_counts(model(forward), {"layers.*": "1"})
