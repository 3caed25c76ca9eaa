"""A class that is called plain has nothing to find: what is not interpreted is not missed."""

from __future__ import annotations

import itertools

import pytest

from qatlint.engine import judge, open_project
from qatlint.registry import all_rules
from qatlint.static.plain import is_plain
from qatlint.static.project import Project
from qatlint.static.tracing import trace_class
from tests.static.sources import HEAD, Memory, clean


def plain_ones(project: Project, path: str) -> list[str]:
    """Names of the plain classes of a file, none of which a rule finds anything in."""
    found = []
    for cls in project.file(path).classes:
        if project.is_module(cls) and is_plain(project, cls):
            trace = trace_class(project, cls, for_people=True)
            told = [f for f in judge(trace, all_rules()) if f.code in ("QAT101", "QAT102", "QAT103")]
            assert told == [], cls.full_name
            found.append(cls.name)
    return found


def is_called_plain(text: str) -> bool:
    texts = {"model.py": HEAD + clean(text)}
    return plain_ones(open_project(list(texts), Memory(texts)), "model.py")[-1:] == ["Model"]


def model(init: str, forward: str, more: str = "", parameters: str = "") -> str:
    lines = [
        f"class Model(nn.Module):\n    def __init__(self{parameters}):\n        super().__init__()",
        *(f"        {line}" for line in init.splitlines()),
        "    def forward(self, x):",
        *(f"        {line}" for line in forward.splitlines()),
        *(f"    {line}" for line in more.splitlines()),
    ]
    return "\n".join(lines) + "\n"


MADE = "self.act = nn.ReLU()"
MAKER = "class Maker:\n    def __init__(self):\n        self.act = nn.ReLU()\n"


@pytest.mark.parametrize(
    ("init", "forward"),
    [
        (MADE, "return self.act(x)"),
        (
            "self.blocks = nn.ModuleList([nn.ReLU() for _ in range(3)])",
            "for b in self.blocks:\n    x = b(x)\nreturn x",
        ),
        (
            "self.blocks = nn.ModuleList()\nfor _ in range(3):\n    self.blocks.append(nn.ReLU())",
            "for i, b in enumerate(self.blocks):\n    x = b(x) if i else x\nreturn x",
        ),
        (
            "self.blocks = nn.ModuleList([nn.ReLU() for _ in range(3)])",
            "for i in range(len(self.blocks)):\n    x = self.blocks[i](x)\nreturn x",
        ),
        (MADE, "if x.ndim == 3:\n    return self.act(x)\nx = x + 1\nreturn self.act(x)"),
        ("self.act = nn.ReLU() if self.training else nn.Identity()", "return self.act(x)"),
        ("layers = []\nlayers.append(nn.ReLU())\nself.body = nn.Sequential(*layers)", "return self.body(x)"),
        ("self.scale = 3\n" + MADE, "return self.act(x * self.scale) * self.scale"),
        (MADE, 'act = getattr(self, "act", None)\nreturn act(x)'),
        ("self.body = nn.Sequential(*filter(None, [nn.ReLU(), None]))", "return self.body(x)"),
        ("made = Maker()\nself.act = made.act", "return self.act(x)"),
        ("act = nn.Linear(2, 2)\nact.weight.data.fill_(0)\nself.act = act", "return self.act(x)"),
    ],
)
def test_what_is_plain(init: str, forward: str) -> None:
    assert is_called_plain(f"{MAKER}{model(init, forward)}")


@pytest.mark.parametrize(
    ("init", "forward"),
    [
        (MADE, "return self.act(self.act(x))"),
        (MADE, "for _ in range(2):\n    x = self.act(x)\nreturn x"),
        (MADE, "return [self.act(y) for y in x]"),
        (MADE, "act = self.act\nreturn act(act(x))"),
        (MADE, "if x.ndim == 3:\n    x = self.act(x)\nreturn self.act(x)"),
        (MADE, "return helper(self.act, x)"),
        (MADE, "return self.helper(self.helper(x))"),
        (MADE, "return both(self.helper, x)"),
        (MADE, "return x"),
        (MADE, 'return getattr(self, "act")(x)'),
        (MADE + "\nself.other = self.act", "return self.other(self.act(x))"),
        (MADE, 'act = getattr(self, "act")\nreturn act(act(x))'),
        (MADE, "return list(filter(self.act, x))"),
        (MADE, 'act = getattr(self, "act")\nreturn act(self.act(x))'),
        (MADE, 'act = getattr(self, "a" + "ct")\nreturn act(x)'),
        ("act = nn.ReLU()\nself.a = act\nself.b = act", "return self.b(self.a(x))"),
        ("made = Maker()\nself.a = made.act\nself.b = made.act", "return self.b(self.a(x))"),
        ("act = nn.ReLU()\nself.body = nn.Sequential(*filter(None, [act, act]))", "return self.body(x)"),
        ("self.a = self.b = nn.ReLU()", "return self.b(self.a(x))"),
        ("self.blocks = nn.ModuleList([nn.ReLU()] * 3)", "for b in self.blocks:\n    x = b(x)\nreturn x"),
        ("act = nn.ReLU()\nself.body = nn.Sequential(act, act)", "return self.body(x)"),
        (
            "act = nn.ReLU()\nself.blocks = nn.ModuleList([act for _ in range(3)])",
            "for b in self.blocks:\n    x = b(x)\nreturn x",
        ),
        ("self.blocks = nn.ModuleList([nn.ReLU(), nn.ReLU()])", "return self.blocks[0](x)"),
        (
            "self.blocks = nn.ModuleList([nn.ReLU() for _ in range(3)])",
            "for i in range(3):\n    x = self.blocks[i // 2](x)\nreturn x",
        ),
        ("self.ff = torch.nn.quantized.FloatFunctional()", "return self.ff.add(self.ff.mul(x, x), x)"),
        ("self.act = None", "return self.act(self.act(x))"),
        ('self.act = ACTS["relu"]', "return self.act(self.act(x))"),
        (
            "settings = dict(act=nn.ReLU())\nself.a = Block(**settings)\nself.b = Block(**settings)",
            "return self.b(self.a(x))",
        ),
        ("self.a = Block(act=nn.ReLU())", "return self.a(x)"),
        ("self.a = nn.Sequential(Block())\nself.a[0].act = nn.ReLU()", "return self.a(x)"),
        ("self.embed_dim = nn.ReLU()", "return self.embed_dim(self.embed_dim(x))"),
    ],
)
def test_what_takes_more_than_a_look(init: str, forward: str) -> None:
    before = (
        'ACTS = {"relu": nn.ReLU()}\n'
        "class Block(nn.Module):\n    def __init__(self, act=None):\n        super().__init__()\n        self.act = act\n"
        "    def forward(self, x):\n        return self.act(x)\n"
    )
    assert not is_called_plain(
        MAKER + before + model(init, forward, "def helper(self, x):\n    return self.act(x)")
    )


@pytest.mark.parametrize("parameters", [", act", ", act=nn.ReLU()", ", act: nn.Module = None"])
def test_a_module_that_is_given_and_kept_twice(parameters: str) -> None:
    text = model("self.a = act\nself.b = act", "return self.b(self.a(x))", parameters=parameters)
    assert not is_called_plain(text)


def test_the_constructor_of_a_base_counts() -> None:
    base = model("self.act = nn.ReLU()\nself.again = self.act", "return x").replace("Model", "Base")
    text = "class Model(Base):\n    def forward(self, x):\n        return self.again(self.act(x))\n"
    assert not is_called_plain(base + text)
    base = model("self.act = nn.ReLU()", "return x").replace("Model", "Base")
    assert is_called_plain(base + text.replace("self.again(self.act(x))", "self.act(x)"))


@pytest.mark.parametrize(
    ("before", "is_plain_with_it"),
    [
        ("from registry import Registry\nBUILD = Registry('layers')", True),
        ("BUILD = nn.ModuleDict()", False),
        ("class Bank:\n    def build(self, cfg):\n        return SHARED\nBUILD = Bank()", False),
    ],
)
def test_what_a_registry_builds_is_something_else_each_time(before: str, is_plain_with_it: bool) -> None:
    text = model("self.a = BUILD.build(a)\nself.b = BUILD.build(b)", "return self.b(self.a(x))", "", ", a, b")
    assert is_called_plain(f"{before}\n{text}") is is_plain_with_it


@pytest.mark.parametrize(("table", "is_plain_with_it"), [("nn.ReLU", True), ("nn.ReLU()", False)])
def test_a_function_that_picks_a_class_makes_no_module(table: str, is_plain_with_it: bool) -> None:
    before = (
        f'ACTS = {{"relu": {table}}}\n'
        "def pick(act):\n    act = ACTS[act] if isinstance(act, str) else act\n"
        "    return functools.partial(act, inplace=True)\n"
    )
    text = model(
        "act = pick(act)\nself.a = Block(act)\nself.b = act()", "return self.b(self.a(x))", "", ", act"
    )
    assert is_called_plain("import functools\n" + before + text) is is_plain_with_it


INITS = (
    "self.a = nn.ReLU()\nself.b = nn.ReLU()",
    "self.a = nn.ReLU()\nself.b = self.a",
    "act = nn.ReLU()\nself.a = act\nself.b = nn.Sequential(nn.Conv2d(8, 8, 1), act)",
    "self.a = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())\nself.b = self.a[1]",
    "parts = []\nfor i in range(2):\n    part = nn.ReLU()\n    parts.append(part)\nself.a, self.b = parts",
    "part = nn.ReLU()\nfor name in range(2):\n    self.a = part\nself.b = nn.ReLU()",
    "self.a = self.make()\nself.b = self.make()",
    "made = self.make()\nself.a = nn.Sequential(made)\nself.b = nn.Sequential(made)",
    "self.a = Block(8)\nself.b = Block(8)",
    "inner = nn.ReLU()\nself.a = Block(8, inner)\nself.b = Block(8, inner)",
    "self.a = copy.deepcopy(self.make())\nself.b = nn.Identity()",
    "self.a = nn.ReLU() if wide else nn.Sigmoid()\nself.b = self.a if wide else nn.ReLU()",
    "self.a = act() if act else nn.ReLU()\nself.b = act",
    "self.a = act(3) if act else nn.ReLU()\nself.b = act",
    "self.a, self.b = nn.ReLU(), nn.ReLU()",
    "self.a = self.b = None\nif wide:\n    self.a = nn.ReLU()\n    self.b = nn.ReLU()",
)
FORWARDS = (
    "return self.b(self.a(x))",
    "return self.b(self.a(self.b(x)))",
    "return self.a(x) if self.a is not None else x",
    "if self.training:\n    return self.a(x)\nreturn self.b(self.a(x))",
    "for m in (self.a, self.b):\n    x = m(x)\nreturn x",
    "for m in (self.a, self.b, self.a):\n    x = m(x)\nreturn x",
    "for i in range(2):\n    x = self.a(x)\nreturn self.b(x)",
    "x = checkpoint(self.a, x)\nreturn self.b(x)",
    "x = checkpoint(self.run, x)\nreturn self.run(x)",
    "return self.run(self.run(x))",
    "y = self.run(x)\nreturn self.b(y) + y",
    "try:\n    x = self.a(x)\nfinally:\n    x = self.b(x)\nreturn x",
    "with torch.no_grad():\n    x = self.a(x)\nreturn self.b(x)",
    "f = self.a if x.ndim == 4 else self.b\nreturn f(x)",
    "f = self.a\nx = f(x)\nf = self.b\nreturn f(x)",
    "def inner(y):\n    return self.a(y)\nreturn self.b(inner(inner(x)))",
    "return sum(m(x) for m in [self.a, self.b])",
    "for _ in range(2):\n    x = self.b(x)\nreturn self.a(x)",
    "f = self.b\nreturn f(f(self.a(x)))",
    "while x.sum() > 0:\n    x = self.a(x)\nreturn self.b(x)",
)


def test_in_all_that_is_put_together_of_these_nothing_is_missed() -> None:
    block = (
        "class Block(nn.Module):\n    def __init__(self, width, act=None):\n        super().__init__()\n"
        "        self.act = act\n    def forward(self, x):\n        return x if self.act is None else self.act(x)\n"
    )
    methods = "def make(self):\n    return nn.ReLU()\ndef run(self, x):\n    return self.a(x)"
    models = [
        model(init, forward, methods, ", wide=False, act=None").replace("Model", f"Model{n}")
        for n, (init, forward) in enumerate(itertools.product(INITS, FORWARDS))
    ]
    text = HEAD + block + "".join(models)
    names = plain_ones(open_project(["model.py"], Memory({"model.py": text})), "model.py")
    assert len(names) > 40


@pytest.mark.parametrize(
    ("base", "forward", "plain"),
    [
        (
            "LayerNorm",
            "return self.act(nn.functional.layer_norm(x, self.normalized_shape, self.weight))",
            True,
        ),
        ("Conv2d", "return self.act(x + self.bias)", True),
        ("Conv2d", "return self.act(self.act(x))", False),
        ("Conv2d", "return self.act(self.transposed(x))", False),
        ("Sequential", "return self.act(x)", False),
        ("TransformerEncoderLayer", "return self.act(x)", False),
    ],
)
def test_a_layer_of_torch_that_holds_no_module(base: str, forward: str, plain: bool) -> None:
    text = model(MADE, forward).replace("nn.Module", f"nn.{base}")
    assert is_called_plain(text) is plain
