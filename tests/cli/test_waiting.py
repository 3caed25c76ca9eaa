"""The progress bar: on a terminal, when it takes long, and nowhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from qatlint import progress
from qatlint.cli import waiting

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys
from qatlint import progress
from qatlint.cli import waiting
waiting.PATIENCE = {patience}
with waiting.bar("linting"):
    for done in range(1, 6):
        progress.tell(done, 5)
print("done")
"""


def on_terminal(patience: float) -> str:
    """What a terminal gets on standard error."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-c", CODE.format(patience=patience)],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=environment,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            data = os.read(ours, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not data:
            break
        shown += data
    os.close(ours)
    assert process.wait(30) == 0
    return shown.decode()


def test_a_bar_that_is_gone_in_the_end() -> None:
    shown = on_terminal(0)
    assert "linting" in shown
    assert "/5" in shown
    assert shown.endswith("\x1b[2K") or shown.rstrip().endswith("\x1b[2K") or "\x1b[2K" in shown[-20:]


def test_nothing_for_what_is_quick() -> None:
    assert on_terminal(60) == ""


def test_nothing_in_a_pipe(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "PATIENCE", 0)
    with waiting.bar("linting"):
        progress.tell(1, 2)
    assert capfd.readouterr() == ("", "")


def test_who_has_listened_hears_no_more() -> None:
    heard: list[tuple[int, int]] = []
    with progress.told(lambda done, total: heard.append((done, total))):
        progress.tell(1, 2)
    progress.tell(2, 2)
    assert heard == [(1, 2)]
