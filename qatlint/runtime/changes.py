"""What a fix changed: facts of two recordings side by side."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Pair(Generic[T]):
    """One fact before and after; None where one version does not have it."""

    before: T | None
    after: T | None


@dataclass(frozen=True)
class Changes(Generic[T]):
    """All facts of two versions."""

    better: tuple[Pair[T], ...]
    worse: tuple[Pair[T], ...]
    left: tuple[Pair[T], ...]
    """As bad as before."""
    fine: tuple[Pair[T], ...]
    """As good as before."""


def pairs(before: Sequence[T], after: Sequence[T], key: Callable[[T], Hashable]) -> Iterator[Pair[T]]:
    """Facts that belong together: those with the same key, in the same order."""
    matcher = SequenceMatcher(None, [key(f) for f in before], [key(f) for f in after], autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag == "equal":
            yield from (Pair(x, y) for x, y in zip(before[a:b], after[c:d], strict=True))
        else:
            yield from (Pair(x, None) for x in before[a:b])
            yield from (Pair(None, y) for y in after[c:d])


def changes(found: Iterator[Pair[T]], badness: Callable[[T], int]) -> Changes[T]:
    """Sort pairs by what became of them. `badness` is 0 for a fact that is as it should be; a fact that
    is not there is as good as a fine one."""
    sorted_: dict[str, list[Pair[T]]] = {"better": [], "worse": [], "left": [], "fine": []}
    for pair in found:
        old = 0 if pair.before is None else badness(pair.before)
        new = 0 if pair.after is None else badness(pair.after)
        name = "better" if new < old else "worse" if new > old else "left" if new else "fine"
        sorted_[name].append(pair)
    return Changes(**{name: tuple(found) for name, found in sorted_.items()})
