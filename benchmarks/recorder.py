"""Watch a live torch model and count which child modules each module runs. Needs torch."""

from __future__ import annotations

import contextlib
import re
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

torch: Any = import_module("torch")

OUTSIDE = "^outside"
"""Path of a module that is run by an owner which does not hold it."""

_POSITION = re.compile(r"(?<=\.)\d+(?![^.])")


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """One owner class and one child that it runs itself."""

    owner: str
    child: str
    child_class: str


def dotted(cls: type) -> str:
    """`package.module:Class` of a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


def project_bases(cls: type) -> list[str]:
    """Bases of a class, nearest first, without those of torch.nn and of Python itself."""
    bases = cls.__mro__[1:]
    return [dotted(b) for b in bases if not b.__module__.startswith(("torch.nn", "builtins"))]


class Recorder:
    """Counts calls while it is attached; `calls` holds the most calls seen in one forward of an owner.

    Hooks sit on every module of the model (hooks on all of torch at once would leave PyTorch's
    fused transformer path switched on, which runs no children).
    """

    def __init__(self) -> None:
        self.calls: Counter[Edge] = Counter()
        self.bases: dict[str, list[str]] = {}
        self._running: list[tuple[Any, list[Any]]] = []
        self._names: dict[int, dict[int, str]] = {}

    @contextlib.contextmanager
    def attached(self, model: Any) -> Iterator[None]:
        """Record while the block runs. The hooks are removed again, whatever happens in it."""
        handles: list[Any] = []
        try:
            for module in model.modules():
                handles.append(module.register_forward_pre_hook(self._enter))
                handles.append(module.register_forward_hook(self._leave, always_call=True))
            yield
        finally:
            for handle in handles:
                handle.remove()

    def shared(self) -> dict[Edge, int]:
        """The edges whose child ran more than once in one forward of the owner."""
        return {edge: n for edge, n in self.calls.items() if n > 1}

    def _enter(self, module: Any, _args: Any) -> None:
        if self._running:
            self._running[-1][1].append(module)
        self._running.append((module, []))

    def _leave(self, module: Any, _args: Any, _result: Any) -> None:
        owner, children = self._running.pop()
        assert owner is module, "a forward ended that was not the innermost one"
        name = dotted(type(owner))
        self.bases.setdefault(name, project_bases(type(owner)))
        runs = Counter(id(child) for child in children)
        for child in {id(c): c for c in children}.values():
            edge = Edge(name, self._path(owner, child), type(child).__name__)
            self.calls[edge] = max(self.calls[edge], runs[id(child)])

    def _path(self, owner: Any, child: Any) -> str:
        names = self._names.get(id(owner))
        if names is None:
            names = {id(m): n for n, m in owner.named_modules()}
            self._names[id(owner)] = names
        path = names.get(id(child))
        return OUTSIDE if path is None else _POSITION.sub("*", path)


class TooSlow(Exception):
    """A block took longer than it was given."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` in the block when it runs longer than `seconds` (main thread only)."""

    def stop(_signal: int, _frame: Any) -> None:
        raise TooSlow(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Recorder:
    """Run one forward without gradients and give back what was recorded."""
    recorder = Recorder()
    with torch.no_grad(), recorder.attached(model):
        model(*args, **kwargs)
    return recorder
