"""Some files of a project: what is said of them is what linting all of it says."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from qatlint.cli.run import run as main

BASE = """\
from torch import nn


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU()

    def step(self, x):
        return self.relu(x)

    def forward(self, x):
        return self.step(x)
"""
HEIR = """\
from base import Base


class Heir(Base):
    def forward(self, x):
        return self.step(self.step(x))
"""


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("base.py").write_text(BASE)
    Path("heir.py").write_text(HEIR)


def found(capsys: pytest.CaptureFixture[str], *args: str) -> list[tuple[str, str]]:
    capsys.readouterr()
    main(["check", "--output-format", "json", *args])
    return [(item["path"], item["subject"]) for item in json.loads(capsys.readouterr().out)]


def test_what_the_other_files_say_counts_and_is_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    everything = found(capsys)
    assert everything == [("base.py", "relu")]
    assert found(capsys, "base.py") == []
    assert found(capsys, "base.py", "--project", ".") == everything
    assert found(capsys, os.path.abspath("base.py"), "--project", ".") == everything
    assert found(capsys, "heir.py", "--project", ".") == []


def test_only_the_named_files_are_fixed() -> None:
    twice = BASE.replace("return self.step(x)", "return self.relu(self.relu(x))")
    Path("one.py").write_text(twice)
    Path("two.py").write_text(twice)
    assert main(["one.py", "--project", ".", "--fix"]) == 0
    assert "relu_1" in Path("one.py").read_text() and Path("two.py").read_text() == twice


def test_without_paths_the_project_is_linted(capsys: pytest.CaptureFixture[str]) -> None:
    assert found(capsys, "--project", ".") == [("base.py", "relu")]


def test_a_project_that_is_missing_is_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["heir.py", "--project", "gone"]) == 2
    assert "gone: no such file or folder" in capsys.readouterr().err


def test_files_that_the_settings_exclude_are_left_out_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    Path("qatlint.toml").write_text('extend-exclude = ["generated/", "old.py"]\n')
    for path in ("generated/deep/a.py", "old.py", "build/a.py", "kept.py"):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(BASE.replace("self.step(x)", "self.relu(self.relu(x))"))
    names = ["generated/deep/a.py", "./old.py", "build/a.py", "kept.py"]
    assert len(found(capsys, *names)) == 4
    assert found(capsys, *names, "--force-exclude") == [("kept.py", "relu")]
    assert main(["old.py", "--force-exclude"]) == 0
    assert capsys.readouterr().err == "qatlint: no Python files found\n"
    here = os.path.abspath("generated/deep/a.py")
    assert found(capsys, here, "--force-exclude") == []


def test_since_counts_a_changed_call_though_the_finding_stands_at_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "a")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
    text = BASE.replace("return self.step(x)", "y = x\n        return self.relu(x)")
    Path("one.py").write_text(text)
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
        subprocess.run(["git", *command], check=True)
    Path("one.py").write_text(text.replace("y = x", "x = self.relu(x)"))
    main(["one.py", "--output-format", "json"])
    (item,) = json.loads(capsys.readouterr().out)
    assert "return self.relu(x)" in Path("one.py").read_text().split("\n")[item["line"] - 1]
    assert found(capsys, "one.py", "--since", "HEAD") == [("one.py", "relu")]
