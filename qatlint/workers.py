"""Numbered tasks on several processes, which are gone when the last answer is there, whatever happens.

The pool of the standard library waits for ever when a worker is killed, prints what an interrupt does to
its workers, and can hang when it is taken down at the wrong moment.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

_LOST = "a worker process ended in the middle of its work"
AHEAD = 2
"""Tasks a worker has at hand, so that it need not wait for the next."""
_FEW_LEFT = 4
"""When so many tasks per worker are left, each gets one at a time: one that waits behind a long one would be
waited for in the end."""


class WorkerLost(Exception):
    """A worker ended in the middle of its work, perhaps because memory ran out."""


class Prepared(Generic[T]):
    """`function(*arguments)` runs once in each worker and gives what does a task there.

    No named tuple: before Python 3.11 these cannot be generic.
    """

    def __init__(self, function: Callable[..., Callable[[int], T]], arguments: tuple[Any, ...]) -> None:
        self.function = function
        self.arguments = arguments


def processors() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def answers(workers: int, tasks: int, prepared: Prepared[T]) -> Generator[T, None, None]:
    """The answers to the tasks 0 to `tasks` - 1, in the order in which they come.

    Raises what a task raises, and `WorkerLost`. Close it when not all answers are taken.
    """
    # A forked worker starts at once; where that is not to be had, a spawned one imports us anew.
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    processes = []
    open_tasks: dict[Any, int] = {}
    # Each worker goes through a stretch of its own, since neighbours need the same things.
    stretches = [deque(range(tasks * i // workers, tasks * (i + 1) // workers)) for i in range(workers)]
    waiting: dict[Any, deque[int]] = {}
    with _uninterrupted() as let_signals_in:
        try:
            for _ in range(workers):
                ours, theirs = context.Pipe()
                process = context.Process(target=_serve, args=(ours, theirs, prepared), daemon=True)
                process.start()
                processes.append(process)
                theirs.close()
                open_tasks[ours] = 0
                waiting[ours] = stretches[len(waiting)]
            let_signals_in()
            for connection in [*open_tasks] * AHEAD:
                _next(connection, waiting, open_tasks)
            while any(open_tasks.values()):
                ready = wait([c for c, number in open_tasks.items() if number])
                for connection in cast("list[Connection]", ready):
                    answer = _receive(connection)
                    open_tasks[connection] -= 1
                    _next(connection, waiting, open_tasks)
                    yield answer
        finally:
            for process in processes:
                process.kill()
                process.join()
            for connection in open_tasks:
                connection.close()


def _next(
    connection: Connection, waiting: dict[Connection, deque[int]], open_tasks: dict[Connection, int]
) -> None:
    """Send a worker the next task of its stretch, or help the one that has most left, from the end."""
    own, longest = waiting[connection], max(waiting.values(), key=len)
    left = sum(map(len, waiting.values()))
    if left and (left > _FEW_LEFT * len(waiting) or not open_tasks[connection]):
        task = own.popleft() if own else longest.pop()
        try:
            connection.send(task)
        except OSError:
            raise WorkerLost(_LOST) from None
        open_tasks[connection] += 1


def _receive(connection: Connection) -> Any:
    try:
        answer, error, text = connection.recv()
    except (EOFError, OSError):
        raise WorkerLost(_LOST) from None
    if error is None:
        return answer
    raise error from _InWorker(text)


class _InWorker(Exception):
    """Where in the worker it was raised, for a traceback."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


def _serve(parents: Connection, connection: Connection, prepared: Prepared[Any]) -> None:
    """The whole life of a worker."""
    # Ctrl-C reaches all processes of a terminal, and is for the first one to deal with.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    # While this copy is open, nobody would notice that the first process has gone.
    parents.close()
    try:
        do: Callable[[int], Any] | None = None
        while True:
            task = connection.recv()
            answer: tuple[Any, Exception | None, str]
            try:
                do = do or prepared.function(*prepared.arguments)
                answer = (do(task), None, "")
            except Exception as error:
                answer = (None, error, traceback.format_exc())
            connection.send(answer)
    except (EOFError, OSError):
        return  # nobody wants an answer any more


@contextmanager
def _uninterrupted() -> Iterator[Callable[[], object]]:
    """Put off signals until the function that it gives is called, or until the end.

    An exception while workers are being started would leave some behind.
    """
    if sys.platform == "win32":
        yield lambda: None
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))

    def restore() -> object:
        return signal.pthread_sigmask(signal.SIG_SETMASK, before)

    try:
        yield restore
    finally:
        restore()
