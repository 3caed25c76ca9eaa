"""(texts, rules) -> findings. Pure: reads only through the loader it is given, prints nothing."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from qatlint.finding import Finding, Severity
from qatlint.rule import Rule
from qatlint.static.project import Project, is_training_code
from qatlint.static.source import Unreadable
from qatlint.static.tracing import trace_class
from qatlint.trace import Span, Trace


class Loader(Protocol):
    """Where sources come from: a disk, an editor's buffers, a test."""

    def read(self, path: str) -> bytes:
        """The bytes of `path`; raises OSError when it cannot be read."""
        ...

    def exists(self, path: str) -> bool:
        """Whether `path` is a file."""
        ...


def check(
    paths: Sequence[str], loader: Loader, rules: Sequence[Rule], source_roots: Sequence[str] = ()
) -> list[Finding]:
    """Findings of `rules` in the files `paths`, sorted by place; suppressions are not applied.

    Other files of the project (base classes, helpers) are read through `loader` as needed, but
    findings are reported only for `paths`. A file that cannot be read, decoded or parsed gives one
    finding `QAT000` and the rest goes on. `source_roots` are folders in which absolute imports are
    looked for, besides the folders above the files.
    """
    project = Project(loader, source_roots)
    project.linted = tuple(paths)
    return check_files(paths, paths, project, rules)


def check_files(
    paths: Sequence[str], reported: Iterable[str], project: Project, rules: Sequence[Rule]
) -> list[Finding]:
    """Findings for the classes of `paths` that stand in files of `reported`."""
    wanted = set(reported)
    found: dict[tuple[object, ...], Finding] = {}
    with _young_garbage_only() as collect:
        for path in paths:
            try:
                file = project.file(path)
            except (Unreadable, OSError) as error:
                broken = unreadable(path, error)
                found[_identity(broken)] = broken
                continue
            for cls in file.classes:
                if not project.is_module(cls) or is_training_code(cls):
                    continue
                trace = trace_class(project, cls)
                for finding in judge(trace, rules):
                    if finding.span.path in wanted:
                        _keep(found, finding, trace)
            collect()
    return sorted(found.values(), key=lambda f: f.sort_key)


@contextmanager
def _young_garbage_only() -> Iterator[Callable[[], object]]:
    """Collect only what the last file left behind.

    Syntax trees are millions of objects that live until the end; a full collection walks all of them
    and finds nothing. Gives the function to call after each file.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield lambda: gc.collect(0)
    finally:
        if was:
            gc.enable()


def judge(trace: Trace, rules: Sequence[Rule]) -> Iterable[Finding]:
    """Findings of all rules on one trace."""
    for rule in rules:
        yield from rule.check(trace)


def unreadable(path: str, error: Unreadable | OSError) -> Finding:
    """The finding for a file that cannot be linted."""
    if isinstance(error, Unreadable):
        message, line, column = error.message, error.line, error.column
    else:
        message, line, column = f"cannot read: {error.strerror or error}", 1, 1
    return Finding(
        code="QAT000",
        name="unreadable-file",
        severity=Severity.ERROR,
        message=message,
        span=Span(path, line, column, line, column + 1),
        no_fix="the file was not linted",
    )


def _identity(finding: Finding) -> tuple[object, ...]:
    return (finding.code, finding.owner, finding.subject, finding.span.path)


def _keep(found: dict[tuple[object, ...], Finding], finding: Finding, trace: Trace) -> None:
    """Keep one finding per (owner, child): that of the owner's own trace, else the first."""
    key = _identity(finding)
    known = found.get(key)
    if known is None or (finding.owner == trace.owner and known.owner == finding.owner):
        if known is not None and known.span < finding.span and known.severity >= finding.severity:
            return
        found[key] = dataclasses.replace(finding)
