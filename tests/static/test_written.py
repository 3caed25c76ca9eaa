"""What the source says about whether a fix can be written down: no fix is offered that would be refused."""

from __future__ import annotations

import ast

import pytest

from qatlint.codemods.fixer import fix
from qatlint.engine import check
from qatlint.finding import Finding
from qatlint.loader import Loader
from qatlint.registry import all_rules
from qatlint.static.written import Written
from tests.static.sources import HEAD, PATH, Memory, clean, findings, model


def offered(text: str) -> dict[str, str]:
    """Why there is no fix, by subject; what is offered is tried, and works."""
    files = {PATH: HEAD + clean(text)}

    def look(loader: Loader) -> list[Finding]:
        return check([PATH], loader, all_rules())

    before = look(Memory(files))
    result = fix([PATH], Memory(files), look, unsafe=True)
    assert result.problems == ()
    assert result.applied == sum(f.fix is not None for f in before)
    return {f.subject: f.no_fix for f in before if f.code != "QAT103"}


COUNTED = {
    "for i in range(4):": True,
    "for i in range(self.n):": True,
    "for layer in self.layers:": True,
    "for i, layer in enumerate(self.layers):": True,
    "for layer in reversed(self.layers):": True,
    "for layer, y in zip(self.layers, xs):": True,
    "for y, layer in zip(made(x), self.layers):": True,
    "for i in range(len(self.layers)):": True,
    "for name, layer in self.layers.named_children():": True,
    "for i in (1, 2, 3):": True,
    "for i in range(SIZE):": True,
    "for i in range(local):": True,
    "for layer in same:": True,
    "for y in x:": False,
    "for y in made(x):": False,
    "for i in range(len(x)):": False,
    "for y in grown:": False,
    "for layer in self.layers[k]:": False,
    "for y in (*xs, x):": False,
    "for i in range(self.count()):": False,
    "for y in [v for v in self.layers]:": False,
    "for i in range(int(getattr(self, 'n'))):": False,
    "for i in range((lambda: 3)()):": False,
}


@pytest.mark.parametrize(("header", "expected"), COUNTED.items())
def test_what_the_constructor_can_count(header: str, expected: bool) -> None:
    text = f"""
def forward(self, x, xs):
    local = self.n + 1
    same = self.layers
    grown = []
    grown = grown + [x]
    for k in range(3):
        {header}
            pass
"""
    method = ast.parse(text).body[0]
    assert isinstance(method, ast.FunctionDef) and isinstance(method.body[-1], ast.For)
    inner = method.body[-1].body[0]
    assert isinstance(inner, ast.For)
    assert Written(method).countable(inner.iter) is expected


ALIASES = {
    "act = self.act": ("act", True),
    "act = self.act\nact = self.other": ("act", False),
    "act = self.other": ("act", False),
    "act = getattr(self, name)": ("act", False),
    "if x:\n    act = self.act": ("act", True),
    "pass": ("checkpoint", True),
    "for act in self.acts:\n    pass": ("act", False),
}


@pytest.mark.parametrize(("body", "expected"), ALIASES.items())
def test_what_a_local_name_means(body: str, expected: tuple[str, bool]) -> None:
    lines = "".join(f"    {line}\n" for line in body.split("\n"))
    method = ast.parse(f"def forward(self, x, name):\n{lines}").body[0]
    assert isinstance(method, ast.FunctionDef)
    name, means = expected
    assert Written(method).means(ast.Name(name, ast.Load()), "act") is means
    assert Written(method).means(ast.parse("self.act", mode="eval").body, "act")


def test_a_loop_that_cannot_be_counted_is_said() -> None:
    text = model(
        "self.act = nn.ReLU()\nself.layers = nn.ModuleList(nn.Conv2d(1, 1, 1) for _ in range(3))",
        "ys = [layer(x) for layer in self.layers]\nys.append(x)\nreturn [self.act(y) for y in ys]",
    )
    (reason,) = offered(text).values()
    assert "is not known when the model is built" in reason or "cannot be told where `act`" in reason


@pytest.mark.parametrize(
    ("made", "safe"),
    [
        ("self.layers = make(n)", True),
        ("self.layers = make(n) if n > 1 else None", False),
        ("self.layers = None\nif n > 1:\n    self.layers = make(n)", False),
        ("if n > 1:\n    self.layers = make(n)", False),
    ],
)
def test_a_loop_over_what_some_configurations_lack_is_not_counted(made: str, safe: bool) -> None:
    """Forward may return before the loop; in the constructor there would be nothing to count."""
    text = model(
        f"self.n = n\n{made}\nself.act = nn.ReLU()",
        "if self.n <= 1:\n    return x\nfor layer in self.layers:\n    x = self.act(layer(x))\nreturn x",
        before="def make(n):\n    return nn.ModuleList(nn.Conv2d(1, 1, 1) for _ in range(n))",
        parameters="n",
    )
    reason = offered(text)["act"]
    assert reason == "" if safe else "cannot be told where `act` is made" in reason


def test_a_loop_over_entries_chosen_by_a_counter_is_said() -> None:
    text = model(
        "self.act = nn.ReLU()\n"
        "self.fcs = nn.ModuleList(nn.ModuleList(nn.Linear(1, 1) for _ in range(2)) for _ in range(3))",
        "for k in range(3):\n    for fc in self.fcs[k]:\n        x = self.act(fc(x))\nreturn x",
    )
    assert "cannot be told where `act` is made" in offered(text)["act"]


def test_a_name_that_may_mean_another_module_is_said() -> None:
    text = model(
        "self.a = nn.ReLU()\nself.b = nn.ReLU()",
        "act = self.a if flag else self.b\nx = self.a(x)\nx = self.b(x)\nreturn act(x)",
    )
    said = offered(text)
    assert said == {
        "a": "`act` may be something else than `a`: split it by hand",
        "b": "`act` may be something else than `b`: split it by hand",
    }


def test_a_class_without_room_for_a_copy_is_said() -> None:
    text = """
    class Base(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()
        def forward(self, x):
            return self.act(x)

    class Sub(Base):
        def forward(self, x):
            return self.act(self.act(x))
    """
    assert offered(text) == {"act": "`act` is made in `Base`, and `Sub` has no place to copy it"}
    roomy = text.replace(
        "class Sub(Base):", "class Sub(Base):\n        def __init__(self):\n            super().__init__()"
    )
    assert offered(roomy) == {"act": ""}


def test_an_instance_that_is_made_and_named_in_different_methods_is_said() -> None:
    text = model(
        "self.make()\nself.b = self.a",
        "return self.b(self.a(x))",
        methods="def make(self):\n    self.a = nn.ReLU()",
    )
    said = {f.subject: f.no_fix for f in findings(text, "QAT102")}
    assert said == {
        "a": "it is made in `Model.make` and named in `Model.__init__`: separate the instances by hand"
    }


def test_a_second_name_of_what_a_container_runs_is_said() -> None:
    text = model(
        "self.norm = nn.BatchNorm2d(8)\nself.down = nn.Sequential(nn.Conv2d(8, 8, 1), self.norm)",
        "return self.down(self.down(x))",
    )
    assert offered(text) == {
        "down": "",
        "norm": "only the container that holds it runs it: an instance of its own for `norm` would never run",
    }


@pytest.mark.parametrize(
    "made",
    [
        "build(cfg) if flag else nn.Identity()",
        "build(cfg)[1]",
        "build(cfg)",
        "nn.Dropout(n) if n else nn.Identity()",
    ],
)
def test_what_a_call_makes_is_copied_without_asking(made: str) -> None:
    text = model(f"self.act = {made}", "return self.act(self.act(x))", parameters="cfg, flag, n=0.1")
    assert offered(text) == {"act": ""}


def test_a_part_of_what_a_call_gives_is_copied_without_asking() -> None:
    text = model(
        "_, norm = build_norm_layer(cfg)\nself.add_module('norm', norm)",
        "return self.norm(self.norm(x))",
        parameters="cfg",
    )
    assert offered(text) == {"norm": ""}


def test_a_built_instance_that_another_method_names_is_said() -> None:
    text = model(
        "self.make(cfg)\nself.b = self.a",
        "return self.b(self.a(x))",
        parameters="cfg",
        methods="def make(self, cfg):\n    self.a = MODELS.build(cfg)",
        before="from mmengine.registry import MODELS",
    )
    (said,) = {f.no_fix for f in findings(text, "QAT102")}
    assert said.startswith("it is made in `Model.make` and named in `Model.__init__`")


def test_what_may_be_none_is_tested_where_it_is_called() -> None:
    text = model(
        "if cfg:\n    self.act = build(cfg)\nelse:\n    self.act = None",
        "if self.act is not None:\n    x = self.act(self.act(x))\nreturn x",
        parameters="cfg",
    )
    assert offered(text) == {"act": ""}
