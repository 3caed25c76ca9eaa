"""(texts, rules) -> findings. Pure: reads only through the loader it is given, prints nothing."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from qatlint.aim import NOTHING, Aim, EntryPoint
from qatlint.examined import Examined, Judged
from qatlint.finding import Finding, Severity
from qatlint.flowing import unknown_ops
from qatlint.loader import Loader
from qatlint.rule import Rule
from qatlint.static.entry import absolute
from qatlint.static.modulefile import ClassDef
from qatlint.static.project import Project, is_training_code
from qatlint.static.source import Unreadable
from qatlint.static.survey import Said
from qatlint.static.tracing import trace_class
from qatlint.trace import Flow, Span, Trace


def check(paths: Sequence[str], loader: Loader, rules: Sequence[Rule], aim: Aim = NOTHING) -> list[Finding]:
    """Findings of `rules` in the files `paths`, sorted by place; suppressions are not applied.

    Other files of the project (base classes, helpers) are read through `loader` as needed, but
    findings are reported only for `paths`. A file that cannot be read, decoded or parsed gives one
    finding `QAT000` and the rest goes on. `aim` is what the settings say of the project.
    """
    return examine(paths, open_project(paths, loader, aim), rules).findings(paths)


def open_project(
    linted: Sequence[str], loader: Loader, aim: Aim = NOTHING, said: Mapping[str, Said] | None = None
) -> Project:
    """The project around the files that are linted; `said`: what `survey.said_in` has found in some."""
    project = Project(loader, aim)
    project.linted = tuple(linted)
    project.said = said or {}
    return project


LINES_HELD = 180_000
"""Lines of syntax trees (1.8 KB each) that all processes together hold; past it they are let go of."""
_EXPECTED_FILES = 20
_COUNTED_FILES = 5
"""So many files are examined before lines are counted again: counting asks each file that is held."""


def examine(
    paths: Sequence[str], project: Project, rules: Sequence[Rule], lines_held: int = LINES_HELD
) -> Examined:
    """What the classes of `paths` give, for any of the project's linted files.

    One thing may be found from several classes (a base class and what inherits it): see `merge`.
    """
    examined = Examined({}, {}, {}, {})
    project.lookups = examined.lookups
    with collected_by_hand():
        for start in range(0, len(paths), _EXPECTED_FILES):
            batch = paths[start : start + _EXPECTED_FILES]
            project.expect(batch)
            for number, path in enumerate(batch, 1):
                project.asked = examined.asked[path] = set()
                unknown: Counter[str] = Counter()
                examined.judged[path] = list(_judged(path, project, rules, unknown))
                if unknown:
                    examined.unknown[path] = dict(unknown)
                is_counted = number % _COUNTED_FILES == 0 or number == len(batch)
                if is_counted and project.lines_parsed() > lines_held:
                    project.forget()
                    gc.collect()
                    gc.freeze()  # What is left lives as long as the run.
    return examined


def _judged(path: str, project: Project, rules: Sequence[Rule], unknown: Counter[str]) -> Iterator[Judged]:
    try:
        file = project.file(path)
    except (Unreadable, OSError) as error:
        yield Judged(unreadable(path, error), True)
        return
    for cls in file.classes:
        if project.is_module(cls) and not is_training_code(project, cls):
            trace = trace_class(project, cls)
            unknown.update(unknown_ops(trace))
            for finding in judge(trace, rules):
                yield Judged(finding, finding.owner == trace.owner)


@contextmanager
def collected_by_hand() -> Iterator[None]:
    """Keep the garbage collector away from syntax trees, unless somebody already does.

    They are millions of objects that all live until `Project.forget`; looking through them before finds
    nothing. After it, only what this run has made is looked through.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    gc.freeze()
    try:
        yield
    finally:
        gc.freeze()  # With this, what is left counts as old, and is not looked through at once.
        gc.unfreeze()
        gc.enable()


def traces(path: str, class_name: str, loader: Loader, aim: Aim = NOTHING) -> list[Trace]:
    """The traces of the module classes of a file, or of the one with this qualified name.

    Raises `Unreadable` or OSError for the file itself.
    """
    return traces_in(open_project([path], loader, aim), path, class_name)


def traces_in(project: Project, path: str, class_name: str = "") -> list[Trace]:
    """The same for a file of a project that is open. Raises like `traces`."""
    return [
        trace_class(project, cls, for_people=True)
        for cls in project.file(path).classes
        if class_name in ("", cls.qualname) and project.is_module(cls)
    ]


def flows(paths: Sequence[str], loader: Loader, aim: Aim = NOTHING, around: Sequence[str] = ()) -> list[Flow]:
    """What tensors go through in the models that the module classes of some files run in, each model once;
    for a report of one of them, so what other code sets again decides nothing (`static/unsettled.py`), also
    in the files `around` them, and those of the classes there that inherit from them.

    Files that cannot be read are left out; a project that has nothing to do with the plugin has none.
    """
    project = _unsettled([*paths, *around], loader, aim)
    found = _flows(paths, project)
    if not around:
        return found
    below = {sub for path in paths for cls in _models_of(path, project) for sub in project.subclasses(cls)}
    known = {flow.root for flow in found}
    others = [sub for sub in below if sub.full_name not in known and sub.file.path not in paths]
    return found + _flows_of(sorted(others, key=lambda sub: sub.full_name), project)


def flows_with(
    point: EntryPoint, paths: Sequence[str], loader: Loader, aim: Aim = NOTHING
) -> tuple[list[Flow], list[Flow]]:
    """Those of one class of one file, none where it is no model, and all that `flows` gives: classes of other
    files may have its name."""
    from qatlint.static.reached import flows_of

    project = _unsettled(paths, loader, aim._replace(entry_points=(point,)))
    found = _flows(paths, project)
    path = next((path for path in paths if absolute(path) == point.path), point.path)
    own = [
        flow
        for cls in _models_of(path, project)
        if cls.qualname == point.qualname
        for flow in flows_of(project, cls)
        if flow.root == cls.full_name and not flow.assumed
    ]
    return own, found


def _unsettled(paths: Sequence[str], loader: Loader, aim: Aim) -> Project:
    from qatlint.static.reassigned import Reassigned

    project = open_project(paths, loader, aim)
    project.reassigned = Reassigned(project)
    return project


def _flows(paths: Sequence[str], project: Project) -> list[Flow]:
    return _flows_of((cls for path in paths for cls in _models_of(path, project)), project)


def _flows_of(classes: Iterable[ClassDef], project: Project) -> list[Flow]:
    from qatlint.static.reached import flows_of  # what is linted seldom has to do with the plugin

    # One class after the other reaches a model, and some get a copy that says more of their own runs.
    found: dict[tuple[str, int], Flow] = {}
    with collected_by_hand():
        for cls in classes:
            for flow in flows_of(project, cls):
                found.setdefault((flow.root, id(flow.ops)), flow)
    return list(found.values())


def _models_of(path: str, project: Project) -> list[ClassDef]:
    """The module classes of a file, but for code that only training runs; none where it cannot be read."""
    try:
        classes = project.file(path).classes
    except (Unreadable, OSError):
        return []
    return [cls for cls in classes if project.is_module(cls) and not is_training_code(project, cls)]


def module_classes(path: str, loader: Loader) -> list[str]:
    """Qualified names of the module classes of a file. Raises like `traces`."""
    project = open_project([path], loader)
    return [cls.qualname for cls in project.file(path).classes if project.is_module(cls)]


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
