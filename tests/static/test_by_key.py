"""Modules picked by the name that a loop is at: each name is met once, and has a module of its own."""

from __future__ import annotations

import pytest

from tests.static.sources import findings, said

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
