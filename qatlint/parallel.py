"""Large runs on several processes: workers get paths, and give findings back.

Threads would not help (the work is Python), and a process costs more than it saves for few files.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from qatlint import progress, registry
from qatlint.aim import NOTHING, Aim
from qatlint.examined import Examined
from qatlint.loader import Loader
from qatlint.rule import Rule

if TYPE_CHECKING:
    from qatlint.static.survey import Said

FEW_FILES = 40
"""Runs of at most so many files stay in one process."""
_MOST_WORKERS = 8
_CHUNKS_PER_WORKER = 40


def examine(
    paths: Sequence[str],
    linted: Sequence[str],
    loader: Loader,
    rules: Sequence[Rule],
    aim: Aim = NOTHING,
) -> Examined:
    """What `engine.examine` gives for `paths`, which are some of the files `linted`, or all: on as many
    processes as the run is worth."""
    if len(paths) > FEW_FILES:
        from qatlint import workers

        number = min(workers.processors(), _MOST_WORKERS)
        if number > 1:
            said = _surveyed(linted, loader, number)
            chunks = _chunks(paths, number * _CHUNKS_PER_WORKER)
            codes = tuple(rule.code for rule in rules)
            prepared = workers.Prepared(_worker, (chunks, linted, loader, codes, aim, number, said))
            examined = Examined({}, {}, {}, {})
            with closing(workers.answers(number, len(chunks), prepared)) as answers:
                for found in answers:
                    examined.add(found)
                    progress.tell(len(examined.judged), len(paths))
            return examined
    # A run that finds all in its cache does not need it.
    from qatlint import engine

    return engine.examine(paths, engine.open_project(linted, loader, aim), rules)


def _surveyed(linted: Sequence[str], loader: Loader, number: int) -> dict[str, Said]:
    """What all files say of others, which every worker will be asked for: worked out once for all of them."""
    from qatlint import workers

    chunks = _chunks(linted, number * workers.AHEAD)
    said: dict[str, Said] = {}
    with closing(
        workers.answers(number, len(chunks), workers.Prepared(_surveyor, (chunks, loader)))
    ) as answers:
        for found in answers:
            said.update(found)
            # Imported while they go on: the workers to come inherit it.
            import qatlint.engine  # noqa: F401
    return said


def _surveyor(chunks: Sequence[Sequence[str]], loader: Loader) -> Callable[[int], dict[str, Said]]:
    from qatlint.static.survey import said_in

    return lambda task: said_in(chunks[task], loader)


def _chunks(paths: Sequence[str], count: int) -> list[list[str]]:
    """Neighbours together, since files of one folder import the same files."""
    size = max(len(paths) // count, 1)
    return [list(paths[i : i + size]) for i in range(0, len(paths), size)]


def _worker(
    chunks: Sequence[Sequence[str]],
    linted: Sequence[str],
    loader: Loader,
    codes: tuple[str, ...],
    aim: Aim,
    number: int,
    said: Mapping[str, Said],
) -> Callable[[int], Examined]:
    """Once per worker, of which there are `number`: a project of its own, which remembers the files it has
    read. `said` as for `engine.open_project`."""
    from qatlint import engine

    # For good: trees stay from task to task.
    gc.disable()
    gc.freeze()
    project = engine.open_project(linted, loader, aim, said)
    rules = [rule for rule in registry.all_rules() if rule.code in codes]
    lines = engine.LINES_HELD // number
    return lambda task: engine.examine(chunks[task], project, rules, lines)
