"""Modules of the project that give back what they get: nothing in them is quantised."""

from __future__ import annotations

import pytest

from qatlint.finding import Severity
from qatlint.trace import Kind
from tests.static.sources import findings, model, module_at, trace_of

FUNCTION = """
def drop_path(x, p: float = 0., training: bool = False):
    if p == 0. or not training:
        return x
    return x * torch.rand(1)
"""

SPLIT = """
def split(x, kind, training=True):
    if kind not in ("batch", "row"):
        raise ValueError(kind)
    if training is False:
        return x
    return x / 2
"""


def traced(forward: str, init: str = "self.p = p", before: str = "") -> Kind:
    """What `block`, an instance of a class with this forward, is taken for."""
    body = "".join(f"        {line}\n" for line in forward.split("\n"))
    start = "".join(f"        {line}\n" for line in init.split("\n"))
    block = (
        f"{before}\nclass Block(nn.Module):\n    def __init__(self, p=0.1):\n        super().__init__()\n{start}"
        f"    def forward(self, x, y=None):\n{body}"
    )
    return module_at(
        trace_of(model("self.block = Block()", "return self.block(self.block(x))", block)), "block"
    ).kind


@pytest.mark.parametrize(
    ("forward", "before", "kind"),
    [
        ("return x", "", Kind.IDENTITY),
        ("if self.training:\n    x = x * 2\nreturn x", "", Kind.DROPOUT),
        ("if not self.training:\n    return x\nreturn x * self.p", "", Kind.DROPOUT),
        ("if torch.rand(1) > self.p or not self.training:\n    return x\nreturn x * 2", "", Kind.DROPOUT),
        ("return x if not self.training else x * 2", "", Kind.DROPOUT),
        ("return drop_path(x, self.p, self.training)", FUNCTION, Kind.DROPOUT),
        ("return split(x, 'row', self.training)", SPLIT, Kind.DROPOUT),
        ("return drop_path(x, self.p, True)", FUNCTION, Kind.PROJECT),
        ("return drop_path(x, self.p, not self.training)", FUNCTION, Kind.PROJECT),
        ("if self.training:\n    return x\nreturn x * 2", "", Kind.PROJECT),
        ("if y is None:\n    return x\nreturn x * 2", "", Kind.IDENTITY),
        ("if x.a:\n    return x\nreturn x * 2", "", Kind.PROJECT),
        ("return y", "", Kind.PROJECT),
        ("return x * 2", "", Kind.PROJECT),
        ("return (x,)", "", Kind.PROJECT),
        ("x += 1\nreturn x", "", Kind.PROJECT),
    ],
)
def test_what_a_forward_gives_back(forward: str, before: str, kind: Kind) -> None:
    assert traced(forward, before=before) is kind


def test_what_holds_weights_computes_with_them() -> None:
    assert traced("return x", "self.fc = nn.Linear(8, 8)") is Kind.PROJECT
    assert traced("return x", "self.drop = nn.Dropout(p)") is Kind.IDENTITY


def test_asking_leaves_no_trace() -> None:
    """What the question reaches is not executed by the owner, and its errors are no facts."""
    block = f"{SPLIT}\nclass Block(nn.Module):\n    def forward(self, x):\n        return split(x, x.kind, self.training)\n"
    text = model(
        "self.block = Block()\nself.relu = nn.ReLU()", "return self.relu(self.block(self.block(x)))", block
    )
    trace = trace_of(text)
    assert len(trace.calls) == 3
    assert not trace.facts


def test_such_modules_are_notes() -> None:
    block = f"{FUNCTION}\nclass DropPath(nn.Module):\n    def forward(self, x):\n        return drop_path(x, 0.1, self.training)\n"
    (found,) = findings(model("self.drop = DropPath()", "return self.drop(self.drop(x))", block), "QAT101")
    assert found.severity is Severity.NOTE
    assert "identity when deployed" in found.message


def test_a_class_with_operations_only_is_not_said_to_hold_modules() -> None:
    block = "class Scale(nn.Module):\n    def forward(self, x):\n        return x * 2\n"
    (found,) = findings(model("self.scale = Scale()", "return self.scale(self.scale(x))", block), "QAT101")
    assert "its operations keep one scale each for all calls" in found.message
    assert found.severity is Severity.WARNING
