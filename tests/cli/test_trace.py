"""`qatlint trace`: what the tool understood of a class."""

from __future__ import annotations

from pathlib import Path

import pytest

from qatlint.cli.run import run as main

MODEL = """\
from torch import nn


class First(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.act(x))


class Outer:
    class Second(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.Sigmoid()

        def forward(self, x):
            return self.act(x)
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLUMNS", "100")
    file = tmp_path / "model.py"
    file.write_text(MODEL)
    return file


def test_all_classes_of_a_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", str(path)]) == 0
    out = capsys.readouterr().out
    assert "First  model  model.py:4" in out
    assert "Outer.Second  model  model.py:14" in out
    assert "act  ReLU  ×2 shared" in out
    assert "\x1b[" not in out


def test_one_class(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", f"{path}:Outer.Second"]) == 0
    out = capsys.readouterr().out
    assert "First" not in out
    assert "act  Sigmoid  ×1" in out


def test_a_file_name_with_a_colon(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = path.with_name("a:b.py")
    odd.write_text(MODEL)
    assert main(["trace", str(odd)]) == 0
    assert "First" in capsys.readouterr().out


def test_colour(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", str(path), "--color", "always"]) == 0
    assert "\x1b[" in capsys.readouterr().out


def test_base_classes_under_a_source_root(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = path.parent / "vendor"
    (root / "lib").mkdir(parents=True)
    (root / "lib" / "base.py").write_text(MODEL)
    path.write_text("from lib.base import First\n\n\nclass Model(First):\n    pass\n")
    assert main(["trace", f"{path}:Model", "--src", str(root)]) == 0
    assert "act  ReLU  ×2 shared" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("model.py:Third", "no module class `Third`; module classes here: First, Outer.Second"),
        ("model.py:Outer", "no module class `Outer`"),
        ("empty.py", "no module class; module classes here: none"),
        ("missing.py", "No such file or directory"),
        ("broken.py", "broken.py:1:8: syntax error"),
        ("broken.py:A", "syntax error"),
    ],
)
def test_what_cannot_be_shown_is_said(
    path: Path, target: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path.with_name("empty.py").write_text("")
    path.with_name("broken.py").write_text("class A(\n")
    assert main(["trace", str(path.parent / target)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


def test_quant_states_in_a_project_with_the_plugin(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stub = "from horizon_plugin_pytorch.quantization import QuantStub\n"
    made = "        self.quant = QuantStub()\n        self.act = nn.ReLU()"
    text = stub + MODEL.replace("        self.act = nn.ReLU()", made)
    path.write_text(text.replace("self.act(self.act(x))", "self.act(self.quant(x))"))
    assert main(["trace", f"{path}:First"]) == 0
    out = capsys.readouterr().out
    assert "model.py:12  in forward  float (input `x`) → quantised\n" in out
    assert "no model that runs it is known" not in out
    assert main(["trace", f"{path}:Outer.Second"]) == 0
    assert "no model that runs it is known: inputs taken for quantised\n" in capsys.readouterr().out
