"""What builds a model otherwise may stand in another file than the one that is checked: `check FILE --report`
reads what `report --model FILE:CLASS` reads, and confirms nothing that the other one calls open."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from qatlint.cli.commands.check import command as check
from qatlint.cli.commands.report import command as report
from qatlint.horizon.report import Layer, ModelCheck, write

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
