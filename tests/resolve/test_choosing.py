"""Which of several models a report is about: what ran, what did not, and how often."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from qatlint import engine
from qatlint.aim import Aim
from qatlint.files import DiskLoader
from qatlint.horizon.report import CallCount, Layer, ModelCheck, Statistic
from qatlint.resolve.choosing import best
from qatlint.resolve.fit import rivalry

HEAD = """\
import torch
from horizon_plugin_pytorch.quantization import QuantStub
from torch import nn
from torch.ao.quantization import DeQuantStub
"""
Q8 = ("qint8",)
UNUSED = """
class Det(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.conv, self.aux = QuantStub(), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.quant(x)
        return self.conv(x) + 1


class DetWithAux(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.conv, self.aux = QuantStub(), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.quant(x)
        return self.aux(self.conv(x) + 1)
"""


def model(name: str, body: str) -> str:
    """A model that does something to what it is given."""
    return f"""
class {name}(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.norm, self.act = QuantStub(), nn.LayerNorm(4), nn.Sigmoid()

    def forward(self, x):
        x = self.quant(x)
        {body}
        return x
"""


def chosen(folder: Path, text: str, labels: list[str], counts: dict[str, int]) -> tuple[str, str]:
    """(the class that a whole report with such rows is taken to be about, what is said of others)."""
    path = folder / "m.py"
    path.write_text(HEAD + dedent(text), encoding="utf-8")
    flows = engine.flows([str(path)], DiskLoader(), Aim((), ()))
    rows = tuple(
        Layer(name, "T", Q8, Q8, "-1", "", call=int(call.removesuffix(")") or 0))
        for name, _, call in (label.partition("(") for label in labels)
    )
    check = ModelCheck(
        counts=tuple(CallCount(name, times) for name, times in counts.items()),
        layers=rows,
        outputs=(Statistic("total", (("qint8", len(rows)),)),),
    )
    names = best(flows, check, flows, parts=True)
    assert names is not None
    return names.root.partition(":")[2], rivalry(names)


@pytest.mark.parametrize(("never", "expected"), [(["aux"], "Det"), ([], "DetWithAux")])
def test_what_did_not_run_counts_against_a_class_that_runs_it(
    never: list[str], expected: str, tmp_path: Path
) -> None:
    labels = ["quant", "conv", "_generated_add_0", *([] if never else ["aux"])]
    counts = {**dict.fromkeys(labels, 1), **dict.fromkeys(never, 0)}
    assert chosen(tmp_path, UNUSED, labels, counts) == (expected, "")


@pytest.mark.parametrize(
    ("body", "labels"),
    [
        ("x = self.norm(x); x = self.norm(x)", ["norm", "norm(1)"]),
        ("x = self.norm(x) + 1; x = x + 2", ["norm", "_generated_add_0", "_generated_add_1"]),
        ("x = self.norm(x)", ["norm"]),
    ],
)
def test_of_classes_with_as_many_names_the_numbers_of_calls_decide(
    body: str, labels: list[str], tmp_path: Path
) -> None:
    others = [
        "x = self.norm(x) + 1",
        "x = self.norm(x) * 2",
        "x = self.norm(self.norm(x + 1))",
        "x = self.act(self.norm(x))",
        "x = self.norm(self.norm(self.norm(x)))",
    ]
    text = "".join(model(f"Other{n}", other) for n, other in enumerate(others)) + model("Right", body)
    assert chosen(tmp_path, text, ["quant", *labels], {}) == ("Right", "")


def test_where_nothing_tells_them_apart_some_of_them_are_named_and_the_others_counted(tmp_path: Path) -> None:
    text = "".join(model(f"Net{n}", "x = self.norm(x)") for n in range(7))
    root, said = chosen(tmp_path, text, ["quant", "norm"], {})
    assert root == "Net0"
    named = ", ".join(f"m:Net{n}" for n in range(1, 5))
    assert said == f"{named} and 2 more have as many modules of this report as m:Net0, at other lines"
