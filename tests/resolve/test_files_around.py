"""What builds a model otherwise may stand in another file than the one that is checked: `check FILE --report`
reads what `report --model FILE:CLASS` reads, and confirms nothing that the other one calls open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from qatlint.cli.commands.check import command as check
from qatlint.cli.commands.report import command as report
from qatlint.horizon.report import Layer, ModelCheck, Statistic, write

MODEL = """\
import torch
from torch import nn
from horizon_plugin_pytorch.quantization import DeQuantStub, QuantStub


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.quant, self.dequant, self.conv, self.turns = QuantStub(), DeQuantStub(), nn.Conv2d(4, 4, 1), 2
        self.first, self.second = nn.Parameter(torch.zeros(4, 1, 1)), nn.Parameter(torch.zeros(4, 1, 1))

    def forward(self, x):
        x = self.conv(self.quant(x))
        for _ in range(self.turns):
            x = x * x
            x = x + self.first
        return self.dequant(x + self.second)
"""
BUILDER = "def build(make):\n    net = make()\n    net.turns = 3\n    return net\n"
ROWS = ModelCheck(
    layers=(
        Layer(
            "_generated_add_2",
            "horizon_plugin_pytorch.nn.qat.functional_modules.FloatFunctional",
            ("qint8", "torch.float32"),
            ("qint8",),
            "-1",
            "",
            "add",
        ),
    )
)


def confirmed(*words: str, text: str | None = None) -> set[int]:
    """The lines of findings that the report confirms."""
    arguments = [*words, "--report", "r.txt", "--isolated", "--no-cache", "--output-format", "json"]
    found = json.loads(CliRunner().invoke(check, arguments, input=text).stdout)
    return {one["line"] for one in found if one.get("confirmed_by") and one["code"] == "QAT302"}


def places(model: str) -> set[int]:
    """The lines that `report` shows below the row."""
    shown = CliRunner().invoke(report, ["r.txt", "--model", model, "--output-format", "json"]).stdout
    return {place["line"] for row in json.loads(shown)["judgements"] for place in row["places"]}


@pytest.mark.parametrize("folder", ["", "net"])
def test_both_commands_read_the_same_files(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = tmp_path / folder
    (home / "tools").mkdir(parents=True)
    if folder:
        (home / "__init__.py").touch()
    file = str((home / "m.py").relative_to(tmp_path))
    (home / "m.py").write_text(MODEL, encoding="utf-8")
    Path("r.txt").write_text(write(ROWS), encoding="utf-8")
    # The third addition is the one behind the loop, unless the model was built in another way.
    assert places(f"{file}:Net") == {17}
    assert confirmed(file) == {17}
    (home / "tools" / "builder.py").write_text(BUILDER, encoding="utf-8")
    assert places(f"{file}:Net") == {16, 17}
    assert confirmed(file) == confirmed(".") == confirmed(str(home / "m.py")) == set()
    assert confirmed("--stdin-filename", file, "-", text=MODEL) == set()
    assert confirmed("--stdin-filename", f"./{file}", "-", text=MODEL) == set()


def test_what_is_typed_in_without_a_name_has_no_files_around_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.txt").write_text(write(ROWS), encoding="utf-8")
    Path("builder.py").write_text(BUILDER, encoding="utf-8")
    assert confirmed("-", text=MODEL) == {17}


def test_findings_are_those_of_the_named_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.txt").write_text(write(ROWS), encoding="utf-8")
    for name in ("m.py", "other.py"):
        Path(name).write_text(MODEL, encoding="utf-8")
    arguments = ["m.py", "--report", "r.txt", "--isolated", "--no-cache", "--output-format", "json"]
    found = json.loads(CliRunner().invoke(check, arguments).stdout)
    assert {one["path"] for one in found if one["code"]} == {"m.py"}


HEIR = """\
from m import Net


class Sub(Net):
    def early(self):
        return 3

    def late(self):
        return 1
"""


def confirming() -> list[str]:
    """The rows that confirm something in one file, in their order."""
    arguments = ["m.py", "--report", "r.txt", "--isolated", "--no-cache", "--output-format", "json"]
    found = json.loads(CliRunner().invoke(check, arguments).stdout)
    return sorted(
        name for one in found if one["code"] for row in one["confirmed_by"] for name in row["names"]
    )


def test_of_what_inherits_in_another_file_only_what_both_have_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many calls in all, but the third of them at another line."""
    monkeypatch.chdir(tmp_path)
    model = MODEL.replace("range(self.turns)", "range(self.early())").replace("            x = x * x\n", "")
    model = model.replace(
        "        return self.dequant(x + self.second)\n",
        """        for _ in range(self.late()):
            x = x + self.second
        return self.dequant(x)

    def early(self):
        return 2

    def late(self):
        return 2
""",
    )
    Path("m.py").write_text(model, encoding="utf-8")
    rows = tuple(ROWS.layers[0]._replace(name=f"_generated_add_{n}") for n in range(4))
    whole = ModelCheck(layers=rows, outputs=(Statistic("total", (("qint8", 4),)),))
    Path("r.txt").write_text(write(whole), encoding="utf-8")
    assert confirming() == [f"_generated_add_{n}[add]" for n in range(4)]
    Path("sub.py").write_text(HEIR, encoding="utf-8")
    assert confirming() == [f"_generated_add_{n}[add]" for n in (0, 1, 3)]
    said = " ".join(CliRunner().invoke(check, ["m.py", "--report", "r.txt", "--isolated"]).stderr.split())
    assert "as many modules of this report as m:Net, at other lines; what only one of them has is not" in said
    shown = CliRunner().invoke(report, ["r.txt", "--model", "m.py:Net"]).stdout
    assert "see that --model names the class that was prepared" in " ".join(shown.split())
