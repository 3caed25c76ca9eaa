"""What other code makes: objects that a helper gives, and parts of classes that are known by name only."""

from __future__ import annotations

import pytest

from tests.static.sources import counted, findings, findings_in, said, trace_in

HELPER = """
from torch import nn

def LinearModule(d):
    return nn.ModuleList([nn.Linear(d, d), nn.ReLU()])
"""
SPREAD = """
from torch import nn
from parts import LinearModule

class Model(nn.Module):
    def __init__(self, n, d):
        super().__init__()
        layers = []
        for _ in range(n):
            layers += [*LinearModule(d)]
        self.layers = nn.ModuleList(layers)

    def forward(self, x):
        for _ in range({turns}):
            for layer in self.layers:
                x = layer(x)
        return x
"""
GRAFT = """
from torch import nn
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule

class Model(nn.Module):
    def __init__(self, levels, depth, wide=False):
        super().__init__()
        make = {made}
        self.convs = nn.ModuleList()
        for n in range(levels):
            self.convs.append(nn.ModuleList([make(8, 8, 3) for _ in range(depth)]))
        for n in range(levels):
            for i in range(depth):
                self.convs[n][i].conv = {part}

    def forward(self, xs):
        out = []
        for i, x in enumerate(xs):
            for conv in self.convs[i]:
                x = conv(x)
            out.append(x)
        return out
"""


@pytest.mark.parametrize("parts", [HELPER, None], ids=["read", "not read"])
def test_what_a_helper_gives_is_followed_into_the_list(parts: str | None) -> None:
    texts = {} if parts is None else {"parts.py": parts}
    assert findings_in({**texts, "model.py": SPREAD.format(turns=1)}, "QAT101") == []
    twice = findings_in({**texts, "model.py": SPREAD.format(turns=2)}, "QAT101")
    assert said(twice) == {("QAT101", "layers.*")}


def test_what_a_function_with_the_name_of_a_class_gives_is_known() -> None:
    trace = trace_in({"parts.py": HELPER, "model.py": SPREAD.format(turns=3)}, "model.py")
    assert [m.class_name for m in trace.modules if trace.calls_of(m)] == ["torch.nn.Linear", "torch.nn.ReLU"]
    assert counted(trace, "layers.*") == "3 3"


@pytest.mark.parametrize("made", ["ConvModule", "DepthwiseSeparableConvModule if wide else ConvModule"])
def test_a_part_that_all_elements_are_given_is_one(made: str) -> None:
    text = GRAFT.format(made=made, part="self.convs[0][i].conv")
    assert said(findings_in({"model.py": text}, "QAT102")) == {("QAT102", "convs.*.*.conv")}


def test_a_part_of_its_own_is_none() -> None:
    text = GRAFT.format(made="ConvModule", part="nn.Conv2d(8, 8, 3)")
    assert findings_in({"model.py": text}, "QAT102") == []


def test_forward_by_name_of_what_is_not_known_runs_it() -> None:
    text = (
        "class Model(nn.Module):\n    def __init__(self, encoder: nn.Module):\n        super().__init__()\n"
        "        self.encoder = encoder\n    def forward(self, x):\n"
        "        return self.encoder.forward(self.encoder.forward(x))\n"
    )
    assert said(findings(text, "QAT101")) == {("QAT101", "encoder")}
