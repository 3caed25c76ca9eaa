"""Forks children that have torch already: see `tests.forking`, which runs this text with `python -c`.

Arguments: the root of the checkout, the number of a socket. A request is one message: `asked`, `folder` and
`environment` as JSON, and two descriptors: of what the child prints, and of a pipe that is told the number of
the child and then how it ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys

sys.path[:] = [sys.argv[1], *filter(None, sys.path)]
# All that a child imports before it looks at the user's files, in the order in which it does.
import torch  # noqa: E402, F401

from qatlint.runtime.child import backend, jobs, places, served  # noqa: E402, F401
from qatlint.runtime.child.main import main  # noqa: E402

del sys.path[0]


def serve(requests: socket.socket) -> None:
    """Until the other side closes."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(requests, 1 << 20, 2)
        if not message:
            os._exit(0)
        if os.fork() == 0:
            requests.close()
            watch(json.loads(message), *descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        with contextlib.suppress(ChildProcessError):  # none is left
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def watch(request: dict[str, object], output: int, told: int) -> None:
    """Start the child and tell how it ends. Does not come back."""
    child = os.fork()
    if child == 0:
        become(request, output, told)
    os.close(output)
    _, status = os.waitpid(child, 0)
    os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def become(request: dict[str, object], output: int, told: int) -> None:
    """The process that `launch` would have started. Does not come back."""
    os.setsid()
    os.write(told, f"{os.getpid()}\n".encode())
    os.close(told)
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    os.chdir(str(request["folder"]))
    environment = request["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [entry for entry in environment.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.argv[:] = ["-c", str(request["asked"])]
    try:
        main(str(request["asked"]))
    finally:
        os._exit(1)


serve(socket.socket(fileno=int(sys.argv[2])))
