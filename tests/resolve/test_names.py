"""Names of modules that a report has, looked up in models of a few lines."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from qatlint import engine
from qatlint.aim import Aim, EntryPoint
from qatlint.files import DiskLoader
from qatlint.resolve.names import Names

HEAD = """\
import torch
import torch.nn.functional as F
from torch import nn
from torch.ao.nn.quantized import FloatFunctional
from torch.ao.quantization import DeQuantStub, QuantStub
"""


def lines_of(folder: Path, model: str, labels: list[str]) -> dict[str, list[str]]:
    """Label -> the lines of source that it may mean, for the class `Model` of a text."""
    path = folder / "m.py"
    path.write_text(HEAD + dedent(model), encoding="utf-8")
    aim = Aim((), (EntryPoint(str(path), "Model"),))
    found = engine.flows([str(path)], DiskLoader(), aim)
    (own,) = [flow for flow in found if flow.root.endswith(":Model") and not flow.assumed]
    names = Names(own, labels, found)
    text = path.read_text(encoding="utf-8").splitlines()
    return {
        label: list(dict.fromkeys(text[op.span.line - 1].strip() for op in names.ops_of(label)[0]))
        for label in labels
    }


def test_numbers_count_the_calls_of_a_function_however_they_are_written(tmp_path: Path) -> None:
    model = """
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.quant = QuantStub()
            self.skip = FloatFunctional()

        def forward(self, x):
            x = self.quant(x)
            y = x + x
            y = torch.add(y, x)
            y = self.skip.add(y, x)
            y = y.add(x)
            y += x
            return y
    """
    labels = [f"_generated_add_{n}[add]" for n in range(4)]
    assert lines_of(tmp_path, model, [*labels, "skip[add]"]) == {
        "_generated_add_0[add]": ["y = x + x"],
        "_generated_add_1[add]": ["y = torch.add(y, x)"],
        "_generated_add_2[add]": ["y = y.add(x)"],
        "_generated_add_3[add]": ["y += x"],
        "skip[add]": ["y = self.skip.add(y, x)"],
    }


WRAPPED = """
class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, x):
        return self.conv(x)

class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant = QuantStub()
        self.part = Part()

    def forward(self, x):
        return self.part(self.quant(x))
"""


def test_what_wrappers_put_in_front_of_all_names_is_left_out(tmp_path: Path) -> None:
    for wrapper in ("", "module.", "module.model."):
        labels = [f"{wrapper}part.conv", f"{wrapper}quant"]
        found = lines_of(tmp_path, WRAPPED, labels)
        assert found == {labels[0]: ["return self.conv(x)"], labels[1]: ["return self.part(self.quant(x))"]}


def test_a_part_that_source_does_not_tell_is_the_class_that_has_most_of_its_names(tmp_path: Path) -> None:
    model = """
    class Other(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 1)

        def forward(self, x):
            return self.conv(x) + x

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 1)
            self.norm = nn.BatchNorm2d(8)

        def forward(self, x):
            x = self.norm(self.conv(x))
            return x + x

    class Model(nn.Module):
        def __init__(self, block):
            super().__init__()
            self.quant = QuantStub()
            self.part = block()

        def forward(self, x):
            return self.part(self.quant(x))
    """
    labels = ["quant", "part.conv", "part.norm", "part._generated_add_0[add]"]
    found = lines_of(tmp_path, model, labels)
    assert found["part._generated_add_0[add]"] == ["return x + x"]
    assert found["part.conv"] == ["x = self.norm(self.conv(x))"]
