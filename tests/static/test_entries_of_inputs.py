"""What is read from an argument that is taken for quantised: indices and sizes are none of its numbers."""

from __future__ import annotations

import pytest

from tests.static.sources import clean, findings_in

TEXT = """
import torch
from torch import nn
import horizon_plugin_pytorch

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.size = nn.Parameter(torch.rand(3))
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x, **batch):
        y = self.conv(batch["feats"])
        return READ * self.size
"""


@pytest.mark.parametrize(
    "read",
    [
        "x.indices[:, 1:]",
        "x.indices",
        'batch["img_metas"][0]["img_shape"][0]',
        'batch["mask"]',
        "x.labels[0]",
    ],
)
def test_what_says_where_and_how_many_is_not_quantised(read: str) -> None:
    assert findings_in({"model.py": clean(TEXT.replace("READ", read))}, "QAT302") == []


@pytest.mark.parametrize(
    "read", ["x", "x.features", "x[:, 1:]", "x[0]", 'batch["feats"]', "self.conv(x)", "y"]
)
def test_the_others_are(read: str) -> None:
    (found,) = findings_in({"model.py": clean(TEXT.replace("READ", read))}, "QAT302")
    assert found.subject == "self.size"
