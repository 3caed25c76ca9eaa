"""A progress bar for work that takes long, on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qatlint import progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 1.0
"""Seconds that nobody minds to wait: before them there is no bar, and nothing is imported for one."""


@contextmanager
def bar(what: str) -> Iterator[None]:
    """Show on standard error how far the work in the block is; nothing where that is no terminal.

    The bar is gone when the block ends, however it ends.
    """
    if not sys.stderr.isatty():
        yield
        return
    shown = _Bar(what)
    try:
        with progress.told(shown.update):
            yield
    finally:
        shown.end()


class _Bar:
    def __init__(self, what: str) -> None:
        self._what = what
        self._begin = time.monotonic()
        self._progress: Progress | None = None
        self._task: TaskID | None = None

    def update(self, done: int, total: int) -> None:
        if self._progress is None:
            if time.monotonic() - self._begin < PATIENCE or done >= total:
                return
            self._progress = self._started()
        if self._task is None:
            self._task = self._progress.add_task(self._what, total=total)
        self._progress.update(self._task, completed=done, total=total)

    def end(self) -> None:
        if self._progress is not None:
            self._progress.stop()

    def _started(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        shown = Progress(*columns, console=Console(stderr=True), transient=True)
        shown.start()
        return shown
