"""Phrases that messages share."""

from __future__ import annotations

from collections.abc import Sequence

from qatlint.trace import Call, Chosen, Loop, Module, Region, Times, Varies


def times_words(times: Times, calls: Sequence[Call] = ()) -> str:
    """`twice`, `3 times`, `up to 4 times`, `once per turn of the loop over ...`; `calls` are what repeats."""
    if times.most is None:
        if not times.least:
            most = "at most once" if calls and all(c.some_turns for c in calls) else "once"
            return f"{most} per {_turn_words(calls)}"
        least = {1: "once", 2: "twice"}.get(times.least, f"{times.least} times")
        return f"at least {least}, and again in each {_turn_words(calls)}"
    if times.least == times.most or times.most == 2:
        return "twice" if times.most == 2 else f"{times.most} times"
    return f"up to {times.most} times"


def times_sign(times: Times) -> str:
    """`×2`, `×1..3`, `×2..` (no upper bound), `×n` (no bound at all)."""
    if times.most is None:
        return f"×{times.least}.." if times.least else "×n"
    return f"×{times.most}" if times.least == times.most else f"×{times.least}..{times.most}"


def _turn_words(calls: Sequence[Call]) -> str:
    """A turn of the innermost loop whose number of turns is not bounded."""
    for call in calls:
        for loop in reversed(call.loops):
            if loop.times.most is None:
                if loop.statement == "while":
                    return "turn of a `while` loop"
                turn = f"turn of the loop over `{loop.over}`" if loop.over else "turn of a loop"
                if call.chosen is not None and call.chosen.over == loop.over:
                    turn += f" that has {' or '.join(call.chosen.constants)}"
                return turn
    return "turn of a loop"


def given_words(loops: Sequence[Loop]) -> str:
    """` with the default `n=6``: what the numbers of turns were taken from; "" when from no default."""
    given = list(dict.fromkeys(f"`{loop.given}`" for loop in loops if loop.given))
    if not given:
        return ""
    return f" with the default{'s' if len(given) > 1 else ''} {' and '.join(given)}"


def chosen_words(chosen: Sequence[Chosen]) -> str:
    """`each time `names` has 'ffn' or 'norm'`."""
    constants: dict[str, dict[str, None]] = {}
    for one in chosen:
        constants.setdefault(one.over, {}).update(dict.fromkeys(one.constants))
    parts = [f"each time `{over}` has {' or '.join(values)}" for over, values in constants.items()]
    return ", and ".join(parts)


def class_words(module: Module) -> str:
    """The class of a module as a reader knows it: `ReLU`, `class unknown`."""
    if module.class_name:
        return module.class_name.rpartition(":")[2].rpartition(".")[2]
    if not module.certain:
        return "class unknown, perhaps a function"
    return "class unknown"


def path_words(path: str) -> str:
    """A subject as its owner writes it: an entry of the owner itself is `self[1]`."""
    first, dot, rest = path.partition(".")
    return f"self[{first}]{dot}{rest}" if first.isdigit() else path


def call_places(calls: Sequence[Call]) -> list[Call]:
    """One call per place of the source, in order of execution; of several at one place, the first."""
    places: dict[tuple[str, int, int, int, int], Call] = {}
    for call in calls:
        span = call.span
        key = (span.path, span.line, span.column, span.end_line, span.end_column)
        places.setdefault(key, call)
    return list(places.values())


def varies_words(region: Region) -> str:
    """What decides whether, or how often, a region runs: `depends on the shape of an input`."""
    if region.varies is Varies.STATE:
        return (
            f"depends on `{region.why}`, which forward changes"
            if region.why
            else "depends on what forward changes"
        )
    if region.varies is Varies.UNPROVEN:
        return (
            f"is not fixed when the model is built (`{region.why}`)"
            if region.why
            else "is not known to be fixed"
        )
    if region.varies is Varies.GIVEN:
        what = f"`{region.why}`" if region.why else "a module"
        return f"is fixed only if {what} always gives the same number of tensors"
    return {
        Varies.DATA: "depends on values of tensors",
        Varies.SHAPE: "depends on the shape of an input",
        Varies.RANDOM: "is random",
        Varies.STATIC: "is fixed when the model is built",
    }[region.varies]


def listed(words: Sequence[str], most: int = 4) -> str:
    """`a`, `b` and 3 more."""
    shown = list(words[:most])
    if len(words) > most:
        shown.append(f"{len(words) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
