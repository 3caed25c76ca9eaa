"""What the owner of a class hands to it matters to what is said of the class: with a cache as without."""

from __future__ import annotations

from pathlib import Path

import pytest

from qatlint.finding import Finding
from tests.test_cache import lint, project, write

__all__ = ["project"]

HEAD = """
import torch
from torch import nn

class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, feats):
        return [self.conv(feat) + feat for feat in feats]
"""
OWNER = """
from head import Head
from torch import nn

class Net(nn.Module):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.head = Head()

    def forward(self, x):
        return self.head({given})
"""


def dynamic(paths: list[str], *, cached: bool) -> list[tuple[str, str]]:
    found: list[Finding] = lint(paths, cached=cached)
    return [(f.severity.name.lower(), f.message[:40]) for f in found if f.code == "QAT201"]


@pytest.mark.parametrize(
    ("given", "severity"),
    [("[x, x]", None), ("list(self.backbone(x))", "note"), ("list(x.split(1))", "warning"), ("x", "warning")],
)
def test_another_owner_is_seen(given: str, severity: str | None, project: Path) -> None:
    paths = ["src/head.py", "src/owner.py"]
    write("src/head.py", HEAD)
    write("src/owner.py", OWNER.replace("{given}", "[x]"))
    assert dynamic(paths, cached=True) == []
    write("src/owner.py", OWNER.replace("{given}", given))
    again = dynamic(paths, cached=True)
    assert again == dynamic(paths, cached=False)
    assert [one for one, _ in again] == ([severity] if severity else [])


def test_a_subclass_or_a_function_may_hand_in_anything(project: Path) -> None:
    write("src/head.py", HEAD)
    write("src/owner.py", OWNER.replace("{given}", "[x]"))
    paths = ["src/head.py", "src/owner.py", "src/more.py"]
    for more in ("class Other(Head):\n    pass\n", "def make():\n    return Head()\n"):
        write("src/more.py", f"from head import Head\n{more}")
        assert [one for one, _ in dynamic(paths, cached=True)][:1] == ["warning"]
    write("src/more.py", "x = 1\n")
    assert dynamic(paths, cached=True) == []
