"""The calls of one forward, written out one after the other as far as source tells how often loops turn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from qatlint.resolve.executions import Times
from qatlint.trace import Around, Ran

_LONGEST = 20_000
"""Calls in a row that are written out."""


class Loop(NamedTuple):
    """A loop of which nobody knows how often it turns."""

    body: tuple[int, ...]
    """The ops of one turn; empty where turns differ."""
    ops: tuple[int, ...]


def once(ops: Iterable[int]) -> tuple[int, ...]:
    """Each op once, in order."""
    return tuple(sorted(set(ops)))


def varying_loops(runs: Sequence[Ran]) -> frozenset[int]:
    """The loops in which not everything runs at each turn, or may not."""
    whens = {run.when for run in runs}
    if len(whens) == 1:
        return frozenset()
    outermost: dict[int, set[object]] = {}
    for run in runs:
        for loop in run.loops[run.outside :]:
            outermost.setdefault(loop.number, set()).add(run.when)
    return frozenset(loop for loop, found in outermost.items() if len(found) > 1)


def written_out(
    row: Sequence[Ran], proven: Mapping[int, Times], varying: frozenset[int], depth: int = 0
) -> list[int | Loop]:
    """What runs one after the other. `proven`: how often loops turn, by what the report says; a default is no
    proof, since the model may have been built with another number."""
    parts: list[int | Loop] = []
    seen: set[int] = set()
    for inside, group in groupby(row, key=lambda run: _at(run, depth)):
        runs = list(group)
        if inside is None:
            parts.extend(run.op for run in runs)
            continue
        loop = runs[0].loops[runs[0].outside + depth]
        if inside in seen:  # something in it is in a block of its own, whose number does not go up
            varying |= {inside}
        seen.add(inside)
        least, is_exact = _times(loop, proven)
        if loop.turn < 0:
            turns = [written_out(runs, proven, varying, depth + 1)]
        else:
            turns = [
                written_out(list(turn), proven, varying, depth + 1)
                for _, turn in groupby(runs, key=lambda run: run.loops[run.outside + depth].turn)
            ]
            if least >= loop.times:  # each of these, and maybe more
                _extend(parts, [part for turn in turns for part in turn])
                least -= loop.times
        body = turns[0] if all(turn == turns[0] for turn in turns) else []
        varies = inside in varying or not body
        if not varies and least * len(body) < _LONGEST:
            _extend(parts, body * least)
        else:
            is_exact = is_exact and not least
        if not is_exact:
            _extend(parts, [Loop(() if varies else _turn(body), once(run.op for run in runs))])
    return parts


def _times(loop: Around, proven: Mapping[int, Times]) -> Times:
    """How often a loop turns."""
    if loop.number in proven:
        return proven[loop.number]
    return Times(loop.times, True) if loop.times and not loop.given else Times(0)


def _turn(body: Sequence[int | Loop]) -> tuple[int, ...]:
    """What follows on each other in a loop whose turns are these: what does so in a loop in it, where it has
    nothing else; empty where turns differ."""
    flat = tuple(part for part in body if not isinstance(part, Loop))
    if len(flat) == len(body):
        return flat
    return body[0].body if len(body) == 1 and isinstance(body[0], Loop) else ()


def _extend(parts: list[int | Loop], more: Iterable[int | Loop]) -> None:
    """Put more behind; a loop behind one with the same turns is as if that turned more often."""
    for part in more:
        before = parts[-1] if parts else None
        if not (isinstance(part, Loop) and part.body and part == before):
            parts.append(part)


def _at(run: Ran, depth: int) -> int | None:
    """The loop at a depth in the forward of the owner."""
    position = run.outside + depth
    return run.loops[position].number if position < len(run.loops) else None
