"""`check --add-suppressions`: what is written, and that a second run has nothing to do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from qatlint import suppressing
from qatlint.cli.run import run as main
from qatlint.finding import Finding
from tests import fakes

ADD = ("--add-suppressions", "known, see #7")


@pytest.fixture(autouse=True)
def project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.install(monkeypatch)


@pytest.mark.usefixtures("fake")
def test_comments_are_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text("shared_module + shared_instance\n!shared_module\n".replace("!", "# !"))
    Path("b.py").write_text("x = 1\n")
    assert main([".", *ADD]) == 0
    assert capsys.readouterr() == ("All checks passed.\nSuppressed 2 findings in 1 file.\n", "")
    text = Path("a.py").read_text()
    assert text.startswith(
        "shared_module + shared_instance  # qatlint: ignore[QAT101, QAT102] known, see #7\n"
    )
    assert main([".", *ADD]) == 0
    assert capsys.readouterr().out == "All checks passed.\nSuppressed 0 findings in 0 files.\n"
    assert Path("a.py").read_text() == text
    assert main(["."]) == 0


@pytest.mark.usefixtures("fake")
def test_what_is_hidden_gets_no_comment_and_what_no_comment_hides_stays(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("qatlint.toml").write_text('min-severity = "error"\n')
    Path("a.py").write_text("shared_module\n")
    assert main(["a.py", *ADD]) == 0
    assert Path("a.py").read_text() == "shared_module\n"
    Path("qatlint.toml").unlink()
    Path("a.py").write_text("x  # qatlint: ignore[QAT101]\n")
    assert main(["a.py", *ADD, "--output-format", "concise"]) == 1
    assert "QAT001" in capsys.readouterr().out
    assert Path("a.py").read_text() == "x  # qatlint: ignore[QAT101]\n"


@pytest.mark.usefixtures("fake")
def test_a_file_where_it_would_not_help_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """The tests' engine finds words in strings, too, where there is no statement to end."""
    Path("a.py").write_text("x = 1\n")
    Path("b.py").write_text("'''\nshared_module\n''' '\n")
    assert main([".", *ADD]) == 1
    assert "qatlint: b.py: no comment was written: the file cannot be read" in capsys.readouterr().err
    assert Path("b.py").read_text() == "'''\nshared_module\n''' '\n"


@pytest.mark.usefixtures("fake")
def test_a_comment_that_would_not_help_is_not_written(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("a.py").write_text("shared_module\n")
    Path("b.py").write_text("shared_module\nx  # qatlint: ignore[QAT201]\n")
    real = suppressing.add

    def add(source: bytes, findings: Sequence[Finding], reason: str) -> bytes:
        return real(source, findings, reason) if b"QAT201" in source else source + b"# idle\n"

    monkeypatch.setattr(suppressing, "add", add)
    assert main([".", *ADD, "--output-format", "concise"]) == 1
    out, err = capsys.readouterr()
    assert err == "qatlint: a.py: no comment was written: it would not switch the finding off\n"
    assert "Suppressed 1 finding in 1 file." in out and "a.py:1:1" in out
    assert Path("a.py").read_text() == "shared_module\n"
    assert Path("b.py").read_text().startswith("shared_module  # qatlint: ignore[QAT101] known, see #7\n")


@pytest.mark.usefixtures("fake")
def test_diff_shows_the_comments_and_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text("shared_module\n")
    assert main(["a.py", *ADD, "--diff"]) == 1
    assert "+shared_module  # qatlint: ignore[QAT101] known, see #7\n" in capfd.readouterr().out
    assert Path("a.py").read_text() == "shared_module\n"


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        (["--add-suppressions", " ", "a.py"], "needs a reason"),
        (["--add-suppressions", "a\nb", "a.py"], "must be one line"),
        ([*ADD, "--fix", "a.py"], "without --fix"),
        ([*ADD, "-"], "is for files"),
    ],
)
def test_wrong_usage(args: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text("")
    assert main(args) == 2
    assert reason in capsys.readouterr().err


def test_real_findings_are_suppressed(capsys: pytest.CaptureFixture[str]) -> None:
    source = (
        Path(__file__).resolve().parents[2] / "fixtures/qat101_shared_module/resnet_block.py"
    ).read_bytes()
    Path("a.py").write_bytes(source)
    assert main(["a.py", "--isolated", "--min-severity", "note"]) == 1
    assert main(["a.py", "--isolated", "--min-severity", "note", *ADD]) == 0
    assert main(["a.py", "--isolated", "--min-severity", "note"]) == 0
    lines = zip(source.decode().splitlines(), Path("a.py").read_text().splitlines(), strict=True)
    assert all(new.startswith(old.rstrip()) for old, new in lines)
