"""Tasks on several processes: every answer comes, and no process stays, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from qatlint import workers
from qatlint.workers import Prepared, WorkerLost, answers


@pytest.fixture(autouse=True)
def nobody_stays() -> Iterator[None]:
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    assert multiprocessing.active_children() == []
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == mask


def _squares(offset: int) -> Callable[[int], int]:
    return lambda task: task * task + offset


def _who(delay: float) -> Callable[[int], int]:
    def do(task: int) -> int:
        time.sleep(delay)
        return os.getpid()

    return do


def _fail_at(bad: int) -> Callable[[int], int]:
    def do(task: int) -> int:
        if task == bad:
            raise KeyError("boom")
        return task

    return do


def _die_at(bad: int) -> Callable[[int], int]:
    def do(task: int) -> int:
        if task == bad:
            os.kill(os.getpid(), signal.SIGKILL)
        return task

    return do


def _how(_: int) -> Callable[[int], str]:
    return lambda task: type(multiprocessing.current_process()).__name__


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_are_forked_or_spawned(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not to be had here")
    monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: [method])
    assert set(answers(2, 3, Prepared(_how, (0,)))) == {f"{method.capitalize()}Process"}


@pytest.mark.parametrize("tasks", [0, 1, 2, 3, 50])
def test_every_task_is_answered(tasks: int) -> None:
    assert sorted(answers(3, tasks, Prepared(_squares, (1,)))) == [k * k + 1 for k in range(tasks)]


def test_all_workers_work() -> None:
    assert len(set(answers(2, 20, Prepared(_who, (0.01,))))) == 2


def test_what_a_task_raises_is_raised_with_its_place() -> None:
    with pytest.raises(KeyError, match="boom") as caught:
        list(answers(2, 20, Prepared(_fail_at, (7,))))
    assert "in do" in str(caught.value.__cause__)


def test_what_the_preparation_raises_is_raised() -> None:
    with pytest.raises(TypeError):
        list(answers(2, 4, Prepared(_squares, ())))


@pytest.mark.parametrize("bad", [0, 5, 19])
def test_a_worker_that_is_killed_is_noticed(bad: int) -> None:
    with pytest.raises(WorkerLost):
        list(answers(2, 20, Prepared(_die_at, (bad,))))


def test_whoever_has_enough_stops() -> None:
    with closing(answers(2, 1000, Prepared(_who, (0.01,)))) as some:
        next(some)


def test_a_signal_while_workers_start_comes_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    real = multiprocessing.process.BaseProcess.start

    def start(process: multiprocessing.process.BaseProcess) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        real(process)

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "start", start)
    # Where tests run in the background, Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(answers(2, 1000, Prepared(_who, (0.01,))))
    finally:
        signal.signal(signal.SIGINT, before)


def test_processors_are_those_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers.processors() >= 1
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert workers.processors() == (os.cpu_count() or 1)
