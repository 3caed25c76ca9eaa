"""QAT303, QAT304 and QAT401 on sources: what decides about them besides the flow of one model."""

from __future__ import annotations

import pytest

from qatlint.flowing import unknown_ops
from tests.static.sources import findings_in, said, trace_in

IMPORTS = """
import torch
from torch import nn
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub
"""


def model(init: str, forward: str, imports: str = IMPORTS) -> str:
    """A model with stubs and a convolution."""
    lines = ["self.quant = QuantStub()", "self.out = nn.Conv2d(8, 8, 1)", "self.dequant = DeQuantStub()"]
    lines += init.splitlines()
    return (
        f"{imports}\nclass Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        + "".join(f"        {line}\n" for line in lines)
        + "    def forward(self, x):\n"
        + "".join(f"        {line}\n" for line in forward.splitlines())
    )


def found(text: str, **others: str) -> set[tuple[str, str]]:
    texts: dict[str, str | bytes] = {
        "model.py": text,
        **{f"{name}.py": other for name, other in others.items()},
    }
    return said(findings_in(texts, "QAT303", "QAT304", "QAT401"))


SIGMOID = "return self.dequant(self.out(self.quant(x)).sigmoid())"


def test_a_project_without_the_plugin_is_left_alone() -> None:
    torch_only = IMPORTS.replace("horizon_plugin_pytorch", "torch")
    assert found(model("", SIGMOID, torch_only)) == set()
    assert found(model("", SIGMOID, torch_only), tool="import horizon_plugin_pytorch\n") == {
        ("QAT401", "dequant")
    }


def test_an_instance_that_is_used_rightly_elsewhere() -> None:
    """One class in two models: what is wrong in one of them only is not said of the class."""
    head = (
        model("", "return self.dequant(self.act(self.out(self.quant(x))))")
        .replace("def __init__(self):", "def __init__(self, act):")
        .replace("self.quant = QuantStub()", "self.act = act\n        self.quant = QuantStub()")
    )
    user = "from torch import nn\nfrom model import Model\n" + "".join(
        f"class {name}(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"        self.head = Model({act})\n    def forward(self, x):\n        return self.head(x)\n"
        for name, act in (("A", "nn.Sigmoid()"), ("B", "nn.Identity()"))
    )
    prepared = (
        "from horizon_plugin_pytorch.quantization import prepare\nfrom user import A, B\n"
        "prepare(A(), 1)\nprepare(B(), 1)\n"
    )
    assert found(head, user=user, tool=prepared) == set()
    assert found(head, user=user, tool=prepared.replace("prepare(B(), 1)\n", "")) == {("QAT401", "dequant")}


@pytest.mark.parametrize(
    ("made", "wrong"),
    [
        ("TorchStub(1 / 128)", True),
        ("TorchStub(scale=1 / 128)", True),
        ("TorchStub()", False),
        ("TorchStub(None)", False),
        ("TorchStub(qconfig=None)", False),
        ("QuantStub(1 / 128)", False),
        ("QuantStub(scale=1 / 128)", False),
    ],
)
def test_who_can_take_a_scale(made: str, wrong: bool) -> None:
    text = model(f"self.own = {made}", "return self.dequant(self.out(self.quant(x) + self.own(x)))")
    text = text.replace(
        "import torch\n", "import torch\nfrom torch.quantization import QuantStub as TorchStub\n", 1
    )
    assert found(text) == ({("QAT304", "own: scale")} if wrong else set())


def test_a_stub_that_is_passed_in_is_named_by_its_holder() -> None:
    text = model(
        "self.stubs = nn.ModuleList([QuantStub(), QuantStub()])",
        "x = self.out(self.quant(x))\nfor stub in self.stubs:\n    x = stub(x)\nreturn self.dequant(self.out(x))",
    )
    assert {code for code, _ in found(text)} == {"QAT303"}


@pytest.mark.parametrize(
    "forward",
    [
        "return self.dequant(self.out(self.quant(x)))",
        "y = self.dequant(self.out(self.quant(x)))\nreturn y.sigmoid(), y.view(-1)",
        "y = self.out(self.quant(x))\nprint(y.shape)\nreturn self.dequant(y)",
        "y = self.out(self.quant(x))\nreturn self.dequant(y), y.shape[0]",
        "y = self.out(self.quant(x))\nb, c = y.size(0), y.size(1)\nreturn self.dequant(y).view(b, c, -1)",
        "y = self.quant(x)\ny = self.out(y)\ny = self.dequant(y)\ny = self.helper(y)\nreturn y",
        "out = {}\nout['a'] = self.dequant(self.out(self.quant(x)))\nreturn out",
    ],
)
def test_models_that_are_right(forward: str) -> None:
    text = model("", forward) + "    def helper(self, y):\n        return y.softmax(1).exp()\n"
    assert found(text) == set()


@pytest.mark.parametrize(
    ("forward", "unknown"),
    [
        ("return self.dequant(self.out(self.quant(x)))", []),
        ("return self.dequant(self.out(torch.strange(self.quant(x))))", ["torch.strange"]),
        ("y = self.quant(x)\nreturn self.dequant(self.out(y.odd() + y.odd()))", [".odd()", ".odd()"]),
        ("y = {'a': self.quant(x)}\nreturn [self.dequant(self.out(v)) for k, v in y.items()]", []),
        ("return self.dequant(mine(self.quant(x)))", []),
        ("return self.dequant(nn.Strange()(self.quant(x)))", ["Strange"]),
    ],
)
def test_ops_that_the_table_does_not_have_are_counted(forward: str, unknown: list[str]) -> None:
    assert sorted(unknown_ops(trace_in({"model.py": model("", forward)}, "model.py"))) == unknown


EMBEDDING = """
class Embedding(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()

    def forward(self, x):
        return self.quant(x)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.one, self.other = Embedding(), Embedding()

    def forward(self, x, y):
        return RETURN
"""
INSTANCES = {
    "one of them": ("self.one(self.quant(x)) + self.other(y)", ["in `one`"]),
    "none": ("self.one(x) + self.other(y)", []),
    "both": ("self.one(self.quant(x)) + self.other(self.quant(y))", [""]),
    "one that runs twice": ("self.one(self.quant(x)) + self.one(y) + self.other(y)", []),
}


@pytest.mark.parametrize(("given", "where"), INSTANCES.values(), ids=INSTANCES)
def test_a_stub_is_needed_by_some_instances_only(given: str, where: list[str]) -> None:
    found = findings_in({"model.py": IMPORTS + EMBEDDING.replace("RETURN", given)}, "QAT303")
    assert len(found) == len(where)
    assert all(part in one.message for one, part in zip(found, where, strict=True))
    assert all((one.fix is None) == bool(part) for one, part in zip(found, where, strict=True))


WRAPPER = """
class Quanter(nn.Module):
    def __init__(self):
        super().__init__()
        self.stub = QuantStub()

    def forward(self, x):
        if isinstance(x, (list, tuple)):
            return [self.stub(one) for one in x]
        return self.stub(x)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quanter = Quanter()
        self.again = QuantStub()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x, y):
        return RETURN
"""


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        ("self.again(self.conv(self.quanter(x)))", ["QAT303"]),
        ("self.conv(self.quanter(x)) * y", ["QAT301"]),
        ("self.conv(self.quanter(x)) * self.quanter(y)", []),
        ("torch.cat(self.quanter([x, y]))", []),
        ("[self.conv(one) for one in self.quanter([x, y])]", []),
    ],
)
def test_a_wrapper_that_takes_a_tensor_or_a_list(given: str, codes: list[str]) -> None:
    texts = {"model.py": IMPORTS + WRAPPER.replace("RETURN", given)}
    assert [f.code for code in ("QAT301", "QAT303") for f in findings_in(texts, code)] == codes
