"""Phrases that messages share."""

from __future__ import annotations

from collections.abc import Sequence

from qatlint.trace import Call, Loop, Module, Times


def times_words(times: Times, loops: Sequence[Loop] = ()) -> str:
    """`twice`, `3 times`, `up to 4 times`, `once per turn of the loop over ...`; `loops` are around it."""
    if times.most is None:
        loop = _loop_words(loops)
        if not times.least:
            return f"once per turn of {loop}"
        least = {1: "once", 2: "twice"}.get(times.least, f"{times.least} times")
        return f"at least {least}, and again in each turn of {loop}"
    if times.least == times.most or times.most == 2:
        return "twice" if times.most == 2 else f"{times.most} times"
    return f"up to {times.most} times"


def _loop_words(loops: Sequence[Loop]) -> str:
    """The innermost loop whose number of turns is not bounded."""
    for loop in reversed(loops):
        if loop.times.most is None:
            if loop.statement == "while":
                return "a `while` loop"
            return f"the loop over `{loop.over}`" if loop.over else "a loop"
    return "a loop"


def given_words(loops: Sequence[Loop]) -> str:
    """` with the default `n=6``: what the numbers of turns were taken from; "" when from no default."""
    given = list(dict.fromkeys(f"`{loop.given}`" for loop in loops if loop.given))
    if not given:
        return ""
    return f" with the default{'s' if len(given) > 1 else ''} {' and '.join(given)}"


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
