"""Fixes that linting offers are kept by the fixer: rules and codemods together, on whole texts."""

from __future__ import annotations

import pytest

from qatlint.codemods.fixer import fix
from qatlint.engine import check
from qatlint.finding import Finding
from qatlint.loader import Loader
from qatlint.registry import all_rules
from tests.static.sources import HEAD, Memory, model


def test_a_gate_that_is_handed_in_or_made() -> None:
    text = HEAD + model(
        "if gate is None:\n    self.gate = nn.ReLU()\nelse:\n    self.gate = gate",
        "return self.gate(self.gate(x))",
        parameters="gate=None",
    )
    result = fix(["model.py"], Memory({"model.py": text}), shared, unsafe=True)
    assert (result.problems, result.findings) == ((), [])
    assert b"self.gate_1(self.gate(x))" in result.texts["model.py"]


def shared(loader: Loader) -> list[Finding]:
    return check(["model.py"], loader, [rule for rule in all_rules() if rule.code.startswith("QAT1")])


def test_a_module_that_is_run_through_the_class_of_all_modules() -> None:
    forward = "x = nn.Module.__call__(self.act, x)\nreturn nn.Module.__call__(self.act, self.act(x))"
    text = HEAD + model("self.act = nn.ReLU()", forward)
    result = fix(["model.py"], Memory({"model.py": text}), shared, unsafe=False)
    assert (result.problems, result.findings) == ((), [])
    assert b"nn.Module.__call__(self.act_2, self.act_1(x))" in result.texts["model.py"]


@pytest.mark.parametrize(("parameters", "made"), [("act", ""), ("", "act = build_activation(cfg)\n")])
def test_an_unknown_module_that_stands_twice_in_a_sequential(parameters: str, made: str) -> None:
    layers = "self.layers = nn.Sequential(nn.Conv2d(8, 8, 1), act, nn.Conv2d(8, 8, 1), act)"
    text = HEAD + model(made + layers, "return self.layers(x)", parameters=parameters)
    (before,) = shared(Memory({"model.py": text}))
    assert before.fix is not None
    result = fix(["model.py"], Memory({"model.py": text}), shared, unsafe=True)
    assert (result.problems, result.findings) == ((), [])


def dynamic(loader: Loader) -> list[Finding]:
    return check(["model.py"], loader, [rule for rule in all_rules() if rule.code == "QAT201"])


@pytest.mark.parametrize("given", ["[self.conv(t) * 2 for t in xs]", "(self.conv(t) * 2 for t in xs)"])
def test_what_is_summed_becomes_a_loop_and_the_sum_is_still_the_same_finding(given: str) -> None:
    text = HEAD + model("self.conv = nn.Conv2d(3, 3, 1)", f"return sum({given})").replace("x):", "x, xs=()):")
    before = dynamic(Memory({"model.py": text}))
    assert [finding.fix is not None for finding in before] == [False, True]
    result = fix(["model.py"], Memory({"model.py": text}), dynamic, unsafe=True)
    assert result.problems == () and [f.subject for f in result.findings] == [before[0].subject]


REGION = """\
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub

class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.left, self.right = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.dequant = DeQuantStub()

class Model(Base):
    def forward(self, x):
        x = self.quant(x)
        return self.dequant(torch.cat([self.left(x), self.right(x)], 1))
"""


def test_outputs_that_pass_the_stub_of_a_base() -> None:
    """There is no line here to make another stub on: one may serve both."""
    result = fix(["model.py"], Memory({"model.py": REGION}), region, unsafe=False)
    assert (result.problems, [f.code for f in result.findings]) == ((), [])
    text = result.texts["model.py"].decode()
    assert "return torch.cat([self.dequant(self.left(x)), self.dequant(self.right(x))], 1)" in text


def region(loader: Loader) -> list[Finding]:
    return check(["model.py"], loader, [rule for rule in all_rules() if rule.code[:4] in ("QAT3", "QAT4")])


def test_a_stub_that_moves_in_a_loop_is_split_where_it_is_called_then() -> None:
    """The heads are asked for by name; both fixes are there at once."""
    text = HEAD + "from torch.quantization import DeQuantStub\n"
    text += "from horizon_plugin_pytorch.quantization import QuantStub\n"
    text += model(
        "self.quant = QuantStub()\nself.hd = {'hm': 2, 'dim': 3}\nfor k in self.hd:\n"
        "    self.__setattr__(k, nn.Conv2d(3, self.hd[k], 1))\nself.dequant = DeQuantStub()",
        "x = self.quant(x)\nr = {}\nfor k in self.hd:\n"
        "    r[k] = self.dequant(self.__getattr__(k)(x).sigmoid())\nreturn r",
    )

    def everything(loader: Loader) -> list[Finding]:
        return check(["model.py"], loader, list(all_rules()))

    result = fix(["model.py"], Memory({"model.py": text}), everything, unsafe=False)
    written = result.texts["model.py"].decode()
    assert "r[k] = getattr(self, f'dequant_{i}')(self.__getattr__(k)(x)).sigmoid()" in written
    assert "self.dequant(" not in written and "self.dequant =" not in written


def test_what_is_known_of_a_stub_stays_when_each_turn_gets_one() -> None:
    """QAT401 has no fix there; it is told of all turns afterwards, which is nothing new."""
    text = HEAD + "from torch.quantization import DeQuantStub\n"
    text += "from horizon_plugin_pytorch.quantization import QuantStub\n"
    text += model(
        "self.quant = QuantStub()\nself.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(n)])\n"
        "self.dequant = DeQuantStub()",
        "x, outs = self.quant(x), []\nfor layer in self.layers:\n    x = layer(x).sigmoid()\n"
        "    outs.append(self.dequant(x))\nreturn outs",
        parameters="n=3",
    )

    def everything(loader: Loader) -> list[Finding]:
        return check(["model.py"], loader, list(all_rules()))

    result = fix(["model.py"], Memory({"model.py": text}), everything, unsafe=False)
    assert result.problems == ()
    assert [(f.code, f.subject, f.fix) for f in result.findings] == [("QAT401", "dequant.*", None)]
