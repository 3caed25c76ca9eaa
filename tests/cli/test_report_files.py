"""Files that `qatlint report` is given and that are not as the toolchain wrote them: one clear sentence, or
what can be read of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qatlint.cli import toolchain_files
from qatlint.cli.run import run as main
from qatlint.horizon.report import decoding

REPORTS = Path(__file__).resolve().parents[1] / "horizon/reports"


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "gb18030"])
def test_other_encodings_and_line_ends_change_nothing(
    encoding: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\u6a21\u578b\u68c0\u67e5\n" + (REPORTS / "newer.txt").read_text(encoding="utf-8")
    file = Path("model_check_result.txt")
    file.write_text(text, encoding="utf-8", newline="\n")
    assert main(["report", str(file)]) == 1
    expected = capsys.readouterr().out
    file.write_text(text, encoding=encoding, newline="\r\n")
    assert main(["report", str(file)]) == 1
    assert capsys.readouterr().out == expected


def test_a_report_in_a_long_log(capsys: pytest.CaptureFixture[str]) -> None:
    """What it was printed to, for example: lines that are not understood are counted, not kept."""
    line = b"epoch 1, loss 0.5; " * 40 + b"\n"
    Path("train.log").write_bytes(line * 3_000 + (REPORTS / "newer.txt").read_bytes() + line * 3_000)
    assert main(["report", "train.log"]) == 1
    text = capsys.readouterr().out
    assert "LOOK FIRST" in text and "6000 lines not understood" in text.replace("\n", " ")
    assert main(["report", "train.log", "--unread"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1_001 and max(map(len, lines)) <= 500 and lines[-1] == "and 5000 more"


@pytest.mark.parametrize(("size", "words"), [(1_000, "not a text file"), (4_001, "larger than")])
def test_large_files_that_are_no_text(
    size: int, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (decoding, toolchain_files):
        monkeypatch.setattr(module, "MOST_BYTES", 4_000)
    with open("model_check_result.txt", "wb") as file:
        file.write(b"Graph:\n\0\0\1\2")
        file.truncate(size)
    assert main(["report", "."]) == 2
    error = capsys.readouterr().err
    assert words in error and "Traceback" not in error and len(error) < 1_000


def test_a_report_that_was_cut_off_in_the_middle_of_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    data = (REPORTS / "newer.txt").read_bytes()
    end = data.index(b"<class", data.index(b"Each layer out qconfig")) + 9
    Path("model_check_result.txt").write_bytes(data[:end])
    assert main(["report", "."]) == 1
    text = capsys.readouterr().out
    assert "1 line not understood" in text and "aux.conv  0 times" in text


def test_of_several_reports_in_one_text_the_others_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Also where the last one begins with another heading: all is fused there, or runs once."""
    first = (REPORTS / "newer.txt").read_text(encoding="utf-8")
    graph = "Graph:\nopcode name target args kwargs\nplaceholder x x () {}\n"
    fused = "All fusable modules are fused in model!\nAll modules in the model run exactly once.\n"
    Path("train.log").write_text(first + graph + fused, encoding="utf-8")
    assert main(["report", "train.log"]) == 1  # it has nothing to look at, and goes on in every report
    text = " ".join(capsys.readouterr().out.split())
    assert "train.log: fusion, calls; 1 earlier report in the same text left out" in text


def test_two_files_that_are_both_reports(capsys: pytest.CaptureFixture[str]) -> None:
    graph = "Graph:\nopcode name target args kwargs\nplaceholder x x () {}\n"
    for name in ("one.txt", "two.txt"):
        Path(name).write_text((REPORTS / "newer.txt").read_text(encoding="utf-8") + graph, encoding="utf-8")
    Path("fx_graph.txt").write_text(graph, encoding="utf-8")
    assert main(["report", "one.txt", "two.txt"]) == 2
    assert "one.txt and two.txt are two reports" in capsys.readouterr().err
    assert main(["report", "one.txt", "fx_graph.txt"]) == 1


def test_a_part_without_rows_is_no_all_clear(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What could not be read may be all that asks for a look."""
    path = tmp_path / "r.txt"
    path.write_text("Fusable modules are listed below:\nname  type\n----  ----\n", encoding="utf-8")
    assert main(["report", str(path)]) == 1
    text = capsys.readouterr().out
    assert "no row below `Fusable modules are listed below` could be read" in " ".join(text.split())
    assert "nothing in it asks for a look" not in text
    assert main(["report", str(path), "--output-format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["without_rows"] == ["Fusable modules are listed below"]
    table = "+---+\n| module type | qint8 |\n|---|\n| total | 1 |\n+---+\n"
    path.write_text(
        f"All fusable modules are fused in model!\ninput dtype statistics:\n{table}", encoding="utf-8"
    )
    assert main(["report", str(path)]) == 0
    assert "nothing in it asks for a look" in capsys.readouterr().out
