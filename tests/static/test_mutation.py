"""Modules that running changes: several instances would each keep a state of their own."""

from __future__ import annotations

import textwrap

import pytest

from qatlint.finding import Fix, Safety
from tests.static.sources import findings


def fix_of(made: str, forward: str, more: str = "") -> Fix:
    """The fix of a `Memory` that runs twice, with these bodies of its constructor and forward."""
    lines = ["class Memory(nn.Module):", "    def __init__(self):", "        super().__init__()"]
    lines += [
        "        " + made,
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
