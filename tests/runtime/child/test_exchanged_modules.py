"""Reports of executed models in which other code has put modules of other classes in the place of some."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.runtime.child.test_built_unlike_source import (
    HEAD,
    check_none_is_sure_and_wrong,
    rows,
)

CLASSES = """
class A(nn.Module):
    def __init__(self, c=None):
        super().__init__()
        self.c = c or nn.Conv2d(4, 4, 1)
        self.p = nn.Parameter(torch.zeros(1, 4, 1, 1))
    def forward(self, x):
        return self.c(x) + x  # run

class B(nn.Module):
    def __init__(self, c=None):
        super().__init__()
        self.c = c or nn.Conv2d(4, 4, 1)
        self.b = nn.Parameter(torch.zeros(1, 4, 1, 1))
    def forward(self, x):
        y = self.c(x)  # conv
        return y + self.b  # other

class Deploy(A):
    def forward(self, x):
        y = self.c(x)  # conv
        return y + self.p  # other

class Same(nn.Module):
    def forward(self, x):
        return x

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.head = A()
        self.blocks = nn.ModuleList(A() for _ in range(2))
    def forward(self, x):
        x = self.head(self.quant(x))
        for block in self.blocks:
            x = block(x)
        return self.dequant(x * 3)  # end
"""
CONVERT = """
def convert(m):
    for name, child in {children}:
        if {test}:
            {put}
        else:
            convert(child)
"""
NAMED, MODULES = "m.named_children()", "list(m._modules.items())"
ISINSTANCE = "isinstance(child, A)"


def convert(put: str, children: str = NAMED, test: str = ISINSTANCE) -> str:
    """A function that goes through all modules."""
    return CONVERT.format(children=children, test=test, put=put)


def built(code: str, function: str = "") -> str:
    """A model that is built so."""
    return f"{HEAD}{CLASSES}{function}\ndef build():\n    m = Net()\n    {code}\n    return m\n"


@pytest.mark.parametrize(
    ("code", "function", "exchanged"),
    [
        ("m.head = B()", "", "head"),
        ("head = B()\n    m.head = head", "", "head"),
        ("setattr(m, 'head', B())", "", "head"),
        ("m._modules['head'] = B()", "", "head"),
        ("m.add_module('head', B())", "", "head"),
        ("m.blocks[1] = B()", "", "blocks"),
        ("setattr(m.blocks, '1', B())", "", "blocks"),
        ("m.blocks._modules['1'] = B()", "", "blocks"),
        ("m.blocks = nn.ModuleList([B(), A()])", "", "blocks"),
        ("m.blocks = nn.Sequential(*(B() for _ in range(2)))", "", "blocks"),
        ("convert(m)", convert("setattr(m, name, B(child.c))"), "head blocks"),
        ("convert(m)", convert("m._modules[name] = B(child.c)", MODULES), "head blocks"),
        ("convert(m)", convert("m.add_module(name, B())", test="type(child) == A"), "head blocks"),
        ("m.head.__class__ = Deploy", "", "head blocks"),
        ("for k in m.modules():\n        if type(k) is A: k.__class__ = Deploy", "", "head blocks"),
    ],
)
def test_a_module_of_another_class(code: str, function: str, exchanged: str, tmp_path: Path) -> None:
    found = rows(tmp_path, built(code, function))
    check_none_is_sure_and_wrong(found)
    adds = [row for row in found if "_generated_add" in row.label]
    assert "other" in {row.truth for row in adds}
    for row in adds:
        is_exchanged = row.label.partition(".")[0] in exchanged.split()
        assert row.lines == ("run other" if is_exchanged else "run")
        assert row.why.startswith("other code puts another module" if is_exchanged else "")
    assert [row.lines for row in found if "_generated_mul" in row.label] == ["end"]
    assert all(row.lines in ("run conv", "run") for row in found if row.label.endswith(".c"))


@pytest.mark.parametrize(
    "code",
    [
        "m.made_from = unknown",
        "m.head = make(m)",
        "m.head = copy.deepcopy(made(m))",
    ],
)
def test_a_module_that_nobody_knows(code: str, tmp_path: Path) -> None:
    function = "import copy\nunknown = 1\ndef make(m):\n    return B()\nmade = make\n"
    found = rows(tmp_path, built(code, function))
    (add,) = [row for row in found if row.label == "head._generated_add_0"]
    assert add.lines == "run"
    assert add.why.startswith("other code puts another module") is ("made_from" not in code)


@pytest.mark.parametrize(
    ("code", "function"),
    [
        # Of the same class, or the same one.
        ("m.head = A()", ""),
        ("head = m.head\n    m.head = head", ""),
        ("m.head = torch.jit.export(m.head)", ""),
        ("m.blocks = m.blocks[:1]", ""),
        ("m.blocks = nn.ModuleList(m.blocks[:1])", ""),
        ("m.blocks[1] = A()", ""),
        ("convert(m)", convert("setattr(m, name, A(child.c))")),
        # Something else, of which the report would have no such rows.
        ("m.head = nn.Identity()\n    m.head = A()", ""),
        ("convert(m)", convert("setattr(m, name, nn.Identity())", test="isinstance(child, Same)")),
        # Of another object, or another class.
        ("o = Same()\n    o.head = B()", ""),
        ("convert(m)", convert("setattr(m, name, B())", test="isinstance(child, nn.BatchNorm2d)")),
        ("for k in m.modules():\n        if type(k) is Same: k.__class__ = B", ""),
    ],
)
def test_modules_that_are_of_their_class(code: str, function: str, tmp_path: Path) -> None:
    found = rows(tmp_path, built(code, function))
    check_none_is_sure_and_wrong(found)
    assert {row.lines for row in found if "_generated_add" in row.label} == {"run"}


def test_no_test_of_its_class_decides_then(tmp_path: Path) -> None:
    net = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant = QuantStub(), DeQuantStub()
        self.layers = nn.ModuleList(nn.Conv2d(4, 4, 1) for _ in range(3))
        self.p = nn.Parameter(torch.zeros(1, 4, 1, 1))
    def forward(self, x):
        x = self.quant(x)
        for layer in self.layers:
            if isinstance(layer, nn.Identity):
                x = x + self.p  # pruned
            else:
                x = layer(x) + x  # run
        return self.dequant(x)

def build():
    m = Net()
    m.layers[1] = nn.Identity()
    return m
"""
    found = rows(tmp_path, HEAD + net)
    assert all(row.truth in row.lines.split() for row in found)
    adds = [row.lines for row in found if "_generated_add" in row.label]
    assert adds[1] == "pruned run"
