"""What a new QuantStub is called."""

from __future__ import annotations

import re

import pytest

from qatlint.codemods.apply import apply, apply_all
from qatlint.finding import AddQuantStub
from tests.codemods.cases import model
from tests.codemods.test_stub_calls import span


@pytest.mark.parametrize(
    ("forward", "target", "hint", "name"),
    [
        ("return x / self.table(4)", "self.table(4)", "torch.arange(n, dtype=torch.float32)", "table"),
        ("q = x * 2\nreturn q.permute(1, 0) + x", "q.permute(1, 0)", "self.col(mask)", "q"),
        ("return self.head(x + self.pos)", "x + self.pos", "self.col(torch.arange(w, device=mask....", "x"),
        ("return x + self.kinds(xs)[0]", "self.kinds(xs)[0]", "self.kinds(xs)", "kinds"),
        (
            "return x + torch.zeros(x.shape[0], 3)",
            "torch.zeros(x.shape[0], 3)",
            "torch.zeros(x.s...",
            "zeros",
        ),
        ("row = torch.zeros(3)\nreturn x + row", "torch.zeros(3)", "torch.zeros(3)", "row"),
        ("return x + (-self.table(4))[:1]", "(-self.table(4))[:1]", "self.table(4)", "table"),
        ('return x + xs["img"] * 2', 'xs["img"] * 2', 'xs["img"]', "img"),  # an input has a name of its own
        ("return self.head(x) + self.head.bias[:3]", "self.head.bias[:3]", "self.head.bias", "head"),
        ("return x + self.pos", "self.pos", "self.pos", "pos"),
    ],
)
def test_a_stub_is_named_by_what_it_takes(forward: str, target: str, hint: str, name: str) -> None:
    text = model("self.head = nn.Linear(3, 3)", forward)
    intent = AddQuantStub("model.py", "Model", span(text, target), hint)
    made = apply(text.encode(), intent).decode()
    assert re.findall(r"self\.(quant_\w+) = QuantStub\(\)", made) == [f"quant_{name}"]


KIN = """
import torch
from torch import nn
from torch.quantization import QuantStub

class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.pos = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        return x + self.pos * 1

class Kin(Base):
    def __init__(self):
        super().__init__()
        self.other = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        pos = self.other
        return super().forward(x * (pos * 1))
"""


def test_a_base_and_its_subclass_do_not_get_one_name() -> None:
    """The second stub would be put in the place of the first when the constructors run."""
    intents = (
        AddQuantStub("model.py", "Base", span(KIN, "self.pos * 1"), "self.pos"),
        AddQuantStub("model.py", "Kin", span(KIN, "pos * 1"), "self.other"),
    )
    made = apply_all(KIN.encode(), intents).source.decode()
    assert sorted(re.findall(r"self\.(quant_\w+) = QuantStub\(\)", made)) == ["quant_pos", "quant_pos_1"]


def test_a_name_that_a_base_in_another_file_holds_is_not_given_out() -> None:
    text = model("self.head = nn.Linear(3, 3)", "return x + self.pos")
    intent = AddQuantStub("model.py", "Model", span(text, "self.pos"), "self.pos", taken=("quant_pos",))
    assert "self.quant_pos_1 = QuantStub()" in apply(text.encode(), intent).decode()
