"""What can go wrong with the user's code, and how it is told. Needs no torch: that may be what is missing."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

_LONGEST = 20_000
"""Characters of an error that are kept."""
_HINTS = {
    "CUDA": "the model runs on the CPU here: load with map_location='cpu', make tensors where the inputs are",
    "No module named": "run qatlint in the environment and the folder in which the model can be imported",
    "missing 1 required positional argument": "a class must need no arguments; else name a function",
    "meta tensor": "the model must be built with real weights",
    "EOF when reading a line": "nobody is there to answer: the model's code has no standard input",
}


class Trouble(Exception):
    """What the user named is not what it must be; the text says so, `hint` what to do, `kind` programs."""

    def __init__(self, message: str, hint: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.kind = kind


class Stage(Exception):
    """An error of the user's code (the cause), and what was going on."""

    def __init__(self, doing: str, hint: str = "") -> None:
        super().__init__(doing)
        self.doing = doing
        self.hint = hint


@contextmanager
def stage(doing: str, hint: str = "") -> Iterator[None]:
    """Say of an error of the user's code what was going on. Leaving counts as an error here.

    A fork that the code made and that comes out of it ends: it would do our work, and write our files, again.
    """
    process = os.getpid()
    try:
        yield
    except (Trouble, Stage):
        raise
    except BaseException as error:
        raise Stage(doing, hint) from error
    finally:
        if os.getpid() != process:
            os._exit(0)


def describe(error: BaseException) -> dict[str, Any]:
    """An error for a person: what happened, at which lines of their code, what may help."""
    if isinstance(error, Trouble):
        return {"message": str(error), "hint": error.hint, "frames": [], "kind": error.kind}
    doing, hint = "qatlint itself failed", "this is a fault of qatlint: please report it with these lines"
    users = isinstance(error, Stage) and error.__cause__ is not None
    if isinstance(error, Stage) and error.__cause__ is not None:
        doing, hint, error = error.doing, error.hint, error.__cause__
    frames = _frames(error.__traceback__, users)
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        frames.append((error.filename, error.lineno, "", (error.text or "").strip()))
    if isinstance(error, SystemExit):
        what = f"the code called sys.exit({error.code!r})"
    else:
        text = _words(error)
        what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    hint = hint or next((h for key, h in _HINTS.items() if key in what), "")
    return {"message": f"{doing}: {what}", "hint": hint, "frames": frames}


def _frames(trace: TracebackType | None, users: bool) -> list[tuple[str, int, str, str]]:
    """The lines that led to an error, outermost first: the user's own, of an error in the user's code."""
    found = [(f.filename, f.lineno or 0, f.name, f.line or "") for f in traceback.extract_tb(trace)]
    return [frame for frame in found if _is_users[0](frame[0])] if users else found


def _words(error: BaseException) -> str:
    try:
        return str(error).strip()[:_LONGEST]
    except Exception as fault:
        return f"(its text cannot be had: {type(fault).__name__})"


_is_users: list[Callable[[str], bool]] = [lambda path: True]


def tell_users_by(is_users: Callable[[str], bool]) -> None:
    """How files of the user's code are known. Said once torch is there and before the user's code runs, which
    may leave nothing to import."""
    _is_users[0] = is_users
