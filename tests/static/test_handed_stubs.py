"""Stubs for what several models or classes use, and for what a list of arguments hands in."""

from __future__ import annotations

import pytest

from qatlint.finding import Finding, Safety
from tests.static.sources import clean, findings_in

IMPORTS = """
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub
"""


def found(text: str, code: str) -> list[Finding]:
    return findings_in({"model.py": IMPORTS + clean(text)}, code)


PART = """
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.own = nn.Parameter(torch.zeros(8))

        def forward(self, x, table=None):
            table = self.own if table is None else table
            return x + table
"""
MODEL = """
    class {name}(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant, self.quant_table = QuantStub(), QuantStub()
            self.part = Part()
            self.head = nn.Linear(8, 8)
            self.dequant = DeQuantStub()

        def forward(self, x, table):
            x = self.head(self.quant(x))
            return self.dequant(self.head(self.part({given})))
"""


@pytest.mark.parametrize("others", [True, False])
def test_no_stub_where_the_operation_is_given_something_quantised_elsewhere(others: bool) -> None:
    text = clean(PART) + clean(MODEL.format(name="Own", given="x"))
    if others:
        text += clean(MODEL.format(name="Quantised", given="x, self.quant_table(table)"))
    (one,) = found(text, "QAT302")
    assert one.subject == "self.own"
    if others:
        assert one.fix is None
        assert one.no_fix.startswith("elsewhere the operation is given what is quantised")
    else:
        assert one.fix is not None
        assert one.fix.safety is Safety.SAFE


TWO_MODELS = """
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = nn.Parameter(torch.ones(4, 1, 1))

        def forward(self, x):
            return x * self.gain

    class Ends(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant, self.dequant = QuantStub(), DeQuantStub()
            self.out, self.scale = nn.Conv2d(3, 4, 1), Scale()

        def forward(self, x):
            return self.dequant(self.scale(self.out(self.quant(x))))

    class GoesOn(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant, self.dequant = QuantStub(), DeQuantStub()
            self.out, self.scale = nn.Conv2d(3, 4, 1), Scale()
            self.last = nn.Conv2d(4, 4, 1)

        def forward(self, x):
            return self.dequant(self.last(self.scale(self.out(self.quant(x)))))
"""


def test_what_may_leave_the_region_in_one_model_only_is_said_so() -> None:
    (one,) = found(TWO_MODELS, "QAT302")
    assert one.fix is None
    assert "in one model, and is to be quantised in another" in one.no_fix


@pytest.mark.parametrize(
    ("given", "subjects"),
    [
        ("torch.cat((x, *rest), 1)", ["rest.*"]),
        ("torch.cat([x, *(self.quant_rest(r) for r in rest)], 1)", []),
        ("x.reshape(*x.shape)", []),
    ],
)
def test_the_entries_of_what_is_handed_in_are_inputs(given: str, subjects: list[str]) -> None:
    text = f"""
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant, self.quant_rest = QuantStub(), QuantStub()
            self.stem, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)
            self.dequant = DeQuantStub()

        def forward(self, x, *rest):
            x = self.stem(self.quant(x))
            return self.dequant(self.head({given}))
    """
    findings = found(text, "QAT301")
    assert [f.subject for f in findings] == subjects
    assert all(f.fix is None for f in findings)
