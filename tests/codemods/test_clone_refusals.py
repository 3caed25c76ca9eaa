"""Clones that would not be right, and the reasons users read."""

from __future__ import annotations

import pytest

from qatlint.codemods.apply import Refused, apply
from tests.codemods.cases import Refusal, model
from tests.codemods.intents import clone

TWICE = "return self.act(self.act(x))"
LOOP = "for k in range(self.n):\n    x = self.act(x)\nreturn x"
OVER = "for m in self.layers:\n    x = self.act(m(x))\nreturn x"

REFUSALS = [
    Refusal(
        "made in a loop header",
        "act",
        ("for self.act in [nn.ReLU()]:\n    pass\nself.act = nn.ReLU()", TWICE),
        "is bound by",
    ),
    Refusal(
        "made by an assignment expression",
        "act",
        ("self.act = (a := nn.ReLU())", TWICE),
        "is not a call that makes",
    ),
    Refusal(
        "handed in", "act", ("self.act = act_layer", TWICE), "`act_layer` is not a call that makes a module"
    ),
    Refusal(
        "unpacked",
        "act",
        ("self.act, self.b = cfg.acts", TWICE),
        "is unpacked from `cfg.acts`",
        {"definition": "cfg.acts"},
    ),
    Refusal(
        "deleted", "act", ("self.act = nn.ReLU()\nself.act, b = (lambda: [1, 2])()", TWICE), "is unpacked"
    ),
    Refusal(
        "an iterator moves on",
        "act",
        ("self.act = nn.LeakyReLU(next(cfg))", TWICE),
        "`next(cfg)` may do or give something else",
    ),
    Refusal(
        "an argument is taken away",
        "act",
        ("self.act = nn.ReLU(**cfg.pop('act'))", TWICE),
        "`cfg.pop('act')` may do",
    ),
    Refusal(
        "an argument is a module",
        "act",
        ("inner = nn.ReLU()\nself.act = nn.Sequential(inner)", TWICE),
        "its argument `inner` is a module",
    ),
    Refusal(
        "an argument holds a module",
        "act",
        ("self.inner = nn.ReLU()\nself.act = nn.Sequential(*[self.inner])", TWICE),
        "its argument `self.inner` is a module",
    ),
    Refusal(
        "something below it is set",
        "act",
        ("self.act = nn.ReLU()\nself.act.qconfig = cfg", TWICE),
        "`self.act.qconfig` is set after `act` is made",
    ),
    Refusal(
        "an injected value in one branch",
        "act",
        ("if use:\n    self.act = nn.ReLU()\nelse:\n    self.act = cfg.act", TWICE),
        "`cfg.act` is not a call",
    ),
    Refusal(
        "two meanings of an alias",
        "act",
        ("self.act = nn.ReLU()", "act = self.act\nx = act(x)\nact = torch.tanh\nreturn act(x)"),
        "may be something else",
    ),
    Refusal(
        "called inside a helper that makes it",
        "act",
        ("self.n = n", "self.act = nn.ReLU()\nx = self.act(x)\nreturn self.act(x)"),
        "which also calls it",
    ),
    Refusal(
        "`self` is another one",
        "act",
        ("self.act = nn.ReLU()", "f = lambda self, v: self.act(v)\nreturn f(self, self.act(x))"),
        "`self` is not available",
    ),
    Refusal(
        "all calls exclude each other",
        "act",
        ("self.act = nn.ReLU()", TWICE),
        "exclude each other",
        {"slots": (0, 0)},
    ),
    Refusal(
        "turns are not known",
        "act",
        ("self.act = nn.ReLU()", LOOP),
        "the number of turns is not fixed when the model is built: the length of the input",
        {"known": False},
    ),
    Refusal(
        "iterable of forward",
        "act",
        ("self.act = nn.ReLU()", "for v in xs:\n    x = self.act(v)\nreturn x"),
        "the iterable `xs` is not available where `act` is made",
    ),
    Refusal(
        "iterable of forward in a zip",
        "act",
        ("self.act = nn.ReLU()", "for v, w in zip(xs, x):\n    x = self.act(v)\nreturn x"),
        "the iterable `xs` is not available",
    ),
    Refusal(
        "attribute nobody makes",
        "act",
        ("self.act = nn.ReLU()", OVER),
        "`self.layers` is not available where `act` is made",
    ),
    Refusal(
        "iterable made after the branch",
        "act",
        ("if use:\n    self.act = nn.ReLU()\nself.layers = [nn.ReLU()]", OVER),
        "`self.layers` is still made after the branch in which `act` is made",
    ),
    Refusal(
        "arguments change on the way",
        "act",
        ("slope = 1\nself.act = nn.LeakyReLU(slope)\nslope = 2\nself.n = slope", LOOP),
        "`slope` changes before `act` could be made again",
    ),
    Refusal(
        "attributes change on the way",
        "act",
        ("self.k = 1\nself.act = nn.LeakyReLU(self.k)\nself.k = 2\nself.n = n", LOOP),
        "`self.k` changes before",
    ),
    Refusal(
        "inner loop over what the outer one gives",
        "act",
        (
            "self.layers = [[1]]\nself.act = nn.ReLU()",
            "for m in self.layers:\n    for v in m:\n        x = self.act(v)\nreturn x",
        ),
        "the iterable `m` is not available",
    ),
    Refusal(
        "several for in one comprehension",
        "act",
        ("self.layers = [[1]]\nself.act = nn.ReLU()", "return [self.act(v) for m in self.layers for v in m]"),
        "the comprehension has several `for`",
    ),
    Refusal(
        "a function made in the loop",
        "act",
        (
            "self.n = n\nself.act = nn.ReLU()",
            "fs = []\nfor k in range(self.n):\n    fs.append(lambda v: self.act(v))\nreturn [f(x) for f in fs]",
        ),
        "may run later",
    ),
    Refusal(
        "tied in nested loops",
        "act",
        (
            "self.act = nn.PReLU()",
            "for a in (1, 2):\n    for b in (1, 2):\n        x = self.act(x)\nreturn x",
        ),
        "nested loops",
        {"tied": True},
    ),
    Refusal(
        "changed after its branch",
        "act",
        ("if use:\n    self.act = nn.PReLU()\ntorch.nn.utils.weight_norm(self.act)", TWICE),
        "is changed after the branch",
        {"tied": True},
    ),
    Refusal(
        "a loop on the line of an if",
        "act",
        ("self.n = n\nif use: self.act = nn.ReLU()", LOOP),
        "is not made on a line of its own",
    ),
    Refusal(
        "a call in an f-string",
        "act",
        ("self.n = n\nself.act = nn.ReLU()", "return [f'{self.act(x)}' for k in range(self.n)]"),
        "inside an f-string",
    ),
    Refusal(
        "`id` means something else",
        "act",
        ("id = 3\nself.act = nn.PReLU()", TWICE),
        "the name `id`",
        {"tied": True},
    ),
]


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_refused(case: Refusal) -> None:
    before = model(*case.before)
    with pytest.raises(Refused) as refusal:
        apply(before.encode(), clone(before, case.attribute, **case.intent))
    assert case.reason in str(refusal.value)
    assert not str(refusal.value).endswith(".")


def refusal(source: str, **intent: object) -> str:
    with pytest.raises(Refused) as caught:
        apply(source.encode(), clone(source, "act", **intent))  # type: ignore[arg-type]
    return str(caught.value)


def test_assigned_in_another_method() -> None:
    source = model("self.act = nn.ReLU()", TWICE) + "\n    def reset(self):\n        self.act = nn.GELU()\n"
    assert refusal(source) == "`act` is assigned again in `reset`"


def test_set_up_in_another_method() -> None:
    source = (
        model("self.act = nn.ReLU()", TWICE) + "\n    def set_qconfig(self):\n        self.act.qconfig = 8\n"
    )
    assert refusal(source) == "`self.act.qconfig` is set after `act` is made, and a clone would miss it"


def test_a_property_as_iterable() -> None:
    source = (
        model("self.act = nn.ReLU()", OVER) + "\n    @property\n    def layers(self):\n        return [1]\n"
    )
    assert refusal(source) == "the iterable `self.layers` is not available where `act` is made"


def test_an_iterable_that_grows_elsewhere() -> None:
    source = model("self.layers = []\nself.act = nn.ReLU()", OVER)
    source += "\n    def grow(self):\n        self.layers.append(1)\n"
    assert refusal(source) == "`self.layers` is changed outside of `__init__`"


def test_made_in_the_class_body() -> None:
    source = model("pass", TWICE).replace("    def __init__", "    act = nn.ReLU()\n\n    def __init__")
    with pytest.raises(Refused, match="made in the class body"):
        apply(source.encode(), clone(source, "act", definition="nn.ReLU()"))


def test_made_by_a_base_class() -> None:
    base = "class Base(nn.Module):\n    def __init__(self):\n        self.act = nn.ReLU()\n"
    derived = "class Model(Base):\n    def forward(self, x):\n        return self.act(self.act(x))\n"
    intent = clone(base + derived, "act", cls="Model", definition="self")
    made = clone(base + "    def forward(self, x): return self.act(x)\n", "act").definition
    with pytest.raises(Refused, match=r"`act` is made outside of class `Model`, in model\.py"):
        apply((base + derived).encode(), intent._replace(definition=made))


def test_one_call_for_two_slots() -> None:
    source = model("self.act = nn.ReLU()", "return self.act(x)")
    intent = clone(source, "act")
    (site,) = intent.sites
    with pytest.raises(Refused, match="helper that runs several times"):
        apply(source.encode(), intent._replace(sites=(site, site._replace(slot=1))))


def test_a_place_where_nothing_stands() -> None:
    source = model("self.act = nn.ReLU()", TWICE)
    intent = clone(source, "act")
    with pytest.raises(Refused, match="no expression was found at line"):
        apply(b"\n" + source.encode(), intent)


def test_an_entry_of_a_container() -> None:
    source = model("self.act = nn.ReLU()", TWICE)
    with pytest.raises(Refused, match="not an attribute"):
        apply(source.encode(), clone(source, "act")._replace(attribute="layers.*"))


def test_copy_and_deepcopy_mean_something_else() -> None:
    source = "copy = deepcopy = 1\n" + model("self.act = nn.PReLU()", TWICE)
    assert (
        refusal(source, tied=True) == "the names `copy` and `deepcopy` both mean something else in this file"
    )


def test_nn_means_something_else() -> None:
    source = model("self.act = M.PReLU() if use else None", TWICE).replace(
        "import torch\nfrom torch import nn", "nn = M = 1"
    )
    assert refusal(source, tied=True) == "the name `nn` means something other than torch.nn in this file"
