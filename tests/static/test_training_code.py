"""Losses, metrics and transforms of data are never part of a deployed forward, whatever says so."""

from __future__ import annotations

import pytest

from tests.static.sources import clean, findings_in, said

TWICE = """
from torch import nn
{head}

class {name}({base}):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()
        self.unused = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return self.act(self.act(x))
"""
MODEL = """
from torch import nn
from {module} import {name}

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)
        self.part = {name}()

    def forward(self, x):
        return self.conv(x)
"""


def texts(path: str, name: str, base: str = "nn.Module", head: str = "") -> dict[str, str]:
    module = path.removesuffix(".py").replace("/", ".")
    packages = {f"{path.rpartition('/')[0]}/__init__.py": ""} if "/" in path else {}
    return {
        path: clean(TWICE.format(head=head, name=name, base=base)),
        "model.py": clean(MODEL.format(module=module, name=name)),
        **packages,
    }


@pytest.mark.parametrize(
    ("path", "name", "base", "head"),
    [
        ("parts.py", "FocalLoss", "nn.Module", ""),
        ("parts.py", "Accuracy", "BaseMetric", "from mmengine.evaluator import BaseMetric"),
        ("parts.py", "Mosaic", "T.Transform", "import torchvision.transforms.v2 as T"),
        ("metrics/precision.py", "Precision", "nn.Module", ""),
        ("losses/focal.py", "Focal", "nn.Module", ""),
    ],
)
def test_nothing_is_said_of_it(path: str, name: str, base: str, head: str) -> None:
    assert findings_in(texts(path, name, base, head)) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [("parts.py", "Precision"), ("layers/norms.py", "LossyNorm"), ("heads.py", "Transformer")],
)
def test_other_classes_are_judged(path: str, name: str) -> None:
    assert said(findings_in(texts(path, name))) == {
        ("QAT101", "act"),
        ("QAT103", "unused"),
        ("QAT103", "part"),
    }


@pytest.mark.parametrize(
    ("name", "forward", "judged"),
    [
        ("LossComputer", "self, x, targets", False),
        ("FocalLossSparse", "self, x, gt_boxes", False),
        ("DetectorWithLoss", "self, x, targets=None", True),
        ("LossAwareHead", "self, x", True),
        ("Detector", "self, x, targets", True),
    ],
)
def test_a_class_that_speaks_of_a_loss_is_one_where_it_must_be_given_targets(
    name: str, forward: str, judged: bool
) -> None:
    files = {
        "parts.py": clean(TWICE.format(head="", name=name, base="nn.Module")).replace("self, x", forward)
    }
    assert ("QAT101", "act") in said(findings_in(files)) or not judged
    assert bool(findings_in(files)) is judged
