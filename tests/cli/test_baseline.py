"""`qatlint baseline` and `check --baseline`: known findings stay known, and no other is hidden."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from qatlint import baseline
from qatlint.cli.run import run as main
from qatlint.identity import Identity
from qatlint.report.formats import FORMATS
from tests import fakes

BLOCK = """\
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()
        self.tanh = nn.Tanh()

    def forward(self, x):
        x = self.relu(self.relu(x))
        return self.tanh(x)
"""
HALF = """

class Keyed(nn.Module):
    def __init__(self):
        super().__init__()
        self.acts = nn.ModuleDict({"\\ud800": nn.ReLU()})

    def forward(self, x):
        return self.acts["\\ud800"](self.acts["\\ud800"](x))
"""
KNOWN = "All checks passed.\n1 finding known by known.json.\n"


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.install(monkeypatch)


def check(*args: str) -> int:
    return main(["check", "--baseline", "known.json", "--output-format", "concise", *args])


def test_known_findings_stay_known_when_lines_move(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text(BLOCK)
    assert main(["baseline", "write", "known.json"]) == 0
    assert capsys.readouterr() == ("Wrote 1 finding to known.json.\n", "")
    assert check() == 0
    assert capsys.readouterr() == (KNOWN, "")
    Path("a.py").write_text("# one\n# two\n" + BLOCK.replace("self.relu(x))", "self.relu( x ))"))
    assert check() == 0
    assert capsys.readouterr() == (KNOWN, "")


def test_a_new_finding_is_shown_and_only_it_is_fixed(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text(BLOCK)
    main(["baseline", "write", "known.json"])
    Path("a.py").write_text(BLOCK.replace("self.tanh(x)", "self.tanh(self.tanh(x))"))
    capsys.readouterr()
    assert check() == 1
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 3 and "`tanh`" in out[0]
    assert out[1:] == ["Found 1 finding (1 fixable with --fix).", "1 finding known by known.json."]
    assert check("--fix") == 0
    assert "self.tanh_1" in Path("a.py").read_text() and "self.relu_1" not in Path("a.py").read_text()
    assert check() == 0


def test_another_line_is_another_finding() -> None:
    Path("a.py").write_text(BLOCK)
    main(["baseline", "write", "known.json"])
    Path("a.py").write_text(BLOCK.replace("self.relu(self.relu(x))", "self.relu(self.relu(x) + 1)"))
    assert check() == 1


def test_what_is_gone_is_said_and_taken_out(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text(BLOCK)
    Path("b.py").write_text(BLOCK)
    Path("c.py").write_text(BLOCK)
    main(["baseline", "write", "known.json"])
    Path("a.py").write_text("")
    Path("b.py").unlink()
    capsys.readouterr()
    assert check("c.py", "--select", "QAT102") == 0
    assert capsys.readouterr().err == (  # b.py, which is no more; of a.py nobody has asked
        "qatlint: known.json: 1 finding in it is stale; `qatlint baseline update known.json` takes it out\n"
    )
    assert check(".") == 0
    assert (
        "known.json: 2 findings in it are stale; `qatlint baseline update known.json`"
        in capsys.readouterr().err
    )
    assert main(["baseline", "update", "known.json"]) == 0
    assert capsys.readouterr().out == "Took 2 findings out of known.json, 1 left.\n"
    assert check(".") == 0
    assert capsys.readouterr() == (KNOWN, "")


def test_a_missing_path_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Else what is not there would count as fixed."""
    Path("a.py").write_text(BLOCK)
    main(["baseline", "write", "known.json"])
    before = Path("known.json").read_text()
    for action in ("write", "update"):
        assert main(["baseline", action, "known.json", "gone.py"]) == 2
        assert "gone.py: no such file or folder" in capsys.readouterr().err
    assert Path("known.json").read_text() == before
    assert main(["baseline", "write", "gone/known.json"]) == 2
    assert "gone/known.json: cannot be written" in capsys.readouterr().err


def test_update_adds_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text("")
    main(["baseline", "write", "known.json"])
    before = Path("known.json").read_text()
    Path("a.py").write_text(BLOCK)
    assert main(["baseline", "update", "known.json"]) == 0
    assert Path("known.json").read_text() == before


def test_show_lists_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text(BLOCK)
    main(["baseline", "write", "known.json"])
    capsys.readouterr()
    assert main(["baseline", "show", "known.json"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert (
        out[0] == "a.py"
        and out[1].startswith("  QAT101  `relu` (ReLU) runs twice")
        and out[-1] == "1 finding."
    )
    assert all(len(line) <= 80 for line in out)
    assert main(["baseline", "show", "known.json", "a.py"]) == 2


def test_paths_are_relative_to_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pkg").mkdir()
    Path("pkg/a.py").write_text(BLOCK)
    main(["baseline", "write", "known.json", "pkg"])
    assert json.loads(Path("known.json").read_text())["findings"][0]["path"] == "pkg/a.py"
    monkeypatch.chdir("pkg")
    assert main(["a.py", "--baseline", "../known.json"]) == 0


@pytest.mark.usefixtures("fake")
def test_of_findings_that_are_alike_as_many_as_were_known(capsys: pytest.CaptureFixture[str]) -> None:
    text = "x  # qatlint: ignore[QAT101]\n"
    Path("a.py").write_text(text * 2)
    assert main(["baseline", "write", "known.json"]) == 0
    assert json.loads(Path("known.json").read_text())["findings"][0]["times"] == 2
    assert check() == 0
    Path("a.py").write_text(text * 3)
    capsys.readouterr()
    assert check() == 1
    assert capsys.readouterr().out.startswith("a.py:3:4: QAT001")
    Path("a.py").write_text(text)
    assert main(["baseline", "update", "known.json"]) == 0
    assert capsys.readouterr().out == "Took 1 finding out of known.json, 1 left.\n"
    assert json.loads(Path("known.json").read_text())["findings"][0]["times"] == 1


@pytest.mark.usefixtures("fake")
def test_a_file_that_cannot_be_linted_is_never_accepted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.py").write_text("")

    def refuse(self: object, path: str) -> bytes:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("qatlint.files.DiskLoader.read", refuse)
    assert main(["baseline", "write", "known.json"]) == 0
    assert "a.py: not taken, since it cannot be linted: Permission denied" in capsys.readouterr().err
    assert check() == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "known.json: no such file (`qatlint baseline write known.json` makes it)"),
        ("{", "known.json: not valid JSON"),
        ("[]", "known.json: not a baseline of qatlint"),
        ('{"tool": "qatlint", "version": 9, "findings": []}', "of another version (9)"),
        ('{"tool": "qatlint", "version": 1, "findings": [{"path": 1}]}', "finding 1 is not what"),
    ],
)
def test_a_file_that_is_no_baseline_is_wrong_usage(
    text: str | None, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.py").write_text("")
    if text is not None:
        Path("known.json").write_text(text)
    for command in (["check", "--baseline", "known.json"], ["baseline", "update", "known.json"]):
        assert main(command) == 2
        assert reason in capsys.readouterr().err


def test_the_text_is_read_back_as_it_was_and_merges_by_line() -> None:
    one = Identity("a.py", "QAT101", "Block", "relu", "0")
    other = Identity("模.py", "QAT102", "", "", "1")
    entries = {other: baseline.Known(2, "b"), one: baseline.Known(1, "`a`")}
    text = baseline.render(entries)
    assert baseline.parse(text) == entries
    assert [line.strip()[:16] for line in text.splitlines() if "path" in line] == [
        '{"path": "a.py",',
        '{"path": "模.py",',
    ]
    doubled = text.replace("  ]", "    ," + text.splitlines()[4].strip().rstrip(",") + "\n  ]")
    assert baseline.parse(doubled)[one].times == 2
    assert baseline.parse(baseline.render({})) == {}


def test_names_that_are_no_text_are_known_again(capsys: pytest.CaptureFixture[str]) -> None:
    """A file whose name is no UTF-8, and half of a character as a key."""
    name = os.fsdecode(b"caf\xe9.py")
    Path(name).write_text(BLOCK.replace("relu", "\u6fc0\u6d3b") + HALF)
    assert main(["baseline", "write", "known.json", "."]) == 0
    assert len(json.loads(Path("known.json").read_text(encoding="utf-8"))["findings"]) == 2
    capsys.readouterr()
    assert check(".") == 0
    assert capsys.readouterr().out == "All checks passed.\n2 findings known by known.json.\n"
    for output in FORMATS:
        assert main(["check", "--output-format", output]) == 1
        assert capsys.readouterr().err == ""
