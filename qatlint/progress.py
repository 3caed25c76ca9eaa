"""How far a long run is, for whoever wants to show it.

What does the work says how far it is, and does not know whether anybody listens: as with logging, who
shows it need not be handed down through everything between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Listener = Callable[[int, int], None]
"""Called with the number of things that are done, and of all."""

_listeners: list[Listener] = []


def tell(done: int, total: int) -> None:
    """So many of all are done."""
    for listener in _listeners:
        listener(done, total)


@contextmanager
def told(listener: Listener) -> Iterator[None]:
    """Call the listener whenever something is done inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
