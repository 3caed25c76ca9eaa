"""What the disk and the pipes can do to a run: odd files, files that change or go, links, full disks."""

from __future__ import annotations

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qatlint import files
from qatlint.cli.run import run as main

ROOT = Path(__file__).resolve().parents[2]
MODEL = """\
from torch import nn


class Model{0}(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.act(x))
"""
TEXT = MODEL.format("")
FIXED = TEXT.replace("nn.ReLU()\n", "nn.ReLU()\n        self.act_1 = nn.ReLU()\n").replace(
    "return self.act(", "return self.act_1("
)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def qatlint(*args: str | bytes, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "qatlint", "--isolated", *args],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
    )


def codes(capsys: pytest.CaptureFixture[str], *args: str) -> list[tuple[str, str]]:
    main(["--isolated", "--output-format", "json", *args])
    return [(item["path"], item["code"]) for item in json.loads(capsys.readouterr().out)]


def test_the_fix_that_the_other_tests_expect() -> None:
    Path("a.py").write_text(TEXT)
    assert main(["--isolated", "a.py", "--fix"]) == 0
    assert Path("a.py").read_text() == FIXED
    assert os.listdir() == ["a.py"]


# --- what cannot be read ----------------------------------------------------------------------------


def test_a_named_pipe_is_said_and_never_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo("pipe.py")
    assert codes(capsys, "pipe.py") == [("pipe.py", "QAT000")]
    assert codes(capsys, "pipe.py", "--fix") == [("pipe.py", "QAT000")]
    Path("a.py").write_text(TEXT)
    assert codes(capsys, ".") == [("a.py", "QAT101")]


@pytest.mark.parametrize("fix", [[], ["--fix"]])
def test_links_that_lead_nowhere_are_said(fix: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    os.symlink("gone.py", "dangling.py")
    os.symlink("loop.py", "loop.py")
    assert codes(capsys, "dangling.py", "loop.py", *fix) == [("dangling.py", "QAT000"), ("loop.py", "QAT000")]
    assert main(["--isolated", ".", *fix]) == 0  # a folder gives its files, and these are none


def test_a_folder_called_like_a_file_is_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.py").mkdir()
    Path("x.py/a.py").write_text(TEXT)
    assert codes(capsys, "x.py") == [("x.py/a.py", "QAT101")]
    assert codes(capsys, ".") == [("x.py/a.py", "QAT101")]


def test_a_notebook_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    Path("n.ipynb").write_text('{"cells": []}')
    assert codes(capsys, "n.ipynb") == [("n.ipynb", "QAT000")]
    assert main(["--isolated", "n.ipynb"]) == 1
    assert "cannot read: is a notebook" in capsys.readouterr().out.replace("\n  ", " ")


def test_files_that_are_named_are_taken_whatever_their_suffix(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.pyi", "script", "b.py"):
        Path(name).write_text(TEXT)
    assert [path for path, _ in codes(capsys, "a.pyi", "script")] == ["a.pyi", "script"]
    assert [path for path, _ in codes(capsys, ".")] == ["b.py"]


def test_names_that_are_not_utf8() -> None:
    Path(os.fsdecode(b"caf\xe9.py")).write_text(TEXT)
    done = qatlint(b"caf\xe9.py", "--output-format", "concise")
    assert done.returncode == 1 and b"QAT101" in done.stdout and done.stderr == b""
    assert json.loads(qatlint(".", "--output-format", "json").stdout)[0]["code"] == "QAT101"
    assert b"--- caf\xe9.py\n" in qatlint(".", "--diff").stdout
    assert qatlint(".", "--fix").returncode == 0
    assert Path(os.fsdecode(b"caf\xe9.py")).read_text() == FIXED


# --- one file, several names ------------------------------------------------------------------------


def test_a_file_that_is_named_twice_is_linted_once(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.py").write_text(TEXT)
    os.symlink("a.py", "link.py")
    os.symlink(".", "again")
    assert codes(capsys, "a.py", "./a.py", "link.py", ".", "again/a.py", os.path.abspath("a.py")) == [
        ("a.py", "QAT101")
    ]
    assert codes(capsys, "link.py") == [("link.py", "QAT101")]


def test_a_link_stays_a_link_when_its_file_is_fixed() -> None:
    Path("real").mkdir()
    Path("real/a.py").write_text(TEXT)
    os.symlink("real/a.py", "link.py")
    assert main(["--isolated", "link.py", "--fix"]) == 0
    assert os.readlink("link.py") == "real/a.py"
    assert Path("real/a.py").read_text() == FIXED
    assert os.listdir("real") == ["a.py"]


def test_mode_and_owner_are_kept() -> None:
    Path("a.py").write_text(TEXT)
    os.chmod("a.py", 0o751)
    owner = (12345, 54321) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    os.chown("a.py", *owner)
    assert main(["--isolated", "a.py", "--fix"]) == 0
    after = os.stat("a.py")
    assert (stat.S_IMODE(after.st_mode), after.st_uid, after.st_gid) == (0o751, *owner)


# --- while it runs ----------------------------------------------------------------------------------


def when_written(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Something happens to the files after the fixes were found, before they are written."""
    from qatlint.cli import checking

    def write(path: str, old: bytes, new: bytes) -> None:
        happens()
        files.write_atomic(path, old, new)

    monkeypatch.setattr(checking, "write_atomic", write)


def test_a_file_that_is_deleted_during_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.py").write_text(TEXT)
    when_written(monkeypatch, lambda: os.unlink("a.py"))
    assert main(["--isolated", "a.py", "--fix"]) == 2
    assert "qatlint: a.py: cannot be written: No such file or directory" in capsys.readouterr().err
    assert os.listdir() == []


def test_a_file_that_somebody_edits_during_the_run_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.py").write_text(TEXT)
    when_written(monkeypatch, lambda: Path("a.py").write_text("mine = 1\n"))
    assert main(["--isolated", "a.py", "--fix"]) == 2
    assert "a.py: cannot be written: the file has changed meanwhile" in capsys.readouterr().err
    assert Path("a.py").read_text() == "mine = 1\n"


def test_files_that_go_while_they_are_linted(monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        Path(f"m{number}.py").write_text(TEXT)
    real = files.DiskLoader.read

    def read(self: files.DiskLoader, path: str) -> bytes:
        for number in (1, 2):
            Path(f"m{number}.py").unlink(missing_ok=True)
        return real(self, path)

    monkeypatch.setattr(files.DiskLoader, "read", read)
    assert main(["--isolated", "."]) == 1
    assert main(["--isolated", ".", "--fix"]) == 0
    assert Path("m0.py").read_text() == FIXED


def test_a_read_only_folder_or_file_is_trouble_and_the_rest_is_fixed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.py", "b.py"):
        Path(name).write_text(TEXT)
    os.chmod("a.py", 0o444)
    if os.geteuid() == 0:  # root may write anything: ask as somebody else would
        monkeypatch.setattr(os, "access", lambda path, mode: bool(os.stat(path).st_mode & stat.S_IWUSR))
    assert main(["--isolated", ".", "--fix"]) == 2
    assert "qatlint: a.py: cannot be written: the file is read-only" in capsys.readouterr().err
    assert (Path("a.py").read_text(), Path("b.py").read_text()) == (TEXT, FIXED)


# --- where it is printed ----------------------------------------------------------------------------


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize("args", [["a.py"], ["a.py", "--diff"], ["rules"], ["explain", "QAT101"]])
def test_a_full_disk_is_said(args: list[str]) -> None:
    Path("a.py").write_text(TEXT)
    with open("/dev/full", "wb") as full:
        done = qatlint(*args, stdout=full) if args[0] == "a.py" else _command(*args, stdout=full)
    assert (done.returncode, done.stderr) == (2, b"qatlint: cannot write: No space left on device\n")


def _command(*args: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "qatlint", *args],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
        **options,
    )


def test_a_reader_that_takes_one_line() -> None:
    for number in range(60):
        Path(f"m{number}.py").write_text("".join(MODEL.format(k) for k in range(30)))
    shell = f"{sys.executable} -m qatlint --isolated . | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", shell],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    first, code = done.stdout.splitlines()
    # Some systems have pipes that take it all, so that the run never learns.
    assert first.startswith(b"warning[QAT101]") and int(code) in (1, 128 + signal.SIGPIPE)
    assert done.stderr == b""


def test_no_standard_output_at_all() -> None:
    Path("a.py").write_text(TEXT)
    shell = f"{sys.executable} -m qatlint --isolated a.py >&-"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", shell], env=environment, capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, b"", b"")


# --- killed -----------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from qatlint import files

left = int(sys.argv[1])


def profile(frame, event, argument):
    global left
    if event.startswith("c_") and frame.f_code.co_filename == files.__file__:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


sys.setprofile(profile)
files.write_atomic("a.py", b"old" * 100_000, b"new" * 200_000)
"""


def test_killed_before_and_after_every_call_that_writes() -> None:
    """A run that is killed by chance seldom meets the moment of writing: here every moment is met."""
    old, new = b"old" * 100_000, b"new" * 200_000
    found: list[bytes] = []
    ended = -signal.SIGKILL
    while ended == -signal.SIGKILL:
        Path("a.py").write_bytes(old)
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, str(len(found) + 1)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
            timeout=60,
        ).returncode
        found.append(Path("a.py").read_bytes())
    assert ended == 0
    assert set(found) == {old, new}
    assert len(found) > 20 and found == sorted(found, reverse=True)  # old, and from one moment on new


def test_another_name_of_the_same_file_keeps_the_old_text() -> None:
    """A hard link: what is replaced in one step is a file of its own afterwards."""
    Path("a.py").write_text(TEXT)
    os.link("a.py", "b.txt")
    assert main(["--isolated", "a.py", "--fix"]) == 0
    assert (Path("a.py").read_text(), Path("b.txt").read_text()) == (FIXED, TEXT)


def test_whenever_it_is_killed_each_file_is_old_or_new() -> None:
    chance = random.Random(1)
    old = "".join(MODEL.format(k) for k in range(2))
    names = [f"m{number:02}.py" for number in range(12)]
    took = _timed(names, old)
    new = Path(names[0]).read_text()
    assert new != old and sorted(os.listdir()) == names  # nothing stays behind a run that ends by itself
    for _ in range(6):
        for name in names:
            Path(name).write_text(old)
        process = subprocess.Popen(
            [sys.executable, "-m", "qatlint", "--isolated", ".", "--fix"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Most of the time goes into finding the fixes: wait for the first file that changes, or a while.
        deadline = time.monotonic() + chance.uniform(0.2, 1.0) * took
        while Path(names[0]).read_text() == old and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.01))
        process.kill()
        process.wait(60)
        texts = {name: Path(name).read_text() for name in names}
        assert set(texts.values()) <= {old, new}
        for leftover in Path().glob(".qatlint-*"):
            leftover.unlink()


def _timed(names: list[str], text: str) -> float:
    for name in names:
        Path(name).write_text(text)
    began = time.monotonic()
    assert qatlint(".", "--fix").returncode == 0
    return time.monotonic() - began
