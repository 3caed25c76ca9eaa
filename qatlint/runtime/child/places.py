"""Where the user's code stands: the innermost frame that is neither torch's, Python's nor ours."""

from __future__ import annotations

import contextlib
import inspect
import linecache
import os
import sys
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType

import torch
import torch.utils.checkpoint

from qatlint.runtime.child.qualnames import qualified_name
from qatlint.runtime.project import is_standard
from qatlint.runtime.recording import Place

_OWN = str(Path(__file__).resolve().parents[2])
_TORCH = str(Path(torch.__file__).resolve().parent)
_CHECKPOINTING = inspect.getsourcefile(torch.utils.checkpoint)


class Places:
    """Finds places, and remembers what it found: a loop asks for the same ones again and again."""

    def __init__(self) -> None:
        self._users: dict[CodeType, bool] = {}
        self._found: dict[tuple[CodeType, int], Place] = {}
        self._routes: dict[tuple[tuple[CodeType, int], ...], int] = {}

    def innermost(self) -> Place | None:
        """The user's call that led here; None when no frame is the user's."""
        frame = self._innermost()
        return None if frame is None else self._at(frame)

    def routed(self, until: CodeType) -> tuple[Place | None, int]:
        """The same, and a number for the row of calls that led there since the nearest frame of `until`."""
        frame = innermost = self._innermost()
        route: list[tuple[CodeType, int]] = []
        while frame is not None and frame.f_code is not until:
            route.append((frame.f_code, frame.f_lasti))
            frame = frame.f_back
        number = self._routes.setdefault(tuple(route), len(self._routes))
        return (None if innermost is None else self._at(innermost)), number

    def _innermost(self) -> FrameType | None:
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            code = frame.f_code
            mine = self._users.get(code)
            if mine is None:
                mine = self._users[code] = is_users(code.co_filename)
            if mine:
                break
            frame = frame.f_back
        return frame

    def _at(self, frame: FrameType) -> Place:
        key = (frame.f_code, frame.f_lasti)
        place = self._found.get(key)
        if place is None:
            place = self._found[key] = _place(*key, frame.f_lineno)
        return place


def is_bookkeeping(frame: FrameType) -> bool:
    """Whether this is code of `torch.utils.checkpoint`, which some versions let make tensors of their own
    (seen in 2.3)."""
    return frame.f_code.co_filename == _CHECKPOINTING


def is_users(filename: str) -> bool:
    """Whether a code object of this file was written by the user, or in a library of models."""
    if filename.startswith("<"):
        return False
    path = os.path.realpath(filename)
    if _under(path, _OWN) or _under(path, _TORCH):
        return False
    return not is_standard(path) and not _is_plugin(path)


def _under(path: str, folder: str) -> bool:
    return path.startswith(folder + os.sep)


def _is_plugin(path: str) -> bool:
    return "horizon_plugin_pytorch" in Path(path).parts


def _place(code: CodeType, lasti: int, line: int | None) -> Place:
    path = os.path.abspath(code.co_filename)
    start, end, column, end_column = line or 0, line or 0, 0, 0
    positions = getattr(code, "co_positions", None)
    if positions is not None:
        with contextlib.suppress(StopIteration):
            first, last, left, right = next(islice(positions(), lasti // 2, None))
            if None not in (first, last, left, right):
                start, end = first, last
                column = _characters(code.co_filename, first, left)
                end_column = _characters(code.co_filename, last, right)
    return Place(path, start, column, end, end_column, qualified_name(code), lasti)


def _characters(filename: str, line: int, utf8_column: int) -> int:
    """The 1-based column in characters of a 0-based one in UTF-8 bytes."""
    text = linecache.getline(filename, line).encode("utf-8", "surrogatepass")
    if not text:
        return utf8_column + 1
    return len(text[:utf8_column].decode("utf-8", "replace")) + 1
