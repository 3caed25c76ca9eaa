"""Modules picked by the name that a loop is at: each name is met once, and has a module of its own."""

from __future__ import annotations

import pytest

from qatlint.trace import On
from tests.static.sources import findings, said, trace_of

DICT = """
self.box = nn.ModuleDict()
for name in names:
    self.box[name] = nn.Conv2d(4, 4, 1)
"""
PATTERNS = """
self.box, self.names = nn.ModuleDict(), []
for text in names:
    name, size = text.split(":")
    self.box[f"conv_{name}"] = nn.Conv2d(4, int(size), 1)
    self.names.append(f"conv_{name}")
"""
ATTRIBUTES = """
for name in names:
    setattr(self, f"conv_{name}", nn.Conv2d(4, 4, 1))
"""
BY_METHOD = """
for name in names:
    conv = nn.Conv2d(4, 4, 1)
    self.__setattr__(name, conv)
"""
ONE = 'self.box = nn.ModuleDict({"image": nn.Conv2d(4, 4, 1)})'
PLAIN = 'self.box = {}\nself.box["image"] = nn.Conv2d(4, 4, 1)'
SHAPES = {
    "the names that filled it": (DICT, "for name in self.names", "self.box[name]"),
    "other names": (DICT, "for name in x", "self.box[name]"),
    "names made with the modules": (PATTERNS, "for name in self.names", "self.box[name]"),
    "a pattern of the name": (ATTRIBUTES, "for name in self.names", 'getattr(self, f"conv_{name}")'),
    "the name itself": (BY_METHOD, "for name in self.names", "self.__getattr__(name)"),
    "getattr": (BY_METHOD, "for name in self.names", "getattr(self, name)"),
    "a dict of one": (ONE, "for name in x", "self.box[name]"),
    "a plain dict of one": (PLAIN, "for name in x", "self.box[name]"),
}


def text_of(init: str, loop: str, body: str) -> str:
    lines = [line for line in init.strip().splitlines() if line]
    own = [] if init is PATTERNS else ["self.names = names"]
    return "\n".join(
        [
            "class Model(nn.Module):",
            "    def __init__(self, names):",
            "        super().__init__()",
            *(f"        {line}" for line in [*own, *lines]),
            "    def forward(self, x):",
            f"        {loop}:",
            f"            x = {body}",
            "        return x",
        ]
    )


@pytest.mark.parametrize(("init", "loop", "module"), SHAPES.values(), ids=SHAPES)
def test_each_name_has_a_module_of_its_own(init: str, loop: str, module: str) -> None:
    assert findings(text_of(init, loop, f"{module}(x)"), "QAT101") == []


@pytest.mark.parametrize(("init", "loop", "module"), SHAPES.values(), ids=SHAPES)
def test_a_module_that_its_name_runs_twice_is_shared(init: str, loop: str, module: str) -> None:
    (finding,) = findings(text_of(init, loop, f"{module}({module}(x))"), "QAT101")
    assert str(finding.times) == "2"


def test_a_loop_around_the_loop_over_names_shares_all_of_them() -> None:
    loop = "for _ in range(3):\n          for name in self.names"
    (finding,) = findings(text_of(DICT, loop, "self.box[name](x)"), "QAT101")
    assert str(finding.times) == "3"


def test_a_fixed_name_in_a_loop_is_shared() -> None:
    text = text_of(ONE, "for name in x", 'self.box["image"](x)')
    assert said(findings(text, "QAT101")) == {("QAT101", "box.image")}


DEFAULT = """
class Model(nn.Module):
    def __init__(self, names=("seg", "det")):
        super().__init__()
        self.names = names
        for name in names:
            setattr(self, f"conv_{name}", nn.Conv2d(4, 4, 1))
            setattr(self, name + "_act", nn.Sigmoid())

    def forward(self, x):
        for name in self.names:
            x = CALL
        return x
"""
READ = {
    "a formatted string": 'getattr(self, f"conv_{name}")',
    "a sum": 'getattr(self, "conv_" + name)',
    "by method": 'self.__getattr__("conv_" + name)',
}


@pytest.mark.parametrize("module", READ.values(), ids=READ)
def test_names_of_a_default_are_met_turn_by_turn(module: str) -> None:
    assert findings(DEFAULT.replace("CALL", f"{module}(x)"), "QAT101") == []
    (finding,) = findings(DEFAULT.replace("CALL", f"{module}({module}(x))"), "QAT101")
    assert str(finding.times) == "2"


def test_a_part_that_is_named_by_one_of_them() -> None:
    text = DEFAULT.replace("CALL", 'self.conv_seg(getattr(self, f"conv_{name}")(x))')
    (finding,) = findings(text, "QAT101")
    assert finding.subject == "*"


def test_another_name_is_none_of_them() -> None:
    assert trace_of(DEFAULT.replace("CALL", "self.conv_lane(x)")).calls == ()


STUBS = """
from torch.quantization import DeQuantStub
from horizon_plugin_pytorch.quantization import QuantStub

class Model(nn.Module):
    def __init__(self, names=("seg", "det")):
        super().__init__()
        self.names = names
        self.quant = QuantStub()
        self.stem = nn.Conv2d(4, 4, 1)
        for name in names:
            setattr(self, f"conv_{name}", nn.Conv2d(4, 4, 1))
            setattr(self, f"stub_{name}", DeQuantStub())

    def forward(self, x, others=None):
        y = self.stem(self.quant(x)).sigmoid()
        return [getattr(self, NAME)(y) for name in OVER]
"""


@pytest.mark.parametrize(
    ("name", "over", "codes"),
    [
        ('f"stub_{name}"', "self.names", ["QAT401"]),
        ('f"conv_{name}"', "self.names", []),
        ("name", "others", []),
        ("name", "dir(self)", []),
    ],
)
def test_a_stub_that_only_may_be_meant_is_none(name: str, over: str, codes: list[str]) -> None:
    text = STUBS.replace("NAME", name).replace("OVER", over)
    assert [f.code for f in findings(text, "QAT401")] == codes


def test_a_module_dict_is_asked_whether_it_has_a_name() -> None:
    asked = 'x = self.box["image"](x) if NAME in self.box else x'
    text = text_of(ONE, "for name in range(1)", 'self.box["image"](x)')
    twice = text.replace("            x =", f"            {asked}\n            x =")
    (finding,) = findings(twice.replace("NAME", '"image"'), "QAT101")
    assert (str(finding.times), finding.on) == ("2", On.ALWAYS)
    assert findings(twice.replace("NAME", '"lidar"'), "QAT101") == []
    (finding,) = findings(twice.replace("NAME", "x"), "QAT101")
    assert finding.on is not On.ALWAYS
