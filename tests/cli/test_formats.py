"""Formats on the command line: where they go, which paths they name, and what they leave alone."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from qatlint.cli.run import run as main
from qatlint.report.formats import FORMATS
from tests import fakes

BLOCK = """\
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.relu(x))
"""


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.install(monkeypatch)


@pytest.mark.usefixtures("fake")
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_goes_to_a_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text("shared_module\n")
    assert main(["a.py", "--output-format", name]) == 1
    printed = capsys.readouterr().out
    assert main(["a.py", "--output-format", name, "--output-file", "report"]) == 1
    assert capsys.readouterr() == ("Found 1 finding.\n", "")
    assert printed.removesuffix("Found 1 finding.\n").strip("\n") == Path("report").read_text().strip("\n")
    assert not list(Path().glob(".qatlint-*"))


@pytest.mark.usefixtures("fake")
def test_a_report_that_cannot_be_written_is_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text("shared_module\n")
    assert main(["a.py", "--output-file", "gone/report"]) == 2
    assert "gone/report: cannot be written: No such file or directory" in capsys.readouterr().err


@pytest.mark.usefixtures("fake")
def test_links_and_devices_are_written_to_as_they_are() -> None:
    Path("a.py").write_text("shared_module\n")
    Path("report").symlink_to("real")
    for target in ("report", "/dev/null"):
        assert main(["a.py", "--output-format", "concise", "--output-file", target]) == 1
    assert Path("report").is_symlink() and not Path("/dev/null").is_file()
    assert Path("real").read_text() == "a.py:1:1: QAT101 warning found shared-module\n"


@pytest.mark.usefixtures("fake")
def test_no_files_are_an_empty_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([".", "--output-format", "sarif"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["results"] == []
    Path("report").write_text("of another run")
    assert main([".", "--output-format", "concise", "--output-file", "report"]) == 0
    assert capsys.readouterr() == ("", "qatlint: no Python files found\n")
    assert Path("report").read_text() == ""


@pytest.mark.usefixtures("fake")
def test_paths_are_those_of_the_repository(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path(".git").mkdir()
    Path("pkg").mkdir()
    Path("pkg/a.py").write_text("shared_module\n")
    monkeypatch.chdir("pkg")
    main(["a.py", "--output-format", "gitlab"])
    (item,) = json.loads(capsys.readouterr().out)
    assert item["location"]["path"] == "pkg/a.py"
    main([os.path.abspath("a.py"), "--output-format", "github"])
    assert capsys.readouterr().out.startswith("::warning file=pkg/a.py,")


def test_fixes_are_in_the_report_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text(BLOCK)
    assert main(["a.py", "--output-format", "sarif"]) == 1
    assert "fixes" not in json.loads(capsys.readouterr().out)["runs"][0]["results"][0]
    assert main(["a.py", "--output-format", "sarif", "--with-fixes"]) == 1
    (fix,) = json.loads(capsys.readouterr().out)["runs"][0]["results"][0]["fixes"]
    text = BLOCK.split("\n")
    for change in reversed(fix["artifactChanges"][0]["replacements"]):
        region, line = change["deletedRegion"], text[change["deletedRegion"]["startLine"] - 1]
        assert region["startLine"] == region["endLine"] and region["startColumn"] == region["endColumn"]
        at = region["startColumn"] - 1
        text[region["startLine"] - 1] = line[:at] + change["insertedContent"]["text"] + line[at:]
    assert main(["a.py", "--fix"]) == 0
    assert Path("a.py").read_text() == "\n".join(text)
