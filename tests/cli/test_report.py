"""`qatlint report`, from the command line to the screen."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from qatlint.cli.run import run as main
from qatlint.report.width import text_width

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "tests/horizon/reports"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")


STATISTICS = """
input dtype statistics:
+---------------+---------+
| module type   |   qint8 |
|---------------+---------|
| total         |       1 |
+---------------+---------+
"""
"""What stands behind the first parts of every report."""


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 1) -> str:
    assert main(["report", *arguments]) == code
    return capsys.readouterr().out


def test_ranked_counted_and_in_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, str(REPORTS / "pasted.txt"))
    assert text.index("LOOK FIRST") < text.index("CHECK") < text.index("GOOD TO KNOW")
    for title in (
        "1 output is qint32",
        "9 calls inside of the stubs are given float (by the statistics)",
        "8 modules are called several times",
        "6 fusable sequences are not fused",
        "1 DeQuantStub is given a quantised tensor: qint8 (8 by the statistics)",
        "4 DeQuantStubs are given quantised tensors: qint32 (by the statistics)",
    ):
        assert title in text
    assert "must" not in text
    names = [line for line in text.splitlines() if "model." in line and text_width(line) > 80]
    assert [line for line in text.splitlines() if text_width(line) > 80] == names


def test_colour_adds_only_colour(capsys: pytest.CaptureFixture[str]) -> None:
    import re

    plain = said(capsys, str(REPORTS / "newer.txt"))
    coloured = said(capsys, str(REPORTS / "newer.txt"), "--color", "always")
    assert "\x1b[" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == plain


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    raw = json.loads(said(capsys, str(REPORTS / "pasted.txt"), "--output-format", "json"))
    assert raw["generation"] == "newer" and raw["unread"]["lines"] == 12
    assert raw["counts"]["not-fused"] == {"rows": 6, "only_in_statistics": 0}
    assert raw["counts"]["float-input"] == {"rows": 0, "only_in_statistics": 9}
    first = raw["judgements"][0]
    assert first["rank"] == "look first" and first["names"] == ["model.head.reg_branches.0.0"]


def test_long_groups_are_cut_unless_all_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model_check_result.txt"
    rows = "".join(f"m{n} 2\n" for n in range(20))
    file.write_text("Each module called times:\nname called times\n---- ----\n" + rows)
    text = said(capsys, str(file))
    assert "m7" in text and "m8" not in text and "and 12 more rows of this kind" in text
    assert "m19" in said(capsys, str(file), "--all")


def test_rows_past_those_that_are_shown_are_counted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether they are at one line or at many."""
    (tmp_path / "model_check_result.txt").write_text(
        "Each module called times:\nname called times\n---- ----\n"
        + "".join(f"m{n} 2\n" for n in range(20))
        + STATISTICS
    )
    init = "".join(f"        self.m{n} = nn.Conv2d(3, 3, 1)\n" for n in range(20))
    run = "".join(f"        x = self.m{n}(self.m{n}(x))\n" for n in range(20))
    (tmp_path / "model.py").write_text(
        "from torch import nn\n\nclass Model(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        f"{init}\n    def forward(self, x):\n{run}        return x\n"
    )
    source = ("--src", str(tmp_path / "model.py"))
    text = said(capsys, str(tmp_path / "model_check_result.txt"), *source, code=0)
    assert text.count(" more row") == 1
    assert "and 12 more rows: --all shows them" in text
    assert " more row" not in said(capsys, str(tmp_path / "model_check_result.txt"), *source, "--all", code=0)


def test_a_clean_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "model_check_result.txt"
    file.write_text("All fusable modules are fused in model!\n" + STATISTICS)
    assert "nothing in it asks for a look" in said(capsys, str(file), code=0)


@pytest.mark.parametrize(
    "text",
    [
        "All fusable modules are fused in model!\n",
        "All fusable modules are fused in model!\n\nEach module called times:\nname  called times\n----  ----\na  1\n",
        "All fusable modules are fused in model!\n\nAll modules in the model run exactly once.\n",
    ],
)
def test_a_text_that_ends_where_a_report_goes_on_is_no_all_clear(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "model_check_result.txt"
    file.write_text(text)
    shown = " ".join(said(capsys, str(file), code=1).split())
    assert "where every report goes on: rows may be missing" in shown
    assert "nothing in what could be read asks for a look" in shown
    file.write_text(text + STATISTICS)
    assert "may be missing" not in said(capsys, str(file), code=0)


def test_a_folder_means_its_newest_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older, newer = (
        tmp_path / "model_check_result_1.txt",
        tmp_path / "model_check_result_260412_2347_85651.txt",
    )
    older.write_text("Each module called times:\nold 2\n")
    newer.write_text("Each module called times:\nnew 2\n")
    (tmp_path / "fx_graph.txt").write_text("Graph:\nopcode name target args kwargs\n")
    os.utime(older, (1, 1))
    text = said(capsys, str(tmp_path))
    assert "new  2 times" in text and "old  2 times" not in text and "graph" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0" * 9, "not a text file"),
        (b"hello\n", "no part of a model_check_result.txt"),
        (b"", "no part of a model_check_result.txt"),
    ],
)
def test_what_is_no_report_is_said_so(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "x.txt"
    file.write_bytes(content)
    assert main(["report", str(file)]) == 2
    assert words in capsys.readouterr().err


def test_files_that_are_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "gone.txt")]) == 2
    assert "No such file" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 2
    assert "no model_check_result*.txt in this folder" in capsys.readouterr().err


def test_lines_that_nobody_understood(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, str(REPORTS / "pasted.txt"), "--unread", code=0)
    assert text.splitlines()[1] == "See the module model.view:"
    assert len(text.splitlines()) == 12


def test_what_only_the_statistics_count_and_what_is_not_read_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (REPORTS / "newer.txt").read_text(encoding="utf-8")
    cut = text[: text.index("Each layer out qconfig")]
    (tmp_path / "r.txt").write_text(cut, encoding="utf-8")
    shown = said(capsys, str(tmp_path / "r.txt"))
    assert "more by the statistics, whose rows are not in this text" in shown
    monkeypatch.setattr("qatlint.horizon.report.reader.MOST_ROWS", 12)
    assert "what stands behind 200,000 rows is not read" in " ".join(
        said(capsys, str(tmp_path / "r.txt")).split()
    )
