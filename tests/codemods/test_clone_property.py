"""Generated models, executed before and after with a stand-in for torch: the same results, no instance twice."""

from __future__ import annotations

import sys
import textwrap
from collections import Counter
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from unittest import mock

from hypothesis import given, settings
from hypothesis import strategies as st

from qatlint.codemods.apply import Refused, apply
from tests.codemods.intents import clone

RUNS: Counter[int] = Counter()


class Module:
    """As much of nn.Module as the generated models need."""

    def __call__(self, x: int) -> int:
        return self.forward(x)

    def forward(self, x: int) -> int:
        raise NotImplementedError

    def add_module(self, name: str, module: Module) -> None:
        setattr(self, name, module)

    def parameters(self) -> Iterator[Any]:
        yield from ()

    def buffers(self) -> Iterator[Any]:
        yield from ()


class Scale(Module):
    """A module with a weight that counts its calls."""

    def __init__(self, by: int = 3) -> None:
        self.weight = [by]

    def forward(self, x: int) -> int:
        RUNS[id(self)] += 1
        return x * self.weight[0] + 1

    def parameters(self) -> Iterator[Any]:
        yield self.weight


class ModuleList(Module):
    def __init__(self, modules: list[Module]) -> None:
        self.modules = modules

    def __getitem__(self, position: int) -> Module:
        return self.modules[position]

    def __len__(self) -> int:
        return len(self.modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self.modules)


NN = ModuleType("torch.nn")
NN.__dict__.update(Module=Module, ModuleList=ModuleList, Scale=Scale)
TORCH = ModuleType("torch")
TORCH.__dict__.update(nn=NN)

DEFINITIONS = st.sampled_from(
    [
        "self.act = nn.Scale()",
        "self.act = nn.Scale(by=n)  # why",
        "self.act: nn.Module = nn.Scale(\n    n,  # by\n)",
        "self.add_module('act', nn.Scale())",
        "if n:\n    self.act = nn.Scale(2)\nelse:\n    self.act = nn.Scale(n)",
        "self.act = nn.Scale() if n else nn.Scale(4)",
        "self.act = self.act_1 = nn.Scale()",
    ]
)
LAYERS = st.sampled_from(
    [
        "self.layers = [nn.Scale() for _ in range(n)]",
        "self.layers = nn.ModuleList([nn.Scale() for _ in range(n)])",
        "self.layers = []\nfor i in range(n):\n    self.layers.append(nn.Scale(i))",
    ]
)
SIMPLE = [
    "x = self.act(x)",
    "x = self.act(self.act(x))",
    "x += self.act(x)",
    "x = self.act(x) if x % 2 else -x",
    "x = sum([self.act(m) for m in (x, 2 * x)])",
    "x = sum(self.act(l(x)) for l in self.layers)",
    "x = (lambda v: self.act(v))(x)",
    "i = x",
]
HEADERS = [
    "for i in range(self.n):",
    "for _ in range(self.n):",
    "for k in range(1, self.n):",
    "for k in range(self.n, 0, -1):",
    "for m in self.layers:",
    "for j, m in enumerate(self.layers):",
    "for j, m in enumerate(self.layers, 2):",
    "for m, v in zip(self.layers, (x, 1)):",
    "for v in x, 3:",
    "for a, b in [(1, 2), (3, 4)]:",
]


def block(header: str, body: list[str]) -> str:
    return header + "\n" + textwrap.indent("\n".join(body), "    ")


BODIES = st.recursive(
    st.sampled_from(SIMPLE),
    lambda inner: st.one_of(
        st.builds(block, st.sampled_from(HEADERS), st.lists(inner, min_size=1, max_size=2)),
        st.builds(
            lambda body, other: block("if x % 2:", body) + "\n" + block("else:", other),
            st.lists(inner, min_size=1, max_size=2),
            st.lists(inner, min_size=1, max_size=2),
        ),
    ),
    max_leaves=4,
)


def run(source: str, n: int) -> tuple[list[int], Model]:
    """Results for a few inputs, and the model."""
    space: dict[str, Any] = {}
    with mock.patch.dict(sys.modules, {"torch": TORCH, "torch.nn": NN}):
        exec(compile(source, "model.py", "exec"), space)
    built: Model = space["Model"](n)
    return [built(x) for x in (1, 2, 7)], built


Model = Module


def most_runs(source: str, n: int) -> int:
    """How often the busiest instance, layers apart, runs in one forward."""
    _, built = run(source, n)
    layers = {id(m) for m in built.layers}  # type: ignore[attr-defined]
    most = 0
    for x in (1, 2):
        RUNS.clear()
        built(x)
        most = max([most, *(count for key, count in RUNS.items() if key not in layers)])
    return most


@settings(max_examples=40, deadline=None)
@given(DEFINITIONS, LAYERS, st.booleans(), st.lists(BODIES, min_size=1, max_size=3), st.booleans())
def test_same_results_and_no_instance_twice(
    definition: str, layers: str, layers_first: bool, bodies: list[str], tied: bool
) -> None:
    parts = [layers, definition] if layers_first else [definition, layers]
    init = "\n".join(["super().__init__()", "self.n = n", *parts])
    forward = "\n".join([*bodies, "return x"])
    source = "from torch import nn\n\n\nclass Model(nn.Module):\n" + textwrap.indent(
        block("def __init__(self, n):", [init]) + "\n\n" + block("def forward(self, x):", [forward]) + "\n",
        "    ",
    )
    if source.count("self.act(") == 0:
        return
    intent = clone(source, "act", tied=tied)
    if len(intent.sites) == 1 and not intent.sites[0].loops:
        return
    try:
        after = apply(source.encode(), intent).decode()
    except Refused:
        return
    for n in (0, 1, 3):
        before_results, _ = run(source, n)
        after_results, built = run(after, n)
        assert after_results == before_results, after
        assert most_runs(after, n) <= 1, after
        if tied and n:
            weights = {
                id(v.weight) for k, v in vars(built).items() if isinstance(v, Scale) and k.startswith("act")
            }
            assert len(weights) <= 1, after


def test_most_of_them_are_not_refused() -> None:
    """The property must not hold only because everything is refused."""
    applied = refused = 0

    @settings(max_examples=20, deadline=None, database=None, derandomize=True)
    @given(BODIES)
    def count(body: str) -> None:
        nonlocal applied, refused
        source = "from torch import nn\n\n\nclass Model(nn.Module):\n" + textwrap.indent(
            "def __init__(self, n):\n    self.n = n\n    self.layers = [1]\n    self.act = nn.Scale()\n\n"
            + block("def forward(self, x):", [body, "x = self.act(x)", "return self.act(x)"]),
            "    ",
        )
        try:
            apply(source.encode(), clone(source, "act"))
            applied += 1
        except Refused:
            refused += 1

    count()
    assert applied > 2 * refused
