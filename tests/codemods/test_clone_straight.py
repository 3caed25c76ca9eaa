"""Clones for calls that stand one after the other."""

from __future__ import annotations

import pytest

from qatlint.codemods.apply import apply
from tests.codemods.cases import Case, model
from tests.codemods.intents import clone

TWICE = "return self.act(self.act(x))"
TWICE_FIXED = "return self.act_1(self.act(x))"
MEMO = "{id(t): t for t in (*self.act.parameters(), *self.act.buffers())}"

CASES = [
    Case(
        "three calls, nested ones in the order of evaluation",
        "act",
        ("self.act = nn.ReLU()\nself.n = n", "x = self.act(self.act(x))\nreturn self.act(x)"),
        (
            "self.act = nn.ReLU()\nself.act_1 = nn.ReLU()\nself.act_2 = nn.ReLU()\nself.n = n",
            "x = self.act_1(self.act(x))\nreturn self.act_2(x)",
        ),
    ),
    Case(
        "exclusive calls go on sharing",
        "act",
        (
            "self.act = nn.ReLU()",
            "if self.training:\n    x = self.act(x)\nelse:\n    x = self.act(-x)\nreturn self.act(x)",
        ),
        (
            "self.act = nn.ReLU()\nself.act_1 = nn.ReLU()",
            "if self.training:\n    x = self.act(x)\nelse:\n    x = self.act(-x)\nreturn self.act_1(x)",
        ),
        {"slots": (0, 0, 1)},
    ),
    Case(
        "the comments of the definition are not written twice",
        "act",
        ("# squash\nself.act = nn.ReLU(\n    inplace=True,  # saves memory\n)  # first", TWICE),
        (
            "# squash\nself.act = nn.ReLU(\n    inplace=True,  # saves memory\n)  # first\n"
            "self.act_1 = nn.ReLU(\n    inplace=True,\n)",
            TWICE_FIXED,
        ),
    ),
    Case(
        "in the branch of the original",
        "act",
        ("self.act = None\nif use:\n    self.act = nn.ReLU()\nself.n = n", TWICE),
        (
            "self.act = None\nif use:\n    self.act = nn.ReLU()\n    self.act_1 = nn.ReLU()\nself.n = n",
            TWICE_FIXED,
        ),
        {"made": 1},
    ),
    Case(
        "on the line of the branch",
        "act",
        ("if use: self.act = nn.ReLU()", TWICE),
        ("if use: self.act = nn.ReLU(); self.act_1 = nn.ReLU()", TWICE_FIXED),
    ),
    Case(
        "in sibling branches, each with its own class",
        "act",
        ("if use:\n    self.act = nn.ReLU()\nelse:\n    self.act = nn.Sigmoid()", TWICE),
        (
            "if use:\n    self.act = nn.ReLU()\n    self.act_1 = nn.ReLU()\n"
            "else:\n    self.act = nn.Sigmoid()\n    self.act_1 = nn.Sigmoid()",
            TWICE_FIXED,
        ),
    ),
    Case(
        "a conditional constructor",
        "act",
        ("self.act = nn.ReLU() if use else nn.GELU()", TWICE),
        (
            "self.act = nn.ReLU() if use else nn.GELU()\nself.act_1 = nn.ReLU() if use else nn.GELU()",
            TWICE_FIXED,
        ),
    ),
    Case(
        "a class that was handed in",
        "act",
        ("self.act = act_layer()", TWICE),
        ("self.act = act_layer()\nself.act_1 = act_layer()", TWICE_FIXED),
    ),
    Case(
        "arguments that are computed without effects",
        "act",
        ("self.act = nn.Softmax(dim=int(cfg.dims[0] + max(SIZES)))", TWICE),
        (
            "self.act = nn.Softmax(dim=int(cfg.dims[0] + max(SIZES)))\n"
            "self.act_1 = nn.Softmax(dim=int(cfg.dims[0] + max(SIZES)))",
            TWICE_FIXED,
        ),
    ),
    Case(
        "chained with another attribute",
        "act",
        ("self.act = self.first = nn.ReLU()", TWICE),
        ("self.act = self.first = nn.ReLU()\nself.act_1 = nn.ReLU()", TWICE_FIXED),
    ),
    Case(
        "annotated",
        "act",
        ("self.act: nn.Module = nn.ReLU()", TWICE),
        ("self.act: nn.Module = nn.ReLU()\nself.act_1: nn.Module = nn.ReLU()", TWICE_FIXED),
    ),
    Case(
        "unpacked from a display",
        "act",
        ("self.act, self.n = nn.ReLU(), n", TWICE),
        ("self.act, self.n = nn.ReLU(), n\nself.act_1 = nn.ReLU()", TWICE_FIXED),
    ),
    Case(
        "registered by name",
        "act",
        ("self.add_module('act', nn.ReLU())", TWICE),
        ("self.add_module('act', nn.ReLU())\nself.add_module('act_1', nn.ReLU())", TWICE_FIXED),
    ),
    Case(
        "set by name",
        "act",
        ('setattr(self, "act", nn.ReLU())', TWICE),
        ('setattr(self, "act", nn.ReLU())\nsetattr(self, "act_1", nn.ReLU())', TWICE_FIXED),
    ),
    Case(
        "made under a local name",
        "act",
        ("act = nn.ReLU()\nself.act = act", TWICE),
        ("act = nn.ReLU()\nself.act = act\nself.act_1 = nn.ReLU()", TWICE_FIXED),
        {"definition": "nn.ReLU()"},
    ),
    Case(
        "names in use are passed over: attributes, strings, formatted names",
        "act",
        (
            "self.act = nn.ReLU()\nself.act_1 = n\nself.add_module('act_2', nn.ReLU())\n"
            "for k in SIZES:\n    setattr(self, f'act_3{k}', n)",
            TWICE,
        ),
        (
            "self.act = nn.ReLU()\nself.act_4 = nn.ReLU()\nself.act_1 = n\nself.add_module('act_2', nn.ReLU())\n"
            "for k in SIZES:\n    setattr(self, f'act_3{k}', n)",
            "return self.act_4(self.act(x))",
        ),
    ),
    Case(
        "a family of formatted names takes all numbers",
        "act",
        ('self.act = nn.ReLU()\nfor k in SIZES:\n    setattr(self, "act_%d" % k, n)', TWICE),
        (
            'self.act = nn.ReLU()\nself.more_act_1 = nn.ReLU()\nfor k in SIZES:\n    setattr(self, "act_%d" % k, n)',
            "return self.more_act_1(self.act(x))",
        ),
    ),
    Case(
        "methods of a FloatFunctional, augmented assignment, conditional expression",
        "ff",
        (
            "self.ff = FloatFunctional()",
            "x += self.ff.add(x, x)\ny = self.ff.mul(x, x) if xs else x\nreturn torch.add(y, alpha=self.ff.add(x, y))",
        ),
        (
            "self.ff = FloatFunctional()\nself.ff_1 = FloatFunctional()\nself.ff_2 = FloatFunctional()",
            "x += self.ff.add(x, x)\ny = self.ff_1.mul(x, x) if xs else x\nreturn torch.add(y, alpha=self.ff_2.add(x, y))",
        ),
    ),
    Case(
        "a local alias",
        "act",
        ("self.act = nn.ReLU()", "act = self.act\nx = act(x)\nreturn act(x)"),
        ("self.act = nn.ReLU()\nself.act_1 = nn.ReLU()", "act = self.act\nx = act(x)\nreturn self.act_1(x)"),
    ),
    Case(
        "in a lambda and a comprehension that is not repeated",
        "act",
        ("self.act = nn.ReLU()", "f = lambda v: self.act(v)\nreturn [self.act(f(v)) for v in xs[:1]]"),
        (
            "self.act = nn.ReLU()\nself.act_1 = nn.ReLU()",
            "f = lambda v: self.act(v)\nreturn [self.act_1(f(v)) for v in xs[:1]]",
        ),
        {"loops": False},
    ),
    Case(
        "parentheses around a callee stay",
        "act",
        ("self.act = nn.ReLU()", "x = (self.act)(x)\nreturn (self.act)(x)"),
        ("self.act = nn.ReLU()\nself.act_1 = nn.ReLU()", "x = (self.act)(x)\nreturn (self.act_1)(x)"),
    ),
    Case(
        "weights are tied",
        "act",
        ("self.act = nn.PReLU()", TWICE),
        (
            f"self.act = nn.PReLU()\nself.act_1 = copy.deepcopy(\n    self.act, {MEMO}\n)",
            TWICE_FIXED,
        ),
        {"tied": True},
        copied=True,
    ),
    Case(
        "a tied copy comes after what is still done to the original",
        "act",
        (
            "self.act = nn.PReLU()\nself.n = n\nself.act.weight = nn.Parameter(torch.ones(1))\nself.use = use",
            TWICE,
        ),
        (
            "self.act = nn.PReLU()\nself.n = n\nself.act.weight = nn.Parameter(torch.ones(1))\n"
            f"self.act_1 = copy.deepcopy(\n    self.act, {MEMO}\n)\nself.use = use",
            TWICE_FIXED,
        ),
        {"tied": True},
        copied=True,
    ),
    Case(
        "a tied copy of what may be None or a function",
        "act",
        ("self.act = nn.PReLU() if use else None", TWICE),
        (
            "self.act = nn.PReLU() if use else None\nself.act_1 = (\n"
            f"    copy.deepcopy(self.act, {MEMO})\n    if isinstance(self.act, nn.Module)\n    else self.act\n)",
            TWICE_FIXED,
        ),
        {"tied": True},
        copied=True,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_clone(case: Case) -> None:
    before = model(*case.before)
    after = apply(before.encode(), clone(before, case.attribute, **case.intent)).decode()
    assert after == model(*case.after, copied=case.copied)
    compile(after, "model.py", "exec")


def test_inherited_names_of_the_file_are_passed_over() -> None:
    base = "\n\nclass Base(Root):\n    def go(self):\n        return self.act_1\n"
    before = model("self.act = nn.ReLU()", TWICE).replace("(nn.Module)", "(Base)") + base
    assert "self.act_2 = nn.ReLU()" in apply(before.encode(), clone(before, "act")).decode()


def test_names_of_an_unrelated_class_do_not_matter() -> None:
    other = "\n\nclass Other(nn.Module):\n    def go(self):\n        return self.act_1\n"
    before = model("self.act = nn.ReLU()", TWICE) + other
    assert "self.act_1 = nn.ReLU()" in apply(before.encode(), clone(before, "act", cls="Model")).decode()


def test_a_module_that_a_function_runs() -> None:
    before = model(
        "self.act = nn.ReLU()", "x = checkpoint(self.act, x, False)\nreturn checkpoint(self.act, x, False)"
    )
    after = apply(before.encode(), clone(before, "act", callee="checkpoint")).decode()
    assert after == model(
        "self.act = nn.ReLU()\nself.act_1 = nn.ReLU()",
        "x = checkpoint(self.act, x, False)\nreturn checkpoint(self.act_1, x, False)",
    )
