"""Fixes that would run but mean something else: each is refused, whole, with its reason."""

from __future__ import annotations

import textwrap

import pytest

from qatlint import engine
from qatlint.codemods.fixer import fix
from qatlint.finding import Finding
from qatlint.loader import Loader
from qatlint.registry import get
from tests.static.sources import Memory

MODEL = """
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
{init}

{rest}
"""

CASES = {
    "a list that grows before the loop": (
        "self.act = nn.ReLU()",
        """
        def forward(self, x):
            feats = [x, x + 1]
            feats.append(x - 1)
            outs = []
            for f in feats:
                outs.append(self.act(f))
            return outs
        """,
    ),
    "a number that another method changes": (
        "self.n = 20\nself.act = nn.ReLU()",
        """
        def grow(self):
            self.n = 40

        def forward(self, x):
            for i in range(self.n):
                x = self.act(x - i)
            return x
        """,
    ),
    "a module taken out of a list": (
        "acts = [nn.ReLU(), nn.Sigmoid()]\nself.act = acts.pop()",
        """
        def forward(self, x):
            return self.act(self.act(x))
        """,
    ),
    "comments inside the name that is called": (
        "self.act = nn.ReLU()",
        """
        def forward(self, x):
            x = self.act(x)
            return (self  # the block
                    .act(x))
        """,
    ),
    "comments inside a constructor that a loop would replace": (
        "self.n = 20\nself.act = nn.LeakyReLU(  # slope\n    0.2,  # small\n)",
        """
        def forward(self, x):
            for i in range(self.n):
                x = self.act(x)
            return x
        """,
    ),
}


@pytest.mark.parametrize(("init", "rest"), CASES.values(), ids=CASES)
def test_nothing_is_written(init: str, rest: str) -> None:
    text = MODEL.format(
        init=textwrap.indent(init, " " * 8), rest=textwrap.indent(textwrap.dedent(rest).strip("\n"), " " * 4)
    )

    def check(loader: Loader) -> list[Finding]:
        return engine.check(["m.py"], loader, [get("QAT101")])

    result = fix(["m.py"], Memory({"m.py": text}), check, unsafe=False)
    assert result.texts == {}
    assert [f.code for f in result.findings] == ["QAT101"]
    assert all(f.no_fix for f in result.findings)
