"""Loops over a part of a list, over several lists together, and over the entries of a `ModuleDict`: where the
number of turns is a default, or may have been changed, it is no fact about the model of an excerpt."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.resolve.reporting import adds, found, report

MODEL = """
class Net(nn.Module):
    {constant}

    def __init__(self, n=3):
        super().__init__()
        self.quant, self.n = QuantStub(), n
        self.parts = nn.ModuleList(nn.LayerNorm(4) for _ in range(3))
        self.named = nn.ModuleDict({{k: nn.LayerNorm(4) for k in "abc"}})

    def forward(self, x, levels=(1, 2, 3)):
        x = self.quant(x)
        for part in {over}:
            x = x + 1  # turn
        x = x + 2  # behind
        return x + 3  # end


def build():
    {built}
"""
OPEN = {
    "the end of a slice is a default": ("self.parts[: self.n]", "return Net(2)", "pass"),
    "its beginning is": ("self.parts[self.n - 2 :]", "return Net(2)", "pass"),
    "in another list": ("enumerate(self.parts[: self.n])", "return Net(2)", "pass"),
    "zip ends with a default": ("zip(self.parts, levels)", "return Net()", "pass"),
    "it does, whichever comes first": ("zip(levels, self.parts)", "return Net()", "pass"),
    "entries were taken out of a ModuleDict": (
        "self.named.values()",
        "net = Net(); net.named.pop('b'); return net",
        "pass",
    ),
    "and are seen with their keys": (
        "self.named.items()",
        "net = Net(); net.named.pop('b'); return net",
        "pass",
    ),
    "a class is made with another number": (
        "range(self.number)",
        "return type('Sub', (Net,), {'number': 2})()",
        "number = 3",
    ),
    "by keyword": ("range(self.number)", "return type('Sub', (Net,), dict(number=2))()", "number = 3"),
}
FIXED = {
    "no bound is a default": ("self.parts[:2]", "return Net()", "pass"),
    "lists of known lengths": ("zip(self.parts, (1, 2))", "return Net()", "pass"),
    "nothing changes the entries": ("self.named.values()", "return Net()", "pass"),
    "the class that is made has other names": (
        "range(self.number)",
        "return type('Sub', (Net,), {'size': 2})()",
        "number = 3",
    ),
    "`type` only asks": ("range(self.number)", "return type(Net())", "number = 3"),
}


def text_of(case: tuple[str, str, str]) -> str:
    over, built, constant = case
    return MODEL.format(over=over, built=built, constant=constant)


@pytest.mark.parametrize("case", OPEN)
def test_in_an_excerpt_any_line_of_those_may_be_meant(case: str, tmp_path: Path) -> None:
    rows = adds(4)
    excerpt = report(rows, whole=False)
    assert found(tmp_path, text_of(OPEN[case]), excerpt, rows[3:]) == ["turn,behind,end"]


@pytest.mark.parametrize("case", OPEN)
def test_in_a_whole_report_its_own_number_of_calls_decides(case: str, tmp_path: Path) -> None:
    rows = adds(4)
    assert found(tmp_path, text_of(OPEN[case]), report(rows), rows) == ["turn", "turn", "behind", "end"]


@pytest.mark.parametrize("case", FIXED)
def test_what_source_alone_decides_is_known(case: str, tmp_path: Path) -> None:
    rows = adds(4)
    third = "turn" if "3" in FIXED[case][2] or "named" in FIXED[case][0] else "behind"
    excerpt = report(rows[:3], whole=False)
    assert found(tmp_path, text_of(FIXED[case]), excerpt, rows[:3]) == ["turn", "turn", third]
