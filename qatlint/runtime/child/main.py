"""The child process: one job from a request file, one answer in a file.

The answer is written by this process only (a fork of it must not), and whole or not at all.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from pathlib import Path
from types import TracebackType
from typing import Any

_HINTS = {
    "CUDA": "the model runs on the CPU here: load with map_location='cpu', make tensors where the inputs are",
    "No module named": "run qatlint in the environment and the folder in which the model can be imported",
    "missing 1 required positional argument": "a class must need no arguments; else name a function",
    "meta tensor": "the model must be built with real weights",
}


def main(asked: str) -> None:
    """Do what the request file says. Never raises."""
    process = os.getpid()
    request: dict[str, Any] = json.loads(Path(asked).read_text(encoding="utf-8"))
    try:
        answer = _do(request)
    except BaseException as error:
        answer = {"error": describe(error)}
    if os.getpid() != process:
        os._exit(0)  # a fork that user code left running
    written = f"{request['answer']}.part"
    Path(written).write_text(json.dumps(answer), encoding="utf-8")
    os.replace(written, request["answer"])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)  # threads and exit handlers of the user's code are nobody's business any more


def _do(request: dict[str, Any]) -> dict[str, Any]:
    # `python -c` put the current folder there as "", which would move with the user's os.chdir.
    sys.path[:1] = [request["folder"], *request.get("roots", [])]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what torch has to say about missing NumPy is not about the model
        import torch

    from qatlint.runtime.child import backend, jobs, served

    served.install(request["overlay"])
    answer = {"backend": backend.provide(), "torch": torch.__version__}
    return {**answer, **jobs.JOBS[request["job"]](request)}


def describe(error: BaseException) -> dict[str, Any]:
    """An error for a person: what happened, at which lines of their code, what may help."""
    from qatlint.runtime.child.load import Stage, Trouble

    if isinstance(error, Trouble):
        return {"message": str(error), "hint": error.hint, "frames": []}
    doing, hint = "", ""
    if isinstance(error, Stage) and error.__cause__ is not None:
        doing, hint, error = error.doing, error.hint, error.__cause__
    frames = _frames(error.__traceback__)
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        frames.append((error.filename, error.lineno, "", (error.text or "").strip()))
    if isinstance(error, SystemExit):
        what = f"the code called sys.exit({error.code!r})"
    else:
        text = str(error).strip()
        what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    hint = hint or next((h for key, h in _HINTS.items() if key in what), "")
    return {"message": f"{doing}: {what}" if doing else what, "hint": hint, "frames": frames}


def _frames(trace: TracebackType | None) -> list[tuple[str, int, str, str]]:
    """The user's own frames, outermost first; all of them when there is none of theirs."""
    from qatlint.runtime.child.places import is_users

    found = [(f.filename, f.lineno or 0, f.name, f.line or "") for f in traceback.extract_tb(trace)]
    own = [frame for frame in found if is_users(frame[0])]
    return own or found
