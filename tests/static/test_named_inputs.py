"""QAT301 on what a forward is given in parts: which of them are inputs of the model."""

from __future__ import annotations

import pytest

from tests.static.sources import findings_in, said

MODEL = """
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.conv = nn.Conv2d(3, 8, 1)
        self.out = nn.Conv2d(8, 8, 1)
        self.dequant = DeQuantStub()
    def forward(self, img, {given}):
        x = self.conv(self.quant(img))
        return self.dequant(self.out({used}))
"""


@pytest.mark.parametrize(
    ("given", "used", "found"),
    [
        ("batch", "x * batch.depth", "batch.depth"),
        ("batch", "x * batch.left.depth", "batch.left.depth"),
        ("batch", "x * batch.depth.view(-1)", "batch.depth"),
        ("batch", "x * batch.get('depth')", "batch.depth"),
        ("batch", "x * batch.pop('depth')", "batch.depth"),
        ("*others", "x * others[0]", "others.0"),
        ("**others", "x * others['depth']", "others.depth"),
        ("**others", "x * others.get('depth')", "others.depth"),
        ("*others", "sum([x * other for other in others])", "others.*"),
        ("batch", "x * batch.mask", ""),  # no quantity
        ("batch", "x[:, batch.order]", ""),  # an index
        ("batch", "x * batch.shape[0]", ""),  # a number
        ("batch", "x.view(batch.count, -1)", ""),  # a size
        ("batch=None", "x * batch.depth", ""),  # nobody has to give it
        ("cfg", "x * cfg.scale", ""),  # what somebody set
        ("options", "x * options.scale", ""),  # what somebody set
        ("batch", "x * self.quant(batch.depth)", ""),  # quantised
    ],
)
def test_parts_of_arguments(given: str, used: str, found: str) -> None:
    text = MODEL.replace("{given}", given).replace("{used}", used)
    assert said(findings_in({"model.py": text}, "QAT301")) == ({("QAT301", found)} if found else set())
