"""Phrases that messages share."""

from __future__ import annotations

from collections.abc import Sequence

from qatlint.trace import Call, Module, Times


def times_words(times: Times) -> str:
    """`twice`, `3 times`, `1 to 4 times`, `more than once`."""
    if times.most is None:
        return f"at least {times.least} times" if times.least > 2 else "once per turn of a loop"
    if times.least == times.most or times.most == 2:
        return "twice" if times.most == 2 else f"{times.most} times"
    return f"up to {times.most} times"


def class_words(module: Module) -> str:
    """The class of a module as a reader knows it: `ReLU`, `class unknown`."""
    if module.class_name:
        return module.class_name.rpartition(":")[2].rpartition(".")[2]
    if not module.certain:
        return "class unknown, perhaps a function"
    return "class unknown"


def call_places(calls: Sequence[Call]) -> list[Call]:
    """One call per place of the source, in order of execution; of several at one place, the first."""
    places: dict[tuple[str, int, int, int, int], Call] = {}
    for call in calls:
        span = call.span
        key = (span.path, span.line, span.column, span.end_line, span.end_column)
        places.setdefault(key, call)
    return list(places.values())
