"""QAT301 on models without any stub: what is known to be a model is told where its region is to begin."""

from __future__ import annotations

import pytest

from tests.static.sources import findings_in, said

MODEL = """
import torch
from torch import nn
class Model(nn.Module):
    def __init__(self, backbone=None):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 1)
        self.out = nn.Conv2d(8, 8, 1)
        self.backbone = backbone
    def forward(self, x, mask=None):
        {body}
"""
PREPARED = """
from horizon_plugin_pytorch.quantization import prepare
from model import Model
prepare(Model(), 1)
"""
OTHER = "import horizon_plugin_pytorch\n"


@pytest.mark.parametrize(
    ("body", "tool", "found"),
    [
        ("return self.out(self.conv(x))", PREPARED, {("QAT301", "x")}),
        ("return self.out(self.conv(x / 255))", PREPARED, {("QAT301", "x")}),
        ("return self.out(self.conv(x))", OTHER, set()),  # nothing says that it is a model
        ("return self.out(self.backbone(x))", PREPARED, set()),  # which may begin with a stub
        ("return self.backbone(self.conv(x))", PREPARED, {("QAT301", "x")}),
        ("return x.flatten(1).sum(1)", PREPARED, set()),  # no layer
    ],
)
def test_a_model_without_stubs(body: str, tool: str, found: set[tuple[str, str]]) -> None:
    texts = {"model.py": MODEL.replace("{body}", body), "tool.py": tool}
    findings = findings_in(texts, "QAT301")
    assert said(findings) == found
    assert all("none was found in the model" in finding.message for finding in findings)


def test_one_stub_is_enough_to_say_where_the_region_is() -> None:
    text = MODEL.replace("{body}", "return self.out(self.quant(self.conv(x)))").replace(
        "        self.backbone", "        self.quant = QuantStub()\n        self.backbone"
    )
    text = text.replace("import torch\n", "import torch\nfrom torch.quantization import QuantStub\n", 1)
    assert said(findings_in({"model.py": text, "tool.py": PREPARED}, "QAT301")) == set()
