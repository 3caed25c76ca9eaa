"""Options together: each combination does what both say, or is refused as wrong usage."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from qatlint.cli.run import run

BROKEN = "def f(:\n"
MODEL = """\
from torch import nn


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.act(x))
"""


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.py").write_text(MODEL)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(MODEL.encode())))


def main(*args: str) -> int:
    return run(["check", "--isolated", *args])


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--stdin-filename", "a.py"], "--stdin-filename is for standard input"),
        (["--stdin-filename", "a.py", "a.py"], "--stdin-filename is for standard input"),
        (["--stdin-filename", "n.ipynb", "-"], "n.ipynb: notebooks are not read"),
        (["-", "-"], "`-` cannot be mixed"),
        (["-", "a.py"], "`-` cannot be mixed"),
        (["--diff", "--statistics", "a.py"], "--diff and --statistics exclude each other"),
        (["--diff", "--output-format", "json", "a.py"], "--diff shows a diff on standard output"),
        (["--diff", "--output-file", "f", "a.py"], "--diff shows a diff on standard output"),
        (["--statistics", "--output-format", "sarif", "a.py"], "--statistics cannot be had as sarif"),
        (["--with-fixes", "a.py"], "--with-fixes is for the formats sarif and rdjson"),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    args: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(*args, "--exit-zero", "--fix") == 2
    out, err = capsys.readouterr()
    assert out == "" and reason in err
    assert Path("a.py").read_text() == MODEL


@pytest.mark.parametrize("more", [[], ["--fix"], ["--fix", "--unsafe-fixes"], ["--output-format", "concise"]])
def test_diff_never_writes(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main("a.py", "--diff", *more) == 1
    assert "+        self.act_1 = nn.ReLU()" in capsys.readouterr().out
    assert Path("a.py").read_text() == MODEL
    assert main("a.py", "--diff", *more, "--exit-zero") == 0


def test_fix_as_json_is_what_remains(capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.py").write_text(MODEL.replace("nn.ReLU()", "nn.Linear(8, 8)"))
    assert main(".", "--fix", "--output-format", "json") == 1
    out, err = capsys.readouterr()
    assert [item["path"] for item in json.loads(out)] == ["b.py"]
    assert err == "Fixed 1 finding, 1 remains (1 more fixable with --unsafe-fixes).\n"


def test_fix_with_statistics_counts_what_remains(capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.py").write_text(MODEL.replace("nn.ReLU()", "nn.Linear(8, 8)"))
    assert main(".", "--fix", "--statistics", "--output-format", "json") == 1
    assert [item["count"] for item in json.loads(capsys.readouterr().out)] == [1]


def test_fixed_standard_input_is_the_only_output(capfd: pytest.CaptureFixture[str]) -> None:
    assert main("-", "--fix", "--output-format", "json", "--stdin-filename", "b.py") == 0
    out, err = capfd.readouterr()
    assert "self.act_1 = nn.ReLU()" in out and err.startswith("[]\n")
    assert not Path("b.py").exists()


def test_standard_input_that_does_not_parse_comes_back_as_it_was(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(BROKEN.encode())))
    assert main("-", "--fix") == 1
    out, err = capfd.readouterr()
    assert out == BROKEN and "QAT000" in err


def test_unsafe_fixes_alone_change_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("a.py", "--unsafe-fixes") == 1
    assert "1 fixable with --fix --unsafe-fixes" in capsys.readouterr().out
    assert Path("a.py").read_text() == MODEL


@pytest.mark.parametrize("text", [MODEL, BROKEN])
def test_exit_zero_forgives_findings_but_not_what_is_missing(text: str) -> None:
    Path("a.py").write_text(text)
    assert main("a.py", "--exit-zero", "--no-cache") == 0
    assert main("a.py", "gone.py", "--exit-zero") == 2


def test_an_empty_path_is_not_the_current_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main("") == 2
    assert capsys.readouterr() == ("", 'qatlint: "": no such file or folder\n')


@pytest.mark.parametrize(
    "more", [["--fix"], ["--diff"], ["--statistics"], ["--fix", "--output-format", "json"]]
)
def test_a_folder_without_python_files(more: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    Path("empty/a.txt").write_text(MODEL)
    assert main("empty", *more) == 0
    out, err = capsys.readouterr()
    assert out == ("[]\n" if "json" in more else "")
    assert err == "qatlint: no Python files found\n"
