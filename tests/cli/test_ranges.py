"""`qatlint ranges`, from the command line to the screen."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from qatlint.cli.run import run as main
from qatlint.report.width import text_width

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch"),
    pytest.mark.usefixtures("forked"),
]

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ["ranges", "examples/positions.py:build", "--inputs", "examples/positions.py:samples"]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.own_child
def test_the_example(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "ranges.json"
    assert main([*EXAMPLE, "--output", str(written)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("backend: ")
    assert "3 samples in eval mode" in said
    assert "embed.div (Div), 8 calls, the worst loses" in said and "split it" in said
    assert "1 to split, 0 to look at, 4 that may stay" in said
    assert "cut it at 44 of 128" in said
    assert max(map(text_width, said.splitlines())) <= 80
    raw = json.loads(written.read_text())
    assert raw["modules"][0]["path"] == "embed.div"
    assert len(raw["modules"][0]["calls"]) == 8
    first = raw["modules"][0]["calls"][0]["places"]
    assert [(place["path"], place["function"].split(".")[0]) for place in first] == [
        ("examples/positions.py", "PositionEmbedding"),
        ("examples/positions.py", "Decoder"),
    ]
    verdicts = {
        (entry["owners"][0], entry["subjects"][0]): entry["verdict"]["int8"] for entry in raw["evidence"]
    }
    assert verdicts == {
        ("positions:PositionEmbedding", "div"): "split",
        ("positions:Decoder", "embed"): "look",
    }
    # What was measured weighs the findings of the source.
    main(["check", "examples/positions.py", "--output-format", "json", "--select-from", str(written)])
    found = {f["subject"]: f for f in json.loads(capsys.readouterr().out)}
    assert (found["div"]["severity"], found["embed"]["severity"]) == ("error", "warning")
    assert all(("dB back" in f["message"]) == (f["code"] == "QAT101") for f in found.values())


def test_json_and_all_the_calls(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EXAMPLE, "--output-format", "json", "--format", "int16", "--observer", "minmax"]) == 0
    raw = json.loads(capsys.readouterr().out)
    assert (raw["format"], raw["observer"], raw["samples"]) == ("int16", "minmax", 3)
    module: dict[str, Any] = raw["modules"][0]
    assert all(call["shared"]["int8"]["clipped"] == 0 for call in module["calls"])


def test_all_calls_on_a_narrow_screen(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert main([*EXAMPLE, "--all"]) == 0
    said = capsys.readouterr().out
    assert "may stay (calls with --all)" not in said
    assert "call 8:" in said
    # A place is never cut, however long it is.
    assert max(text_width(line) for line in said.splitlines() if " " in line.strip()) <= 44


def test_a_model_that_fails_is_told_with_its_own_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "broken.py"
    file.write_text(
        "import torch\nfrom torch import nn\n\n\nclass Net(nn.Module):\n    def forward(self, x):\n"
        "        return x.nothing\n\n\ndef inputs():\n    return torch.ones(2)\n"
    )
    kept, never = tmp_path / "kept.json", tmp_path / "never.json"
    kept.write_text("as it was")
    command = ["ranges", f"{file}:Net", "--inputs", f"{file}:inputs", "--output"]
    assert main([*command, str(kept)]) == 2
    said = capsys.readouterr().err
    assert "broken.py:7 in forward" in said
    assert "Traceback" not in said
    # What was there stays, and nothing half-made is left that looks like evidence.
    assert kept.read_text() == "as it was"
    assert main([*command, str(never)]) == 2
    assert not never.exists()


def test_inputs_are_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(EXAMPLE[:2]) == 2
    assert "--inputs is needed" in capsys.readouterr().err


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EXAMPLE, "--output", str(tmp_path / "no/where.json")]) == 2
    assert "where.json" in capsys.readouterr().err


@pytest.mark.parametrize("scale", ["div", "div=", "=", "div=wide", "div=0", "div=-1", "div=nan", "div=inf"])
def test_a_scale_that_is_none_is_refused(scale: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EXAMPLE, "--scale", scale]) == 2
    assert "is not MODULE=SCALE" in capsys.readouterr().err


def test_a_scale_reaches_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EXAMPLE, "--output-format", "json", "--scale", "embed.div=0.0446799"]) == 0
    raw = json.loads(capsys.readouterr().out)
    assert raw["modules"][0]["path"] == "embed.div"
    assert raw["modules"][0]["scale"]["int8"] == pytest.approx(0.0446799)
    assert raw["notes"] == ["`embed.div` is judged by the scale that was given"]
