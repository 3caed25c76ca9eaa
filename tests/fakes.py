"""Rules and an engine that a test can foresee, for everything around them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import replace
from typing import Any

import pytest

from qatlint import engine, registry
from qatlint.examined import Examined, Judged
from qatlint.finding import Finding, Fix, Safety, SeparateInstances, Severity
from qatlint.loader import Loader
from qatlint.rule import Rule
from qatlint.static.project import Project
from qatlint.trace import Span, Times, Trace

DOC = """\
One instance {what}.

## What it flags

Things.
"""


def _silent(trace: Trace) -> Iterator[Finding]:
    return iter(())


RULES = (
    Rule(
        "QAT101",
        "shared-module",
        Severity.ERROR,
        True,
        "0.1",
        "One instance runs.",
        DOC.format(what="runs"),
        _silent,
    ),
    Rule(
        "QAT102",
        "shared-instance",
        Severity.WARNING,
        True,
        "0.1",
        "Two names.",
        DOC.format(what="has two"),
        _silent,
    ),
    Rule(
        "QAT201", "unused-thing", Severity.WARNING, False, "0.1", "Unused.", DOC.format(what="rests"), _silent
    ),
)
BY_NAME = {rule.name: rule for rule in RULES}


def span(path: str, line: int, column: int, length: int = 1) -> Span:
    """A place on one line."""
    return Span(path, line, column, line, column + length)


def finding(path: str = "a.py", line: int = 1, column: int = 1, **changes: Any) -> Finding:
    """A QAT101 warning, with what the test wants different."""
    base = Finding(
        code="QAT101",
        name="shared-module",
        severity=Severity.WARNING,
        message="`relu` runs twice",
        span=span(path, line, column),
        owner="a:Block",
        subject="relu",
        times=Times(2, 2),
    )
    return replace(base, **changes)


def fix(safety: Safety = Safety.SAFE, reason: str = "", title: str = "use one instance per call") -> Fix:
    """A fix nobody carries out."""
    place = span("a.py", 1, 1)
    return Fix(title, safety, reason, SeparateInstances("a.py", "Block", place, (), False))


def findings(path: str, loader: Loader, codes: Set[str]) -> list[Finding]:
    """One finding for each word in a file that is the name of a rule, `!name` a note, `?name` one with a fix."""
    try:
        text = loader.read(path).decode()
    except OSError as error:
        place = span(path, 1, 1)
        return [Finding("QAT000", "unreadable-file", Severity.ERROR, str(error.strerror), place)]
    found: list[Finding] = []
    for number, line in enumerate(text.split("\n"), 1):
        code = line.partition("#")[0]
        for match in re.finditer(r"[!?]*\w+", code):
            word = match[0]
            rule = BY_NAME.get(word.lstrip("!?").replace("_", "-"))
            if rule is not None and rule.code in codes:
                found.append(
                    Finding(
                        rule.code,
                        rule.name,
                        Severity.NOTE if "!" in word else Severity.WARNING,
                        f"found {rule.name}",
                        span(path, number, match.start() + 1, len(word)),
                        subject=f"word{len(found)}",
                        fix=fix() if "?" in word else None,
                        no_fix="" if "?" in word else "nobody knows how",
                    )
                )
    return found


def examine(paths: Sequence[str], project: Project, rules: Sequence[Rule]) -> Examined:
    """The findings of each file, which depend on no other."""
    codes = {rule.code for rule in rules}
    judged = {p: [Judged(f, True) for f in findings(p, project.loader, codes)] for p in paths}
    return Examined(judged, {path: set() for path in paths}, {}, {})


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the rules and the engine of this file in place of the real ones."""
    monkeypatch.setattr(registry, "all_rules", lambda: RULES)
    monkeypatch.setattr(engine, "examine", examine)
