"""Reports of models that were changed after they were built, or that are of a subclass: what other code sets,
replaces or overrides decides nothing but where the report itself proves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qatlint import engine
from qatlint.aim import Aim, EntryPoint
from qatlint.files import DiskLoader
from qatlint.resolve.choosing import best
from tests.resolve.reporting import HEAD, adds, found, report

SWITCHED = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.deploy = {first}
        self.conv, self.one = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
{method}
    def forward(self, x):
        if self.deploy:
            return self.conv(x) + 1  # deployed
        return self.one(x) + 2  # trained


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.blocks = nn.Sequential(Block(), Block())

    def forward(self, x):
        return self.blocks(self.quant(x))
{behind}
"""
METHOD = """
    def switch_to_deploy(self):
        self.deploy = True
"""
BUILDING = """
    def _settle(self):
        self.deploy = False
"""
SET_AGAIN = {
    "a method of its own": ("False", METHOD, ""),
    "a builder": (
        "False",
        "",
        "def build():\n    model = Net(); model.blocks[0].deploy = True; return model",
    ),
    "setattr": ("False", "", "def build(model):\n    setattr(model.blocks[0], 'deploy', True)"),
    "setattr with names that are handed in": (
        "False",
        "",
        "def set_all(m, **flags):\n    for k, v in flags.items():\n        setattr(m, k, v)\n"
        "def build(model):\n    set_all(model.blocks[0], deploy=True)",
    ),
    "setattr with names out of a list": (
        "False",
        "",
        "def build(model):\n    for name in ('deploy', 'export'):\n        setattr(model.blocks[0], name, True)",
    ),
    "its namespace": ("False", "", "def build(model):\n    vars(model.blocks[0])['deploy'] = True"),
    "an update of its namespace": (
        "False",
        "",
        "def build(model):\n    model.blocks[0].__dict__.update(deploy=True)",
    ),
    "a name of the module": (
        "MODE",
        "",
        "MODE = False\ndef build():\n    global MODE\n    MODE = True\n    return Net()",
    ),
    "an entry of settings": (
        "MODE['deploy']",
        "",
        "MODE = {'deploy': False}\ndef build():\n    MODE['deploy'] = True\n    return Net()",
    ),
    "a method that others call, too": (
        "False",
        BUILDING.replace("False", "True"),
        "def build(model):\n    model.blocks[0]._settle()",
    ),
}


def switched(case: tuple[str, str, str]) -> str:
    first, method, behind = case
    text = SWITCHED.format(first=first, method=method, behind=behind)
    # What a constructor copies is read there; a name of the module is asked for in forward.
    return text.replace("if self.deploy", f"if {first}") if first.startswith("MODE") else text


@pytest.mark.parametrize("case", SET_AGAIN)
def test_what_other_code_sets_again_decides_no_branch(case: str, tmp_path: Path) -> None:
    text = switched(SET_AGAIN[case])
    row = ["blocks.0._generated_add_0"]
    assert found(tmp_path, text, report(row), row) == ["deployed,trained"]
    # What did not run proves which way it went, and so does what ran.
    never = report(row, {"blocks.0.one": 0, "blocks.1.one": 0})
    assert found(tmp_path, text, never, row) == ["deployed"]
    ran = report([*row, "blocks.0.one"])
    assert found(tmp_path, text, ran, row) == ["trained"]


ONCE = {
    "nobody": ("False", "", ""),
    "a method that only the constructor runs": (
        "None\n        self._settle()",
        BUILDING,
        "",
    ),
    "an attribute of another name": ("False", "", "def build(model):\n    model.deployed = True"),
}


@pytest.mark.parametrize("case", ONCE)
def test_what_only_construction_sets_does(case: str, tmp_path: Path) -> None:
    row = ["blocks.0._generated_add_0"]
    assert found(tmp_path, switched(ONCE[case]), report(row), row) == ["trained"]


def test_each_of_several_blocks_is_proven_by_its_own_parts(tmp_path: Path) -> None:
    text = switched(SET_AGAIN["a method of its own"]).replace(
        "nn.Sequential(Block(), Block())", "nn.Sequential(*[Block() for _ in range(9 + len(str(9)))])"
    )
    rows = [f"blocks.{n}._generated_add_0" for n in range(3)]
    check = report(rows, {"blocks.0.one": 0, "blocks.1.conv": 0, "blocks.3.one": 0})
    assert found(tmp_path, text, check, rows) == ["deployed", "trained", "deployed,trained"]


REPLACED = """
class Decoder(nn.Module):
    def __init__(self, num=3):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(num))

    def forward(self, x):
        for layer in self.layers:
            x = layer(x) + x  # layer
        x = x + 1  # position
        return x + 2  # query


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.decoder = Decoder(num=3)

    def forward(self, x):
        return self.decoder(self.quant(x))


def build():
    model = Net()
    {change}
    return model
"""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("model.decoder = Decoder(2)", "layer,position,query"),
        ("model.decoder.layers = model.decoder.layers[:2]", "layer,position,query"),
        ("del model.decoder.layers[2]", "layer,position,query"),
        ("model.decoder.layers.pop()", "layer,position,query"),
        ("model.other = 1", "position"),
    ],
)
def test_what_is_replaced_has_no_known_length(change: str, expected: str, tmp_path: Path) -> None:
    row = ["decoder._generated_add_3"]
    text = REPLACED.format(change=change)
    assert found(tmp_path, text, report(row, whole=False), row) == [expected]
    if expected != "position":
        whole = report([f"decoder.layers.{n}" for n in range(2)] + adds(4, "decoder."))
        assert found(tmp_path, text, whole, row) == ["query"]


OVERRIDDEN = """
class Net(nn.Module):
    fancy = False

    def __init__(self):
        super().__init__()
        self.quant = QuantStub()

    def hook(self, x):
        return x

    def forward(self, x):
        x = self.quant(x) + 0.5  # begin
        if self.fancy:
            x = x + 1  # fancy
        if getattr(self, "late", False):
            x = x + 2  # late
        if hasattr(self, "later"):
            x = x + 3  # later
        x = self.hook(x)
        return x + 4  # end


class Kid(Net):
    fancy = True
    {method}


def build():
    kid = Kid()
    kid.late = kid.later = True
    return kid
"""


def test_what_a_class_that_inherits_has_of_its_own_is_not_taken_for_known(tmp_path: Path) -> None:
    rows = adds(5)
    text = OVERRIDDEN.format(method="")
    assert found(tmp_path, text, report(rows), rows) == ["begin", "fancy", "late", "later", "end"]
    assert found(tmp_path, text, report(rows[:2], whole=False), rows[1:2]) == ["fancy,late,later,end"]
    path = tmp_path / "m.py"
    path.write_text(HEAD + OVERRIDDEN.format(method="hook = torch.exp"), encoding="utf-8")
    point = EntryPoint(str(path), "Net")
    own, others = engine.flows_with(point, [str(path)], DiskLoader(), Aim((), ()))
    names = best(own, report(rows[:1], whole=False), others)
    assert names is not None
    assert names.ops_of(rows[0])[1] == ""
    assert "a subclass has another of the methods" in names.ops_of("_generated_add_4")[1]


SWITCHED_PARTS = """
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.deploy, self.act = False, nn.Sigmoid()
        self.conv, self.one = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)

    def switch(self):
        self.deploy = True

    def forward(self, x):
        if self.deploy:
            return self.act(self.conv(x))  # deployed
        return self.act(self.one(x))  # trained


class Net(nn.Module):
    def __init__(self, depth=2):
        super().__init__()
        self.quant = QuantStub()
        self.blocks = nn.ModuleList([Block() for _ in range(depth)])

    def forward(self, x):
        x = self.quant(x)
        for block in self.blocks:
            x = block(x)
        return x
"""


def test_a_module_runs_at_no_line_that_the_report_rules_out(tmp_path: Path) -> None:
    rows = ["blocks.0.act", "blocks.1.act"]
    check = report([*rows, "blocks.0.conv", "blocks.1.one"])
    assert found(tmp_path, SWITCHED_PARTS, check, rows) == ["deployed", "trained"]
