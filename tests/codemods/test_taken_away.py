"""Attributes that do not keep what they got: a clone would hold parameters that were not there before.

And code that asks which object an attribute is, whose answer a fix would change.
"""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from qatlint import engine
from qatlint.codemods.fixer import FixResult, fix
from qatlint.finding import Finding, Safety
from qatlint.loader import Loader
from qatlint.registry import all_rules
from tests.static.sources import Memory

MODEL = """
from torch import nn
{before}

class Model({base}):
    def __init__(self, use=True, cfg=None):
        super().__init__()
{init}

    def forward(self, x):
        if self.norm is not None:
            x = self.norm(x)
            x = self.norm(x)
        return x
"""
BASE = """
class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
"""


def fixed(text: str, **others: str) -> FixResult:
    files = {"m.py": text, **{f"{name}.py": other for name, other in others.items()}}

    def check(loader: Loader) -> list[Finding]:
        return [f for f in engine.check(sorted(files), loader, all_rules()) if f.code != "QAT103"]

    return fix(sorted(files), Memory(files), check, unsafe=True)


def model(init: str, *, base: str = "nn.Module", before: str = "") -> str:
    return MODEL.format(
        init=textwrap.indent(textwrap.dedent(init).strip(), " " * 8), base=base, before=before
    )


MADE = "self.norm = nn.LayerNorm(8)\n"
GONE = {
    "set to None in a branch": (MADE + "if not use:\n    self.norm = None", "is set to None after"),
    "set to None in a later branch of another if": (
        f"if use:\n    {MADE}if cfg:\n    self.norm = None",
        "is set to None after",
    ),
    "deleted": (MADE + "if not use:\n    del self.norm", "is deleted"),
    "deleted by name": (MADE + "if not use:\n    delattr(self, 'norm')", "takes `norm` away"),
    "popped": (MADE + "if not use:\n    self._modules.pop('norm')", "takes `norm` away"),
    "deleted from the modules": (MADE + "if not use:\n    del self._modules['norm']", "takes `norm` away"),
    "replaced in the modules": (MADE + "if cfg:\n    self._modules['norm'] = None", "takes `norm` away"),
}


@pytest.mark.parametrize(("init", "reason"), GONE.values(), ids=GONE)
def test_what_is_taken_away_again_gets_no_clone(init: str, reason: str) -> None:
    result = fixed(model(init))
    assert result.texts == {}
    (left,) = result.findings
    assert reason in left.no_fix


INHERITED = {name: init.replace(MADE, "") for name, (init, _) in GONE.items() if init.startswith(MADE)}


@pytest.mark.parametrize("init", INHERITED.values(), ids=INHERITED)
def test_what_a_base_makes_and_the_class_takes_away_gets_no_clone(init: str) -> None:
    result = fixed(model(init, base="Base", before=BASE))
    assert result.texts == {}
    assert [f.code for f in result.findings] == ["QAT101"]
    assert result.findings[0].no_fix


REPLACED = {
    "by a module without parameters": MADE + "if not use:\n    self.norm = nn.Identity()",
    "in exclusive branches": f"if use:\n    {MADE}else:\n    self.norm = None",
    "None before": f"self.norm = None\nif use:\n    {MADE}",
    "a branch in a branch": f"if use:\n    {MADE}elif cfg:\n    self.norm = None\nelse:\n    self.norm = None",
}


@pytest.mark.parametrize("init", REPLACED.values(), ids=REPLACED)
def test_a_clone_follows_what_the_attribute_gets(init: str) -> None:
    torch = pytest.importorskip("torch")
    text = model(init)
    result = fixed(text)
    assert result.findings == [] and result.applied == 1
    for use in (True, False):
        models = []
        for source in (text, result.texts["m.py"].decode()):
            space: dict[str, Any] = {"__name__": "m"}
            exec(compile(source, "m.py", "exec"), space)
            torch.manual_seed(0)
            models.append(space["Model"](use))
        numbers = [sum(p.numel() for p in m.parameters()) for m in models]
        assert numbers[0] == numbers[1]  # tied: `parameters` gives each tensor once
        assert len(models[1].state_dict()) == 2 * len(models[0].state_dict())
        x = torch.randn(3, 8)
        assert torch.equal(models[0](x), models[1](x))


TWO_NAMES = """
from torch import nn

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = self.b = nn.ReLU()

    def forward(self, x):
        {test}
        return self.b(self.a(x))
"""


@pytest.mark.parametrize(
    ("test", "elsewhere"),
    [
        ("x = x + (self.a is self.b)", ""),
        ("x = x + (self.a is not self.b)", ""),
        ("x = x + (x is self.a)", ""),
        ("x = x + (self.a == self.b)", ""),
        ("x = x + (id(self.a) == 3)", ""),
        ("x = x + 1", "def tied(model):\n    return model.b is model.a\n"),
    ],
)
def test_separate_instances_are_unsafe_where_identity_is_asked_for(test: str, elsewhere: str) -> None:
    files = {"m.py": TWO_NAMES.format(test=test), "script.py": elsewhere}
    found = engine.check(sorted(files), Memory(files), all_rules())
    assert {f.code for f in found} == {"QAT102", "QAT101"}
    (shared,) = [f for f in found if f.code == "QAT102"]
    assert shared.fix is not None and shared.fix.safety is Safety.UNSAFE
    where = "`script.py` line 2" if elsewhere else "`m.py` line 10"
    assert shared.fix.reason.startswith(f"{where} asks which object `")


@pytest.mark.parametrize(
    "test",
    [
        "x = x if self.a is None else x",
        "x = x if self.b is not None else x",
        "x = x + (self.a.inplace == self.b.inplace)",
        "x = x + (x.ndim == 3)",
        "x = x + id(self.c)",
    ],
)
def test_other_tests_keep_the_fix_safe(test: str) -> None:
    files = {"m.py": TWO_NAMES.format(test=test)}
    found = engine.check(["m.py"], Memory(files), all_rules())
    (shared,) = [f for f in found if f.code == "QAT102"]
    assert shared.fix is not None and shared.fix.safety is Safety.SAFE


def test_a_clone_is_unsafe_where_identity_is_asked_for() -> None:
    text = """
    from torch import nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.ReLU()
            for m in self.modules():
                m.first = m is self.act

        def forward(self, x):
            return self.act(self.act(x))
    """
    (found,) = engine.check(["m.py"], Memory({"m.py": textwrap.dedent(text)}), all_rules())
    assert found.fix is not None and found.fix.safety is Safety.UNSAFE
    assert "line 9 asks which object `act` is" in found.fix.reason
