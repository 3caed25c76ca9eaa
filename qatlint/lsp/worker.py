"""The thread that examines files, one at a time, while the editor goes on typing.

What comes first: another setup, questions, texts that nobody has touched for a moment, and then the next
file that waits. A text that is changed again before its turn is never examined.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple, TypeVar

from qatlint.finding import Finding
from qatlint.lsp.project import Project, Setup
from qatlint.lsp.texts import Texts

T = TypeVar("T")


_GROWTH = 1.25


class Shown(NamedTuple):
    """What is to be shown of a file: findings in the text of this version (None: of the disk)."""

    path: str
    version: int | None
    findings: list[Finding]


class _Edit(NamedTuple):
    text: str | None
    version: int | None
    due: float


class Worker:
    """Give it what happens in the editor; it calls `show` and `complain` from its own thread."""

    def __init__(
        self,
        texts: Texts,
        show: Callable[[list[Shown]], None],
        complain: Callable[[str], None],
        rest: Callable[[], None],
    ) -> None:
        """`rest` is called when something was shown, and nothing waits any more."""
        self.texts = texts
        """As they are examined: for this thread only."""
        self._show = show
        self._complain = complain
        self._rest = rest
        self._has_news = False
        """Whether something was shown since the last rest."""
        self._changed = threading.Condition()
        self._setup: Setup | None = None
        self._again = False
        """Whether the files must be looked for again."""
        self._edits: dict[str, _Edit] = {}
        self._on_disk: set[str] = set()
        self._questions: list[Callable[[Project | None], None]] = []
        self._until_rest: list[Future[None]] = []
        self._ended = False
        self._project: Project | None = None
        self._versions: dict[str, int | None] = {}
        """Of the open files, as their texts were taken over."""
        self._last: dict[str, Shown] = {}
        self._blocks = 0
        """Of memory, when the garbage was collected last."""
        self._thread = threading.Thread(target=self._run, name="qatlint", daemon=True)

    def start(self, setup: Setup) -> None:
        """Begin with these folders and settings."""
        self._setup = setup
        self._again = True
        self._thread.start()

    def end(self) -> None:
        """Stop after what is being done now."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def set_up(self, setup: Setup | None = None) -> None:
        """Other folders, other settings, or (None) other files."""
        with self._changed:
            self._setup = setup or self._setup
            self._again = True
            self._changed.notify()

    def edit(self, path: str, text: str | None, version: int | None, *, wait: float = 0.0) -> None:
        """An open file has this text now (None: it is closed), to be examined when no other came in `wait`
        seconds."""
        with self._changed:
            self._edits[path] = _Edit(text, version, time.monotonic() + wait)
            self._changed.notify()

    def hurry(self, path: str) -> None:
        """Examine the last text of a file at once."""
        with self._changed:
            if path in self._edits:
                self._edits[path] = self._edits[path]._replace(due=time.monotonic())
                self._changed.notify()

    def touch(self, path: str) -> None:
        """The file has another text on the disk."""
        with self._changed:
            self._on_disk.add(path)
            self._changed.notify()

    def ask(self, question: Callable[[Project], T]) -> Future[T]:
        """The answer of the thread, which knows all texts by then. Cancel it when nobody waits any more."""
        future: Future[T] = Future()

        def answer(project: Project | None) -> None:
            if future.set_running_or_notify_cancel():
                try:
                    if project is None:
                        raise RuntimeError("the files of the project could not be examined")
                    future.set_result(question(project))
                except Exception as error:
                    future.set_exception(error)

        with self._changed:
            self._questions.append(answer)
            self._changed.notify()
        return future

    def examined(self, path: str) -> Future[int | None]:
        """The version of a file whose last text is examined and shown, before all others."""

        def question(project: Project) -> int | None:
            if path in project.live:
                self._present(project.live.examine(path))
            return self._versions.get(path)

        return self.ask(question)

    def at_rest(self) -> Future[None]:
        """Done when no file waits to be examined."""
        future: Future[None] = Future()
        with self._changed:
            self._until_rest.append(future)
            self._changed.notify()
        return future

    # --- the thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._ended and not self._has_work():
                    self._changed.wait(self._time_to_next())
                if self._ended:
                    return
                again, self._again = self._again, False
                questions, self._questions = self._questions, []
                edits = self._due_edits(everything=bool(questions) or again)
                on_disk, self._on_disk = self._on_disk, set()
            try:
                self._work(again, edits, on_disk, questions)
            except Exception:
                # One file that we fail on must not end the service for all others.
                self._complain(f"internal error: {traceback.format_exc()}")
                for question in questions:  # nobody should wait for ever
                    question(None)
                self._come_to_rest()

    def _has_work(self) -> bool:
        waiting = self._project is not None and self._project.live.waiting() > 0
        asked = self._questions or self._until_rest
        return bool(self._again or asked or self._on_disk or waiting) or self._time_to_next() == 0.0

    def _time_to_next(self) -> float | None:
        """Seconds until the next edit is due; None when there is none."""
        if not self._edits:
            return None
        return max(min(edit.due for edit in self._edits.values()) - time.monotonic(), 0.0)

    def _due_edits(self, *, everything: bool) -> dict[str, _Edit]:
        now = time.monotonic()
        due = {path: edit for path, edit in self._edits.items() if everything or edit.due <= now}
        for path in due:
            del self._edits[path]
        return due

    def _work(
        self,
        again: bool,
        edits: dict[str, _Edit],
        on_disk: set[str],
        questions: list[Callable[[Project | None], None]],
    ) -> None:
        for path, edit in edits.items():
            self.texts.put(path, edit.text)
            if edit.text is None:
                self._versions.pop(path, None)
            else:
                self._versions[path] = edit.version
        again = again or self._project is None or any(self._comes_or_goes(path) for path in edits)
        if again:
            self._begin()
        elif edits or on_disk:
            self._project.live.change({*edits, *on_disk})  # type: ignore[union-attr]
            self._project.live.first(edits)  # type: ignore[union-attr]
        project = self._project
        assert project is not None
        is_asked = bool(questions)
        while questions:
            questions.pop(0)(project)
        if not is_asked and project.live.waiting():
            self._present(project.live.step())
        if not project.live.waiting():
            self._come_to_rest()

    def _collect(self) -> None:
        """Let go of garbage once there is some. Python would not: whenever a file is examined, all objects
        count as old (`engine.collected_by_hand`)."""
        if sys.getallocatedblocks() > _GROWTH * self._blocks:
            gc.collect()
            self._blocks = sys.getallocatedblocks()

    def _come_to_rest(self) -> None:
        if self._has_news:
            self._has_news = False
            self._rest()
        with self._changed:
            asked, self._until_rest = self._until_rest, []
        for future in asked:
            if future.set_running_or_notify_cancel():
                future.set_result(None)
        self._collect()

    def _comes_or_goes(self, path: str) -> bool:
        """Whether the project has other files now that a file was opened, edited or closed."""
        project = self._project
        if project is None or path in project.refused:
            return False
        return path not in project.live or not self.texts.exists(path)

    def _begin(self) -> None:
        assert self._setup is not None
        project = Project(self._setup, self._versions, self.texts)
        project.live.first(self._versions)
        self._project = project
        for problem in project.problems:
            self._complain(problem)
        self._present(set(self._last) - set(project.paths))

    def _present(self, paths: set[str]) -> None:
        """Show what has changed of these files; nothing of those that are not linted any more."""
        project = self._project
        assert project is not None
        fresh = []
        for path in sorted(paths):
            if path in project.live:
                shown = Shown(path, self._versions.get(path), project.findings(path))
            else:
                shown = Shown(path, None, [])
            known = self._last.get(path)
            if known is None and not shown.findings:
                self._last[path] = shown
            elif known != shown:
                self._last[path] = shown
                fresh.append(shown)
        if fresh:
            self._has_news = True
            self._show(fresh)
