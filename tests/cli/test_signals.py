"""Real runs that are told to stop: silent, with the code that shells expect, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qatlint.workers import processors

ROOT = Path(__file__).resolve().parents[2]
MODEL = """
class Model{0}(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        for i in range(20):
            x = self.act(x) if i % {1} else self.act(x + i)
        return x
"""

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks at processes in /proc")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    text = "from torch import nn\n" + "".join(MODEL.format(k, k + 2) for k in range(60))
    for number in range(80):
        (folder / f"m{number}.py").write_text(text)
    return folder


def start(project: Path, *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "qatlint", "--isolated", *args],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=listen,
    )


def listen() -> None:
    """What runs in the background ignores Ctrl-C, and so would its children: these tests may be run there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def session(leader: int) -> list[int]:
    """Processes of the session that the process leads, those that have ended left out."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            state, _, _, number = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if entry.name.isdecimal() and int(number) == leader and state != "Z":
            found.append(int(entry.name))
    return found


def wait_for_workers(process: subprocess.Popen[bytes]) -> None:
    few = 3 if processors() > 1 else 1
    deadline = time.monotonic() + 30
    while len(session(process.pid)) < few and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.mark.parametrize("to_all", [True, False], ids=["terminal", "kill"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_a_run_that_is_stopped(project: Path, number: int, code: int, to_all: bool, delay: float) -> None:
    process = start(project)
    wait_for_workers(process)
    time.sleep(delay)
    (os.killpg if to_all else os.kill)(process.pid, number)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (code, b"", b"")
    assert session(process.pid) == []


def test_workers_do_not_outlive_a_run_that_is_killed(project: Path) -> None:
    process = start(project)
    wait_for_workers(process)
    time.sleep(0.1)
    process.kill()
    _, err = process.communicate(timeout=30)
    deadline = time.monotonic() + 10
    while session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert session(process.pid) == []
    assert err == b""
