"""The thread that examines files, without an editor."""

from __future__ import annotations

import gc
import sys
from itertools import count
from pathlib import Path
from typing import Any
from weakref import ref

import pytest

from qatlint.files import DiskLoader
from qatlint.lsp import options
from qatlint.lsp.project import Project, Setup
from qatlint.lsp.texts import Texts
from qatlint.lsp.worker import Worker


@pytest.fixture
def made(tmp_path: Path) -> Any:
    complaints: list[str] = []
    made = Worker(Texts(DiskLoader()), lambda shown: None, complaints.append, lambda: None)
    yield made, Setup((str(tmp_path),), options.read({})[0]), complaints
    made.end()
    if made._thread.is_alive():
        made._thread.join(20)  # two of them would collect garbage side by side


def test_who_asks_is_answered_also_after_an_error_of_ours(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What asked when it happened is told so, and what is asked later is answered."""
    thread, setup, complaints = made
    fails = [True]

    def project(*args: Any) -> Any:
        if fails.pop():
            raise LookupError("boom")
        return Project(*args)

    monkeypatch.setattr("qatlint.lsp.worker.Project", project)
    fails.insert(0, False)
    asked = thread.ask(lambda project: project.paths)
    thread.start(setup)
    with pytest.raises(RuntimeError, match="could not be examined"):
        asked.result(20)
    assert "boom" in complaints[0]
    assert thread.ask(lambda project: project.paths).result(20) == ()


def test_a_question_that_fails_fails_alone(made: Any) -> None:
    thread, setup, complaints = made
    thread.start(setup)
    with pytest.raises(ZeroDivisionError):
        thread.ask(lambda project: 1 / 0).result(20)
    assert thread.ask(lambda project: len(project.paths)).result(20) == 0
    assert complaints == []


def test_a_question_that_nobody_waits_for_is_never_put(made: Any) -> None:
    thread, setup, _ = made
    put: list[int] = []
    futures = [thread.ask(lambda project, n=n: put.append(n)) for n in range(20)]
    for future in futures[::2]:
        assert future.cancel()
    thread.start(setup)
    futures[-1].result(20)
    assert put == list(range(1, 20, 2))


class Cycle:
    def __init__(self) -> None:
        self.me = self


@pytest.mark.parametrize("grows", [True, False])
def test_garbage_is_let_go_of_once_there_is_some(
    grows: bool, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python itself never looks for it here: each file that is examined makes all objects old."""
    thread, setup, complaints = made
    path = tmp_path / "a.py"
    path.write_text("")
    thread.start(setup)
    thread.at_rest().result(20)
    thread.ask(lambda project: None).result(20)
    gc.disable()
    try:
        garbage = ref(Cycle())
        sizes = count(sys.getallocatedblocks(), 1_000_000 if grows else 0)
        monkeypatch.setattr(sys, "getallocatedblocks", lambda: next(sizes))
        for number in range(3):
            thread.edit(str(path), f"x = {number}\n", number)
            thread.at_rest().result(20)
        thread.ask(lambda project: None).result(20)
        assert (garbage() is None) is grows
    finally:
        gc.enable()
    assert complaints == []
