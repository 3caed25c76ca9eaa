"""Quant states: which models a class is followed in, what is assumed, and what stays unknown."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest

from qatlint.engine import check, open_project
from qatlint.registry import all_rules
from qatlint.static.tracing import trace_class
from qatlint.trace import Flow, Quant
from tests.static.sources import Memory, clean

IMPORTS = """\
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub

"""
PART = IMPORTS + clean("""
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.pos = nn.Parameter(torch.zeros(8))

        def forward(self, x):
            return x + self.pos
""")
MODEL = """
    from part import Part

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()
            self.part = Part()
            self.head = nn.Linear(8, 8)
            self.dequant = DeQuantStub()

        def forward(self, x):
            %s
            return self.dequant(self.head(x))
"""


def flows(texts: Mapping[str, str], path: str, name: str) -> tuple[Flow, ...]:
    memory = Memory(texts)
    project = open_project(sorted(texts), memory)
    (cls,) = [c for c in project.file(path).classes if c.qualname == name]
    return trace_class(project, cls).flows


def model(body: str) -> str:
    return IMPORTS + clean(MODEL % body.replace("\n", "\n            "))


def found(texts: Mapping[str, str]) -> list[tuple[str, str, int]]:
    findings = check(sorted(texts), Memory(texts), all_rules())
    return [(f.code, f.span.path, f.span.line) for f in findings if f.code.startswith("QAT3")]


def test_a_project_without_the_plugin_has_no_flows() -> None:
    text = clean("""
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(3, 3, 1)

            def forward(self, x):
                return self.conv(x)
    """)
    assert flows({"net.py": text}, "net.py", "Net") == ()


def test_a_class_alone_is_given_quantised_inputs() -> None:
    (flow,) = flows({"part.py": PART}, "part.py", "Part")
    assert flow.assumed
    assert [state.quant for state in flow.ops[0].operands] == [Quant.QUANTIZED, Quant.FLOAT]


@pytest.mark.parametrize(
    ("body", "states"),
    [
        ("x = self.part(self.quant(x))", [Quant.QUANTIZED, Quant.FLOAT]),
        ("x = self.quant(self.part(x))", [Quant.FLOAT, Quant.FLOAT]),
    ],
    ids=["behind the stub", "before the stub"],
)
def test_a_class_is_judged_by_what_its_model_gives_it(body: str, states: list[Quant]) -> None:
    texts = {"model.py": model(body), "part.py": PART}
    (flow,) = flows(texts, "part.py", "Part")
    assert (flow.root, flow.assumed) == ("model:Model", False)
    (op,) = [op for op in flow.ops if op.runner == "part:Part"]
    assert (op.path, [state.quant for state in op.operands]) == ("part", states)
    line = PART.splitlines().index("        return x + self.pos") + 1
    assert (("QAT302", "part.py", line) in found(texts)) is (states[0] is Quant.QUANTIZED)


def test_what_a_registry_makes_is_no_root() -> None:
    text = model("x = self.quant(x)").replace("class Model", "@MODELS.register_module()\nclass Model")
    (flow,) = flows({"model.py": text, "part.py": PART}, "model.py", "Model")
    assert flow.assumed


@pytest.mark.parametrize("spelt", ["part.Part()", "parts.Part()", "Part()"])
def test_a_class_is_found_under_a_dotted_name(spelt: str) -> None:
    imports = {"part.Part()": "import part", "parts.Part()": "import part as parts"}
    text = model("x = self.part(self.quant(x))").replace("self.part = Part()", f"self.part = {spelt}")
    text = text.replace("from part import Part", imports.get(spelt, "from part import Part"))
    (flow,) = flows({"model.py": text, "part.py": PART}, "part.py", "Part")
    assert (flow.root, flow.assumed) == ("model:Model", False)


def test_what_a_stub_of_a_registered_class_takes_is_not_taken_for_quantised() -> None:
    """The class may be a part, but a QuantStub says what is float."""
    text = model("x = x - self.mean\nx = self.quant(x)")
    text = text.replace("class Model", "@MODELS.register_module()\nclass Model")
    text = text.replace("self.part = Part()", "self.mean = nn.Parameter(torch.zeros(8))")
    (flow,) = flows({"model.py": text, "part.py": PART}, "model.py", "Model")
    assert flow.assumed
    assert [op.operands[0].quant for op in flow.ops] == [Quant.FLOAT, Quant.FLOAT, *[Quant.QUANTIZED] * 2]


def test_an_unknown_module_makes_an_unknown_state() -> None:
    text = model("x = self.other(self.quant(x)) + self.pos").replace(
        "self.part = Part()", "self.other = build(1)\n        self.pos = nn.Parameter(torch.zeros(8))"
    )
    texts = {"model.py": "from somewhere import build\n" + text, "part.py": PART}
    (flow,) = flows(texts, "model.py", "Model")
    (add,) = [op for op in flow.ops if op.name == "add"]
    assert [state.quant for state in add.operands] == [Quant.UNKNOWN, Quant.FLOAT]
    assert not [entry for entry in found(texts) if entry[1] == "model.py"]


def test_a_stub_on_one_path_only_makes_an_unknown_state() -> None:
    body = "y = self.quant(x) if self.flag else x\nx = self.part(y)"
    texts = {"model.py": model(body), "part.py": PART}
    (flow,) = flows(texts, "part.py", "Part")
    (op,) = [op for op in flow.ops if op.runner == "part:Part"]
    assert op.operands[0].quant is Quant.UNKNOWN


def test_what_a_loop_carries_is_followed_until_nothing_changes() -> None:
    body = "y = torch.zeros(8)\nfor _ in range(self.n):\n    y = self.quant(x) * y\nx = y"
    (flow,) = flows({"model.py": model(body), "part.py": PART}, "model.py", "Model")
    (mul,) = [op for op in flow.ops if op.name == "mul"]
    assert mul.operands[1].quant is Quant.UNKNOWN, "float in the first turn, quantised in the others"


def test_a_forward_that_calls_itself_ends() -> None:
    body = "x = self.part(self.quant(x))\nif x.sum() > 0:\n    return self.forward(x)"
    (flow,) = flows({"model.py": model(body), "part.py": PART}, "model.py", "Model")
    assert flow.ops


def test_users_cross_the_borders_of_classes() -> None:
    texts = {"model.py": model("x = self.part(self.quant(x))"), "part.py": PART}
    (flow,) = flows(texts, "model.py", "Model")
    by_name = {op.name: op for op in flow.ops}
    chain = ["quant_stub", "add", "linear", "dequant_stub"]
    for one, other in pairwise(chain):
        assert by_name[one].users == (by_name[other].number,)
        assert by_name[other].operands[0].made_by == (by_name[one].number,)
    assert by_name["dequant_stub"].returned and by_name["add"].via_owners == ("model:Model",)
