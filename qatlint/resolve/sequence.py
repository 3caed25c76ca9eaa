"""The calls of one forward, written out one after the other as far as source tells how often loops turn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from qatlint.trace import Ran

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
    row: Sequence[Ran], trusting: bool, varying: frozenset[int], depth: int = 0
) -> list[int | Loop]:
    """What runs one after the other. `trusting`: defaults say how often loops turn."""
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
        if loop.turn < 0:
            body = written_out(runs, trusting, varying, depth + 1)
            times = loop.times
        else:
            turns = [
                written_out(list(turn), trusting, varying, depth + 1)
                for _, turn in groupby(runs, key=lambda run: run.loops[run.outside + depth].turn)
            ]
            body, times = turns[0], len(turns)
            if trusting:
                _extend(parts, [part for turn in turns for part in turn])
                continue
            if any(turn != body for turn in turns):
                body = []
        varies = inside in varying or not body
        is_known = times and (trusting or not loop.given) and not varies
        if is_known and times * len(body) < _LONGEST:
            _extend(parts, body * times)
            continue
        _extend(parts, [Loop(() if varies else _turn(body), once(run.op for run in runs))])
    return parts


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
