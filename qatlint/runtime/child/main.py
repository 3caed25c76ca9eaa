"""The child process: one job from a request file, one answer in a file.

The answer is written by this process only (a fork of it must not), and whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import warnings

# The user's code may change what modules hold: what is needed after it ran is taken before.
from json import dumps, loads
from pathlib import Path
from typing import Any

from qatlint.runtime.child.trouble import Trouble, describe, tell_users_by

OLDEST_TORCH = (2, 3)


def main(asked: str) -> None:
    """Do what the request file says. Never raises."""
    process = os.getpid()
    request: dict[str, Any] = loads(Path(asked).read_text(encoding="utf-8"))
    try:
        answer = _do(request)
    except BaseException as error:
        answer = {"error": _told(error)}
    if os.getpid() != process:
        os._exit(0)  # a fork that user code left running
    written = f"{request['answer']}.part"
    Path(written).write_text(dumps(answer), encoding="utf-8")
    os.replace(written, request["answer"])
    with contextlib.suppress(Exception):  # the user's code may have closed or replaced them
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)  # threads and exit handlers of the user's code are nobody's business any more


def _do(request: dict[str, Any]) -> dict[str, Any]:
    version = _torch()
    from qatlint.runtime.child import backend, jobs, places, served

    tell_users_by(places.is_users)

    # Only now: a file of the user's called `json.py` is not what we and torch import.
    sys.path[:0] = [request["folder"], *request.get("roots", [])]
    served.install(request["overlay"])
    answer = {"backend": backend.provide(), "torch": version}
    answer |= jobs.JOBS[request["job"]](request)
    served.check()
    return answer


def _told(error: BaseException) -> dict[str, Any]:
    try:
        return describe(error)
    except BaseException as fault:
        # The user's code may leave nothing as it was, and its errors may be anything.
        name, other = type(error).__name__, type(fault).__name__
        return {
            "message": f"the model's code raised a {name}; looking at that gave a {other}",
            "hint": "",
            "frames": [],
        }


def _torch() -> str:
    """The version of torch. Raises `Trouble` when it cannot be used."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it has to say about missing NumPy is not about the model
            import torch
    except Exception as error:
        raise Trouble(
            f"torch cannot be imported by {sys.executable}: {error}",
            "install qatlint in the environment of the model, or `qatlint[verify]` for one with torch",
        ) from None
    version = str(torch.__version__)
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST_TORCH:
        raise Trouble(f"torch {version} is too old: models are run with 2.3 or newer")
    return version
