"""Clones for calls in loops over a number of turns that is known at construction."""

from __future__ import annotations

import pytest

from qatlint.codemods.apply import apply
from tests.codemods.cases import Case, model
from tests.codemods.intents import clone

LAYERS = "self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(n)])"
MADE = "self.act = nn.ModuleList([nn.ReLU() for _ in range(len(self.layers))])"
MEMO = "{id(t): t for t in (*self.act.parameters(), *self.act.buffers())}"


def lists(name: str, header: str, new_header: str, call: str, count: str, init: str = LAYERS) -> Case:
    """A loop in a class that uses ModuleList."""
    return Case(
        name,
        "act",
        (f"{init}\nself.act = nn.ReLU()", f"{header}\n    x = self.act(x)\nreturn x"),
        (
            f"{init}\nself.act = nn.ModuleList([nn.ReLU() for _ in range({count})])",
            f"{new_header}\n    x = {call}(x)\nreturn x",
        ),
    )


def numbers(name: str, header: str, new_header: str, counter: str, turns: str) -> Case:
    """A loop in a class without ModuleList."""
    return Case(
        name,
        "act",
        ("self.n = n\nself.act = nn.ReLU()  # why", f"{header}\n    x = self.act(x)\nreturn x"),
        (
            f'self.n = n\nfor i in {turns}:\n    setattr(self, f"act_{{i}}", nn.ReLU())  # why',
            f'{new_header}\n    x = getattr(self, f"act_{{{counter}}}")(x)\nreturn x',
        ),
    )


CASES = [
    lists(
        "over a container",
        "for m in self.layers:",
        "for i, m in enumerate(self.layers):",
        "self.act[i]",
        "len(self.layers)",
    ),
    lists(
        "with a counter",
        "for k, m in enumerate(self.layers):",
        "for k, m in enumerate(self.layers):",
        "self.act[k]",
        "len(self.layers)",
    ),
    lists(
        "with a counter that is thrown away",
        "for _, m in enumerate(self.layers):",
        "for i, m in enumerate(self.layers):",
        "self.act[i]",
        "len(self.layers)",
    ),
    lists(
        "with a counter that starts elsewhere",
        "for k, m in enumerate(self.layers, start=1):",
        "for k, m in enumerate(self.layers, start=1):",
        "self.act[k - 1]",
        "1, len(self.layers) + 1",
    ),
    lists(
        "with a pair that holds the counter",
        "for pair in enumerate(self.layers):",
        "for i, pair in enumerate(enumerate(self.layers)):",
        "self.act[i]",
        "len(self.layers)",
    ),
    lists(
        "over a zip, of which one part is known",
        "for a, m in zip(xs, self.layers):",
        "for i, (a, m) in enumerate(zip(xs, self.layers)):",
        "self.act[i]",
        "len(self.layers)",
    ),
    lists(
        "backwards",
        "for m in reversed(self.layers):",
        "for i, m in enumerate(reversed(self.layers)):",
        "self.act[i]",
        "len(self.layers)",
    ),
    lists(
        "over a slice",
        "for m in self.layers[1:]:",
        "for i, m in enumerate(self.layers[1:]):",
        "self.act[i]",
        "len(self.layers[1:])",
    ),
    lists("over a display", "for v in x, -x:", "for i, v in enumerate((x, -x)):", "self.act[i]", "2"),
    lists(
        "over a constant of the file",
        "for v in SIZES:",
        "for i, v in enumerate(SIZES):",
        "self.act[i]",
        "len(SIZES)",
    ),
    lists(
        "without a space",
        "for(m)in(self.layers):",
        "for i, (m)in enumerate((self.layers)):",
        "self.act[i]",
        "len(self.layers)",
    ),
    lists(
        "over the items of a dict",
        "for k, v in self.layers.items():",
        "for i, (k, v) in enumerate(self.layers.items()):",
        "self.act[i]",
        "len(self.layers)",
    ),
    numbers("a range", "for i in range(self.n):", "for i in range(self.n):", "i", "range(self.n)"),
    numbers(
        "a range from one on",
        "for k in range(1, self.n):",
        "for k in range(1, self.n):",
        "k",
        "range(1, self.n)",
    ),
    numbers(
        "a range whose counter is not used",
        "for _ in range(self.n):",
        "for i in range(self.n):",
        "i",
        "range(self.n)",
    ),
    numbers(
        "a range that counts down",
        "for k in range(self.n, 0, -1):",
        "for i, k in enumerate(range(self.n, 0, -1)):",
        "i",
        "range(len(range(self.n, 0, -1)))",
    ),
    Case(
        "the iterable is made after the module, which moves with its comments",
        "act",
        (
            f"# squash\nself.act = nn.ReLU()  # here\n{LAYERS}\nself.use = use",
            "for m in self.layers:\n    x = self.act(m(x))\nreturn x",
        ),
        (
            f"{LAYERS}\n# squash\n{MADE}  # here\nself.use = use",
            "for i, m in enumerate(self.layers):\n    x = self.act[i](m(x))\nreturn x",
        ),
    ),
    Case(
        "the iterable still grows after the module is made",
        "act",
        (
            "self.layers = nn.ModuleList()\nself.act = nn.ReLU()\nfor _ in range(n):\n"
            "    self.layers.append(nn.Linear(2, 2))\nself.use = use",
            "for m in self.layers:\n    x = self.act(m(x))\nreturn x",
        ),
        (
            "self.layers = nn.ModuleList()\nfor _ in range(n):\n"
            f"    self.layers.append(nn.Linear(2, 2))\n{MADE}\nself.use = use",
            "for i, m in enumerate(self.layers):\n    x = self.act[i](m(x))\nreturn x",
        ),
    ),
    Case(
        "the list still grows under its local name",
        "act",
        (
            "layers = []\nself.layers = layers\nself.act = nn.ReLU()\nlayers.append(nn.ModuleList())",
            "for m in self.layers:\n    x = self.act(m(x))\nreturn x",
        ),
        (
            f"layers = []\nself.layers = layers\nlayers.append(nn.ModuleList())\n{MADE}",
            "for i, m in enumerate(self.layers):\n    x = self.act[i](m(x))\nreturn x",
        ),
    ),
    Case(
        "a local name for the iterable and for the number",
        "act",
        (
            f"{LAYERS}\nself.act = nn.ReLU()",
            "layers = self.layers\nn = len(layers)\nfor k in range(n):\n    x = self.act(layers[k](x))\nreturn x",
        ),
        (
            f"{LAYERS}\n{MADE}",
            "layers = self.layers\nn = len(layers)\nfor k in range(n):\n    x = self.act[k](layers[k](x))\nreturn x",
        ),
    ),
    Case(
        "local names inside an expression",
        "act",
        (
            f"{LAYERS}\nself.n = n\nself.act = nn.ReLU()",
            "a = self.n\nb = self.n + 1\nfor k in range(2 * b + a):\n    x = self.act(x)\nreturn x",
        ),
        (
            f"{LAYERS}\nself.n = n\n"
            "self.act = nn.ModuleList([nn.ReLU() for _ in range(2 * (self.n + 1) + self.n)])",
            "a = self.n\nb = self.n + 1\nfor k in range(2 * b + a):\n    x = self.act[k](x)\nreturn x",
        ),
    ),
    Case(
        "a comprehension",
        "act",
        (f"{LAYERS}\nself.act = nn.ReLU()", "return sum([self.act(m(x)) for m in self.layers])"),
        (f"{LAYERS}\n{MADE}", "return sum([self.act[i](m(x)) for i, m in enumerate(self.layers)])"),
    ),
    Case(
        "a generator in a call, and a dict",
        "act",
        (
            f"{LAYERS}\nself.act = nn.ReLU()",
            "y = sum(self.act(m(x)) for m in self.layers)\nreturn {m: self.act(y) for m in self.layers}",
        ),
        (
            f"{LAYERS}\n{MADE}\nself.act_1 = nn.ModuleList([nn.ReLU() for _ in range(len(self.layers))])",
            "y = sum(self.act[i](m(x)) for i, m in enumerate(self.layers))\n"
            "return {m: self.act_1[j](y) for j, m in enumerate(self.layers)}",
        ),
    ),
    Case(
        "nested loops, lists of lists",
        "act",
        (
            f"{LAYERS}\nself.act = nn.ReLU()",
            "for m in self.layers:\n    for v in (x, -x):\n        x = self.act(v)\nreturn x",
        ),
        (
            f"{LAYERS}\nself.act = nn.ModuleList(\n"
            "    [nn.ModuleList([nn.ReLU() for _ in range(2)]) for _ in range(len(self.layers))]\n)",
            "for i, m in enumerate(self.layers):\n    for j, v in enumerate((x, -x)):\n        x = self.act[i][j](v)\nreturn x",
        ),
    ),
    Case(
        "nested loops, numbers",
        "act",
        (
            "self.n = n\nself.act = nn.ReLU()",
            "for a in range(self.n):\n    for b in range(2):\n        x = self.act(x)\nreturn x",
        ),
        (
            "self.n = n\nfor i in range(self.n):\n    for j in range(2):\n"
            '        setattr(self, f"act_{i}_{j}", nn.ReLU())',
            "for a in range(self.n):\n    for b in range(2):\n"
            '        x = getattr(self, f"act_{a}_{b}")(x)\nreturn x',
        ),
    ),
    Case(
        "a counter that the body changes is not trusted",
        "act",
        (
            "self.n = n\nself.act = nn.ReLU()",
            "for k in range(self.n):\n    k = 2 * k\n    x = self.act(x)\nreturn x",
        ),
        (
            'self.n = n\nfor i in range(self.n):\n    setattr(self, f"act_{i}", nn.ReLU())',
            'for i, k in enumerate(range(self.n)):\n    k = 2 * k\n    x = getattr(self, f"act_{i}")(x)\nreturn x',
        ),
    ),
    Case(
        "two calls in one loop, and one outside that keeps the name",
        "act",
        (
            f"{LAYERS}\nself.act = nn.ReLU()",
            "for m in self.layers:\n    x = self.act(m(self.act(x)))\nreturn self.act(x)",
        ),
        (
            f"{LAYERS}\nself.act = nn.ReLU()\n"
            "self.act_1 = nn.ModuleList([nn.ReLU() for _ in range(len(self.layers))])\n"
            "self.act_2 = nn.ModuleList([nn.ReLU() for _ in range(len(self.layers))])",
            "for i, m in enumerate(self.layers):\n    x = self.act_2[i](m(self.act_1[i](x)))\nreturn self.act(x)",
        ),
    ),
    Case(
        "exclusive calls of one slot with loops of different length do not share",
        "act",
        (
            f"{LAYERS}\nself.act = nn.ReLU()",
            "if self.training:\n    for m in self.layers:\n        x = self.act(x)\n"
            "else:\n    for v in (x, x):\n        x = self.act(x)\nreturn x",
        ),
        (
            f"{LAYERS}\n{MADE}\nself.act_1 = nn.ModuleList([nn.ReLU() for _ in range(2)])",
            "if self.training:\n    for i, m in enumerate(self.layers):\n        x = self.act[i](x)\n"
            "else:\n    for j, v in enumerate((x, x)):\n        x = self.act_1[j](x)\nreturn x",
        ),
        {"slots": (0, 0)},
    ),
    Case(
        "weights are tied, the first turn keeps the name",
        "act",
        ("self.n = n\nself.act = nn.PReLU()", "for k in range(self.n):\n    x = self.act(x)\nreturn x"),
        (
            "self.n = n\nself.act = nn.PReLU()\nfor i in range(1, self.n):\n"
            f'    setattr(self, f"act_{{i}}", copy.deepcopy(\n        self.act, {MEMO}\n    ))',
            'for k in range(self.n):\n    x = (self.act if k == 0 else getattr(self, f"act_{k}"))(x)\nreturn x',
        ),
        {"tied": True},
        copied=True,
    ),
    Case(
        "other code needs the name, so the first turn keeps it",
        "act",
        (
            "self.n = n\nself.act = nn.ReLU()\nself.inplace = self.act.inplace",
            "for k in range(self.n):\n    x = self.act(x)\nreturn x",
        ),
        (
            'self.n = n\nself.act = nn.ReLU()\nfor i in range(1, self.n):\n    setattr(self, f"act_{i}", nn.ReLU())\n'
            "self.inplace = self.act.inplace",
            'for k in range(self.n):\n    x = (self.act if k == 0 else getattr(self, f"act_{k}"))(x)\nreturn x',
        ),
    ),
    Case(
        "what may be None cannot be in a ModuleList",
        "act",
        (
            f"{LAYERS}\nself.act = nn.ReLU() if use else None",
            "for m in self.layers:\n    x = self.act(x)\nreturn x",
        ),
        (
            f'{LAYERS}\nfor i in range(len(self.layers)):\n    setattr(self, f"act_{{i}}", nn.ReLU() if use else None)',
            'for i, m in enumerate(self.layers):\n    x = getattr(self, f"act_{i}")(x)\nreturn x',
        ),
    ),
    Case(
        "an annotation tells what is there now",
        "act",
        (f"{LAYERS}\nself.act: nn.ReLU = nn.ReLU()", "for m in self.layers:\n    x = self.act(x)\nreturn x"),
        (
            f"{LAYERS}\n{MADE.replace('self.act =', 'self.act: nn.ModuleList =')}",
            "for i, m in enumerate(self.layers):\n    x = self.act[i](x)\nreturn x",
        ),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_clone(case: Case) -> None:
    before = model(*case.before)
    after = apply(before.encode(), clone(before, case.attribute, **case.intent)).decode()
    assert after == model(*case.after, copied=case.copied)
    compile(after, "model.py", "exec")


def test_a_maker_other_than_init_uses_what_init_assigned_before() -> None:
    before = model(
        "self.n = n\nself._init_layers()",
        "for k in range(self.n):\n    x = self.act(x)\nreturn x\n",
    ).replace(
        "    def forward", "    def _init_layers(self):\n        self.act = nn.ReLU()\n\n    def forward"
    )
    after = apply(before.encode(), clone(before, "act", slots=(0,))).decode()
    assert "def _init_layers(self):\n        for i in range(self.n):\n" in after
