"""Children for `qatlint.runtime.launch` that are forked from a process which has imported torch.

That import is nearly all of what a small proof costs. What such a child lacks is a start of its own, so some
tests have the mark `own_child`: of what it imports, of memory, and of processes that are known by the
environment they started with.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Forked:
    """A child, with what `launch` asks of a `subprocess.Popen`."""

    def __init__(self, told: int) -> None:
        self._told = told
        self.pid = int(self._line())
        self._ended: int | None = None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. Raises `subprocess.TimeoutExpired`."""
        if self._ended is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("child", timeout or 0)
            self._ended = int(self._line())
            os.close(self._told)
        return self._ended

    def kill(self) -> None:
        """End it, if it runs."""
        if self._ended is None:
            os.kill(self.pid, signal.SIGKILL)

    def _line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            one = os.read(self._told, 1)
            if not one:
                raise RuntimeError("the fork server is gone")
            line += one
        return line


class ForkServer:
    """The process that they are forked from."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                ROOT.joinpath("tests", "fork_server.py").read_text(encoding="utf-8"),
                str(ROOT),
                str(theirs.fileno()),
            ],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**environment, "PYTHONUNBUFFERED": "1"},
        )
        theirs.close()

    def start(self, asked: str, output: int, folder: str, environment: Mapping[str, str]) -> Forked:
        """Instead of `launch.start`."""
        message = json.dumps({"asked": asked, "folder": folder, "environment": dict(environment)}).encode()
        told, theirs = os.pipe()
        socket.send_fds(self._requests, [message], [output, theirs])
        os.close(theirs)
        return Forked(told)

    def close(self) -> None:
        """End it; what it forked has ended."""
        self._requests.close()
        self._process.wait()
