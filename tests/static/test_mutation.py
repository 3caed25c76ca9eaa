"""Modules that running changes: several instances would each keep a state of their own."""

from __future__ import annotations

import textwrap

import pytest

from qatlint.finding import Fix, Safety
from tests.static.sources import findings, findings_in

HELPERS = """
import heapq
import numpy

EPS = 1e-5
SEEN = {}
COUNT = 0

def push(held, value):
    held.append(value)

def store(value, into):
    push(into, value)

def bump():
    global COUNT
    COUNT += 1
    return COUNT

"""
STEP = "@staticmethod\ndef step(held):\n    held[0] += 1\n    return held[0]"


def fix_of(made: str, forward: str, more: str = "", *, before: str = "", wrapper: str = "") -> Fix:
    """The fix of a `Memory` that runs twice, with these bodies of its constructor and forward."""
    lines = [before, "class Memory(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += [
        textwrap.indent(made, " " * 8),
        f"    @{wrapper}" if wrapper else "",
        "    def forward(self, x):",
        textwrap.indent(textwrap.dedent(forward), " " * 8),
    ]
    lines += [textwrap.indent(textwrap.dedent(more), "    ")]
    text = "\n".join(lines) + textwrap.dedent(
        """
        class Model(nn.Module):
            def __init__(self):
                super().__init__()
                self.memory = Memory()

            def forward(self, x):
                return self.memory(self.memory(x))
        """
    )
    (finding,) = (f for f in findings(text) if f.owner.endswith(":Model"))
    assert finding.fix is not None
    return finding.fix


@pytest.mark.parametrize(
    ("made", "forward"),
    [
        ("self.kept = {}", "self.kept['k'] = self.kept.get('k', 0) + x\nreturn self.kept['k']"),
        ("self.kept = [1, 2]", "del self.kept[0]\nreturn x + len(self.kept)"),
        ("self.kept = [0]", "self.kept[0] += 1\nreturn x + self.kept[0]"),
        ("self.kept = torch.zeros(4)", "self.kept.add_(1)\nreturn x + self.kept"),
        ("self.kept = torch.zeros(4)", "torch.add(self.kept, 1, out=self.kept)\nreturn x + self.kept"),
        ("self.kept = torch.Generator()", "return x + torch.rand(4, generator=self.kept)"),
        ("self.kept = iter(range(9))", "return x + next(self.kept)"),
        ("self.kept = []", "held = self.kept\nheld.append(x)\nreturn sum(held)"),
        ("self.kept = torch.zeros(4)", "held = self.kept\nheld += 1\nreturn x + held"),
    ],
)
def test_state_that_forward_changes_in_place_is_not_split_safely(made: str, forward: str) -> None:
    fix = fix_of(made, forward)
    assert fix.safety is Safety.UNSAFE
    assert "its forward changes `kept`" in fix.reason


def test_a_method_that_forward_calls_changes_as_forward_does() -> None:
    fix = fix_of(
        "self.kept = []",
        "return self.keep(x)",
        "def keep(self, x):\n    self.kept.append(x)\n    return sum(self.kept)",
    )
    assert fix.safety is Safety.UNSAFE


def test_a_hook_runs_with_forward() -> None:
    fix = fix_of(
        "self.kept = [0]; self.register_forward_pre_hook(self.count)",
        "return x + self.kept[0]",
        "def count(self, module, args):\n    self.kept[0] += 1",
    )
    assert fix.safety is Safety.UNSAFE


@pytest.mark.parametrize(
    ("made", "forward", "more"),
    [
        ("self.size = 2", "shape = self.size\nx = x * shape\nx += 1\nreturn x", ""),
        ("self.size = 2", "y = x.clone()\ny[0] = self.size\ny.mul_(2)\nreturn y", ""),
        ("self.sizes = [2]", "return x * self.sizes[0]", "def grow(self):\n    self.others.append(3)"),
    ],
)
def test_what_forward_only_reads_is_split_safely(made: str, forward: str, more: str) -> None:
    assert fix_of(made, forward, more).safety is Safety.SAFE


@pytest.mark.parametrize(
    ("made", "forward", "more"),
    [
        ("self.kept = []", "push(self.kept, x)\nreturn sum(self.kept)", ""),
        ("self.kept = []", "store(x, into=self.kept)\nreturn sum(self.kept)", ""),
        ("self.kept = [0]", "return x + self.step(self.kept)", STEP),
        (
            "self.kept = [0]",
            "def step(held):\n    held[0] += 1\nstep(self.kept)\nreturn x + self.kept[0]",
            "",
        ),
        ("self.kept = []\nself.push = self.kept.append", "self.push(x)\nreturn sum(self.kept)", ""),
        ("kept = []\nself.mem = kept\nself.push = kept.append", "self.push(x)\nreturn sum(self.mem)", ""),
        ("self.kept = []\nself.push = functools.partial(push, self.kept)", "self.push(x)\nreturn x", ""),
        ("self.kept = [0]\nself.tick = lambda: self.kept.append(1)", "self.tick()\nreturn x", ""),
        ("self.kept = []", "list(map(self.kept.append, [x]))\nreturn sum(self.kept)", ""),
        ("self.kept = []", "getattr(self, 'kept').append(x)\nreturn sum(self.kept)", ""),
        ("self.kept = [[], []]", "for one in self.kept:\n    one.append(x)\nreturn sum(self.kept[0])", ""),
        ("self.kept = {'a': []}", "for k, v in self.kept.items():\n    v.append(x)\nreturn x", ""),
        ("self.kept = []", "heapq.heappush(self.kept, x)\nreturn sum(self.kept)", ""),
        ("self.kept = numpy.random.default_rng(0)", "return x + self.kept.normal()", ""),
        ("self.kept = []\nself.run = nn.Identity()", "self.run(x, self.kept)\nreturn sum(self.kept)", ""),
        ("self.kept = [0]; self.register_forward_hook(lambda m, a, o: m.kept.append(1))", "return x", ""),
        (
            "self.kept = []",
            "return getattr(self, f'go_{self.mode}')(x)",
            "def go_a(self, x):\n    self.kept[0] = x",
        ),
    ],
)
def test_state_is_followed_wherever_it_goes(made: str, forward: str, more: str) -> None:
    fix = fix_of(made, forward, more, before=HELPERS)
    assert fix.safety is Safety.UNSAFE
    assert "its forward changes `kept`" in fix.reason


@pytest.mark.parametrize(
    ("forward", "more"),
    [
        ("SEEN['n'] = 1\nreturn x", ""),
        ("global COUNT\nCOUNT += 1\nreturn x", ""),
        ("return x + bump()", ""),
        ("type(self).n += 1\nreturn x", ""),
        ("self.__class__.n += 1\nreturn x", ""),
        ("self.bump()\nreturn x", "@classmethod\ndef bump(cls):\n    cls.n += 1"),
    ],
)
def test_what_is_kept_outside_of_the_instance_is_state_too(forward: str, more: str) -> None:
    fix = fix_of("pass", forward, more, before=HELPERS)
    assert fix.safety is Safety.UNSAFE
    assert "which is kept outside of it" in fix.reason


def test_a_table_by_instance_is_not_shared_by_two() -> None:
    fix = fix_of("pass", "return x * SEEN.get(self, 1)", before=HELPERS)
    assert "which instance it is" in fix.reason


def test_a_decorator_runs_with_forward() -> None:
    text = "def counted(function):\n    def run(self, x):\n        self.kept[0] += 1\n        return function(self, x)\n    return run\n"
    fix = fix_of("self.kept = [0]", "return x * self.kept[0]", before=text, wrapper="counted")
    assert "its forward changes `kept`" in fix.reason


def test_state_in_another_file_is_found() -> None:
    texts = {
        "counters.py": "COUNT = [0]\n\ndef tick():\n    COUNT[0] += 1\n    return COUNT[0]\n",
        "model.py": """
            from torch import nn
            from counters import tick

            class Scale(nn.Module):
                def forward(self, x):
                    return x * tick()

            class Model(nn.Module):
                def __init__(self):
                    super().__init__()
                    self.scale = Scale()

                def forward(self, x):
                    return self.scale(self.scale(x))
            """,
    }
    (finding,) = findings_in(texts, "QAT101")
    assert finding.fix is not None
    assert "`COUNT`" in finding.fix.reason


@pytest.mark.parametrize(
    ("made", "forward", "more"),
    [
        ("self.ff = torch.ao.nn.quantized.FloatFunctional()", "return self.ff.add(x, x)", ""),
        ("self.sizes = [1, 2]", "for s in self.sizes:\n    x = x * s\nreturn x", ""),
        ("self.t = torch.arange(4.)", "t = self.t[None]\nt = t * 2\nreturn x + t", ""),
        ("self.sizes = [2, 3]", "return torch.nn.functional.interpolate(x, size=self.sizes)", ""),
        (
            "pass",
            "return x + self.table(4)",
            "@functools.lru_cache(None)\ndef table(self, n):\n    return torch.ones(n)",
        ),
        ("self.eps = EPS", "eps = EPS\nreturn x + max(eps, self.eps)", ""),
        ("pass", "kept = []\npush(kept, x)\nreturn sum(kept)", ""),
        ("pass", "def add(v):\n    out.append(v)\nout = []\nadd(x)\nreturn out[0]", ""),
    ],
)
def test_harmless_modules_stay_safe(made: str, forward: str, more: str) -> None:
    assert fix_of(made, forward, more, before=HELPERS).safety is Safety.SAFE
