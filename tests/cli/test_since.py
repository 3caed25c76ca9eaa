"""`check --since REV`, with a real git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from qatlint.cli.run import run as main
from qatlint.git import changes_since
from tests import fakes

FIRST = "shared_module\nx = 1\nshared_instance\n"


def git(*args: str) -> str:
    done = subprocess.run(["git", *args], check=True, capture_output=True, text=True)
    return done.stdout


@pytest.fixture(autouse=True)
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fakes.install(monkeypatch)
    monkeypatch.chdir(tmp_path)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "a")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "a@example.org")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    git("init", "-q", "-b", "main")
    Path("a.py").write_text(FIRST)
    Path("b.py").write_text(FIRST)
    git("add", ".")
    git("commit", "-qm", "first")


def found(capsys: pytest.CaptureFixture[str], *args: str) -> list[str]:
    capsys.readouterr()
    main(["check", "--since", "HEAD", "--output-format", "concise", *args])
    out, err = capsys.readouterr()
    assert err == ""
    return [":".join(line.split(":")[:2]) for line in out.splitlines() if "QAT" in line]


def test_nothing_changed_nothing_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--since", "HEAD"]) == 0
    assert capsys.readouterr().out == "All checks passed.\n4 findings on lines that did not change.\n"


@pytest.mark.parametrize("staged", [False, True])
def test_changed_lines_count_committed_or_not(staged: bool, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text("# new\n" + FIRST.replace("x = 1", "unused_thing") + "shared_module")
    if staged:
        git("add", ".")
    assert found(capsys) == ["a.py:3", "a.py:5"]
    git("commit", "-qam", "second")
    assert found(capsys) == []
    assert found(capsys, "--since", "HEAD~1") == ["a.py:3", "a.py:5"]


def test_a_file_that_git_does_not_know_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    Path("模 型.py").write_text(FIRST)
    Path(".gitignore").write_text("ignored.py\n")
    Path("ignored.py").write_text(FIRST)
    assert found(capsys) == ["模 型.py:1", "模 型.py:3"]
    assert found(capsys, "ignored.py") == []


def test_a_moved_file_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    Path("c.py").write_text(FIRST + "".join(f"line{n} = {n}\n" for n in range(20)))
    git("add", ".")
    git("commit", "-qm", "second")
    Path("deep").mkdir()
    git("mv", "c.py", 'deep/q"uo té.py')
    path = Path('deep/q"uo té.py')
    path.write_text(path.read_text() + "shared_module\n")
    assert found(capsys) == ['deep/q"uo té.py:24']


def test_only_this_side_of_a_branch_counts(capsys: pytest.CaptureFixture[str]) -> None:
    git("checkout", "-qb", "feature")
    Path("a.py").write_text(FIRST + "shared_module\n")
    git("commit", "-qam", "mine")
    git("checkout", "-q", "main")
    Path("b.py").write_text("shared_module\n")
    git("commit", "-qam", "theirs")
    git("checkout", "-q", "feature")
    assert found(capsys, "--since", "main") == ["a.py:4"]


def test_lines_that_look_like_a_diff_are_no_diff() -> None:
    Path("a.py").write_text("++ b/b.py\n@@ -1 +1,99 @@\n" + FIRST.replace("x = 1", "++ x"))
    changes = changes_since("HEAD")
    assert set(changes.lines) == {"a.py"}
    assert [changes.touch("a.py", line, line) for line in range(1, 6)] == [True, True, False, True, False]


def test_from_a_folder_inside(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pkg").mkdir()
    Path("pkg/c.py").write_text(FIRST)
    monkeypatch.chdir("pkg")
    assert found(capsys) == ["c.py:1", "c.py:3"]
    assert found(capsys, "../a.py") == []


@pytest.mark.parametrize(
    ("revision", "reason"),
    [
        ("nope", "git knows no revision `nope`"),
        ("--all", "git knows no revision `--all`"),
        ("", "git knows no revision ``"),
    ],
)
def test_an_unknown_revision_is_wrong_usage(
    revision: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", f"--since={revision}"]) == 2
    assert f"--since: {reason}" in capsys.readouterr().err


def test_without_a_common_commit(capsys: pytest.CaptureFixture[str]) -> None:
    git("checkout", "-q", "--orphan", "other")
    git("commit", "-qm", "alone")
    assert main(["check", "--since", "main"]) == 2
    assert "`main` and HEAD have no common commit" in capsys.readouterr().err


def test_outside_of_a_repository(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("outside"))
    Path("a.py").write_text(FIRST)
    assert main(["check", "--since", "HEAD"]) == 2
    assert "--since: not a git repository" in capsys.readouterr().err


def test_without_git(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["check", "--since", "HEAD"]) == 2
    assert "--since: git is not installed" in capsys.readouterr().err


def test_standard_input_has_no_history(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "-", "--since", "HEAD"]) == 2
    assert "--since and --project are for files" in capsys.readouterr().err
