"""Loops of a base class whose turns a subclass changes: the base's constructor cannot count them."""

from __future__ import annotations

import pytest

from tests.static.sources import findings

BASE = """
class Base(nn.Module):
    def __init__(self, n=2):
        super().__init__()
        self.n = n
        self.act = nn.SiLU()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(n)])
    def forward(self, x):
        for layer in {over}:
            x = self.act({called}(x))
        return x
class Sub(Base):
    def __init__(self):
        super().__init__(2)
        {changed}
"""


@pytest.mark.parametrize(
    ("over", "changed", "is_fixed"),
    [
        ("self.layers", "self.layers.append(nn.Linear(4, 4))", False),
        ("self.layers", "self.layers.extend([nn.Linear(4, 4)])", False),
        ("self.layers", "self.layers = nn.ModuleList([nn.Linear(4, 4)] * 5)", False),
        ("self.layers", "del self.layers[-1]", False),
        ("range(self.n)", "self.n = 3", False),
        ("range(len(self.layers))", "self.layers.insert(0, nn.Linear(4, 4))", False),
        # What it does to other lists, or reads of this one, does not matter.
        ("self.layers", "self.others = [layer for layer in self.layers]", True),
        ("self.layers", "self.layers[0].weight.data.zero_()", True),
        ("range(self.n)", "self.layers.append(nn.Linear(4, 4))", True),
    ],
)
def test_no_fix_where_a_subclass_changes_how_often_it_runs(over: str, changed: str, is_fixed: bool) -> None:
    called = "layer" if over == "self.layers" else "self.layers[layer]"
    text = BASE.format(over=over, called=called, changed=changed)
    (found,) = (f for f in findings(text, "QAT101") if f.subject == "act" and f.owner.endswith(":Base"))
    assert (found.fix is not None) is is_fixed
    assert is_fixed or "cannot be told where `act` is made" in found.no_fix
