"""Large runs on several processes: workers get paths, and give findings back.

Threads would not help (the work is Python), and a process costs more than it saves for few files.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from qatlint import engine, registry
from qatlint.engine import Examined
from qatlint.finding import Finding
from qatlint.loader import Loader
from qatlint.rule import Rule
from qatlint.static.project import Project

FEW_FILES = 40
"""Runs of at most so many files stay in one process."""
_CHUNKS_PER_WORKER = 40


def check(
    paths: Sequence[str], loader: Loader, rules: Sequence[Rule], source_roots: Sequence[str] = ()
) -> list[Finding]:
    """What `engine.check` finds, on as many processes as the run is worth."""
    return examine(paths, paths, loader, rules, source_roots).findings()


def examine(
    paths: Sequence[str],
    linted: Sequence[str],
    loader: Loader,
    rules: Sequence[Rule],
    source_roots: Sequence[str] = (),
) -> Examined:
    """What `engine.examine` gives for `paths`, which are some of the files `linted`, or all."""
    workers = min(_processors(), 8)
    if len(paths) <= FEW_FILES or workers < 2:
        return engine.examine(paths, engine.open_project(linted, loader, source_roots), rules)
    import multiprocessing

    # A forked worker starts at once; where that is not to be had, a spawned one imports us anew.
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    codes = tuple(rule.code for rule in rules)
    examined = Examined({}, {}, {})
    with context.Pool(workers, _start, (tuple(linted), loader, codes, tuple(source_roots))) as pool:
        for found in pool.imap_unordered(_work, _chunks(paths, workers * _CHUNKS_PER_WORKER)):
            examined.add(found)
    return examined


def _processors() -> int:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _chunks(paths: Sequence[str], count: int) -> list[list[str]]:
    """Neighbours together, since files of one folder import the same files."""
    size = max(len(paths) // count, 1)
    return [list(paths[i : i + size]) for i in range(0, len(paths), size)]


_worker: tuple[Project, tuple[Rule, ...]] | None = None


def _start(
    linted: tuple[str, ...], loader: Loader, codes: tuple[str, ...], source_roots: tuple[str, ...]
) -> None:
    """Once per worker: a project of its own, which remembers the files it has read."""
    global _worker
    project = engine.open_project(linted, loader, source_roots)
    _worker = project, tuple(rule for rule in registry.all_rules() if rule.code in codes)


def _work(paths: list[str]) -> Examined:
    assert _worker is not None
    project, rules = _worker
    return engine.examine(paths, project, rules)
