"""Watch a live torch model and count which child modules each module runs. Needs torch.

The counting is qatlint's own recorder: what makes the oracles is what proves the fixes.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from qatlint.runtime.edges import Edge, edges

__all__ = ["Edge", "Recorder", "TooSlow", "dotted", "run", "time_limit", "torch"]

torch: Any = import_module("torch")
_recorder: Any = import_module("qatlint.runtime.child.recorder")


def dotted(cls: type) -> str:
    """`package.module:Class` of a class."""
    return f"{cls.__module__}:{cls.__qualname__}"


class Recorder:
    """Counts calls while it is attached; `calls` holds the most calls seen in one forward of an owner."""

    def __init__(self) -> None:
        self.calls: Counter[Edge] = Counter()
        self.bases: dict[str, list[str]] = {}

    @contextlib.contextmanager
    def attached(self, model: Any) -> Iterator[None]:
        """Record while the block, which is to run one forward, runs. Nothing stays behind on the model."""
        recorder = _recorder.Recorder(model)
        with recorder:
            yield
        recording = recorder.recording((), {}, None)
        for edge, times in edges(recording).items():
            self.calls[edge] = max(self.calls[edge], times)
        for facts in recording.modules:
            self.bases.setdefault(facts.class_name, list(facts.mro))

    def shared(self) -> dict[Edge, int]:
        """The edges whose child ran more than once in one forward of the owner."""
        return {edge: n for edge, n in self.calls.items() if n > 1}


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
