"""Every fixture against its marks: what the linter says, and what execution says about the marks."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from qatlint.finding import Finding
from tests.execution.parent import VARIABLE, run_jobs, torch_python
from tests.fixture_units import Place, Unit, called_on, name_of, owner_at, places, places_of, units
from tests.linting import findings_of
from tests.marks import Mark

needs_torch = pytest.mark.skipif(
    torch_python() is None,
    reason=f"fixtures are executed with torch; install qatlint[verify] or point {VARIABLE} at a Python with it",
)
by_unit = pytest.mark.parametrize("unit", units(), ids=lambda u: u.name)
by_place = pytest.mark.parametrize("place", places(), ids=lambda p: p.label)


def unit_of(file: Path) -> Unit:
    return next(u for u in units() if file in u.files)


@by_unit
def test_a_unit_can_run_and_says_what_it_expects(unit: Unit) -> None:
    tree = ast.parse(unit.entry.read_text(encoding="utf-8"))
    functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {"build", "example_inputs"} <= functions, f"{name_of(unit.entry)} cannot be run"
    marks = [mark for place in places_of(unit) for mark in place.marks]
    assert marks, f"{unit.name} expects nothing"


@by_unit
def test_every_class_of_a_unit_is_a_named_case(unit: Unit) -> None:
    """A class with marks says in its docstring what the case is."""
    for file in unit.files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        marked = {place.owner for place in places_of(unit) if place.file == file and place.marks}
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.name in marked:
                assert ast.get_docstring(node), f"{name_of(file)}: {node.name} has no docstring"


@by_unit
def test_subjects_are_stated_where_execution_can_check_them(unit: Unit) -> None:
    for place in places_of(unit):
        for mark in place.marks:
            if mark.verb == "expect" and mark.code == "QAT101":
                assert mark.subject, f"{name_of(place.file)}:{mark.line} needs [subject=...]"


@by_place
def test_findings_are_exactly_the_marks(place: Place) -> None:
    findings = [f for f in findings_of(unit_of(place.file)) if f.span.path == str(place.file)]
    if place.owner:
        findings = [f for f in findings if f.span.line in place.lines]
    else:
        others = [p for p in places_of(unit_of(place.file)) if p.file == place.file and p.owner]
        elsewhere = {n for other in others for n in other.lines}
        findings = [f for f in findings if f.span.line not in elsewhere]
    wanted = [mark for mark in place.marks if mark.verb == "expect"]
    got = Counter((f.span.line, f.code) for f in findings)
    expected = Counter((m.line, m.code) for m in wanted)
    extra, missing = got - expected, expected - got
    promoted = [m for m in place.marks if m.verb == "todo" and (m.line, m.code) in extra]
    assert not promoted, f"a known miss is found now, turn the mark into `expect`: {promoted}"
    assert not extra and not missing, _difference(findings, extra, missing)
    for mark in wanted:
        candidates = [f for f in findings if (f.span.line, f.code) == (mark.line, mark.code)]
        mismatches = [_mismatch(mark, f) for f in candidates]
        assert "" in mismatches, f"{place.label}:{mark.line} {mark.code}: {'; '.join(mismatches)}"


def _difference(findings: list[Finding], extra: Counter[Any], missing: Counter[Any]) -> str:
    lines = [f"line {line}: {code} expected, not reported" for line, code in sorted(missing)]
    lines += [
        f"line {f.span.line}: {f.code} [{f.subject}] reported, not expected: {f.message}"
        for f in findings
        if (f.span.line, f.code) in extra
    ]
    return "\n".join(lines)


def _mismatch(mark: Mark, finding: Finding) -> str:
    """What about the finding differs from the options of the mark; "" when nothing does."""
    times = finding.times
    actual = {
        "subject": finding.subject,
        "severity": finding.severity.label,
        "least": "" if times is None else str(times.least),
        "most": "" if times is None else "many" if times.most is None else str(times.most),
        "on": finding.on.value,
        "fix": finding.fix.safety.value if finding.fix else "none",
    }
    wrong = {k: (v, actual[k]) for k, v in mark.options.items() if actual[k] != v}
    return ", ".join(f"{k} should be {want}, is {got}" for k, (want, got) in wrong.items())


@by_unit
def test_every_finding_is_explained(unit: Unit) -> None:
    """A finding without a fix says why, and one that is not safe says why not."""
    for finding in findings_of(unit):
        place = f"{name_of(Path(finding.span.path))}:{finding.span.line} {finding.code}"
        assert finding.message.strip() and finding.owner and finding.subject, place
        if finding.fix is None:
            assert finding.no_fix, f"{place}: no fix, and no sentence why"
        else:
            assert bool(finding.fix.reason) == (finding.fix.safety.value == "unsafe"), place


@cache
def original_runs() -> dict[str, dict[str, Any]]:
    jobs = [{"id": u.name, "original": str(u.entry), "variant": None, "strict": True} for u in units()]
    return run_jobs(jobs)


@needs_torch
@by_unit
def test_the_original_runs(unit: Unit) -> None:
    report = original_runs()[unit.name]
    assert "error" not in report, report["error"]


@needs_torch
@by_place
def test_execution_agrees_with_the_marks(place: Place) -> None:
    """The marks are right about the executed model, whatever the linter says."""
    report = original_runs()[unit_of(place.file).name]
    assert "counts" in report, "the original does not run"
    tree = ast.parse(place.file.read_text(encoding="utf-8"))
    for mark in place.marks:
        owner = owner_at(tree, mark.line)
        if not mark.code.startswith("QAT1"):
            continue  # fusing, dtypes and outputs are executed in test_judged_fixtures.py and test_quant_states.py
        if mark.code == "QAT102":
            problem = _alias_disagreement(mark, _aliases(report, owner), tree)
            assert not problem, f"{place.label}:{mark.line} {owner}: {problem}"
            continue
        for subject in _subjects(mark, tree):
            counts = _counts(report, owner, subject)
            problem = _disagreement(mark, counts)
            assert not problem, f"{place.label}:{mark.line} {owner}.{subject}: {problem} ({counts})"


def _subjects(mark: Mark, tree: ast.Module) -> list[str]:
    if mark.subject:
        return [mark.subject]
    if mark.code == "QAT103":
        return _assigned(tree, mark.line)
    return called_on(tree, mark.line)


def _assigned(tree: ast.Module, line: int) -> list[str]:
    return [
        target.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and node.lineno == line
        for target in node.targets
        if isinstance(target, ast.Attribute)
    ]


def _counts(report: dict[str, Any], owner: str, subject: str) -> dict[str, int | None]:
    """Most executions in one forward of the owner, per mode; None where the model has no such child."""
    found: dict[str, int | None] = {}
    # Instances of subclasses count only where the owner itself has none: they may call more.
    for mode in ("eval", "train"):
        edges = _of_owner(report["counts"][mode]["edges"], owner)
        times = [e["times"] for e in edges if _covers(subject, e["path"])]
        found[mode] = max(times, default=None)
    return found


def _of_owner(items: list[dict[str, Any]], owner: str) -> list[dict[str, Any]]:
    """The items of an owner class, or, where it has none, those of its subclasses."""
    related = [item for item in items if owner in item["mro"]]
    return [item for item in related if item["mro"][0] == owner] or related


def _aliases(report: dict[str, Any], owner: str) -> list[str]:
    return [item["path"] for item in _of_owner(report["counts"]["aliases"], owner)]


def _alias_disagreement(mark: Mark, paths: list[str], tree: ast.Module) -> str:
    subjects = [mark.subject] if mark.subject else _assigned(tree, mark.line)
    hits = [path for path in paths if not subjects or any(_covers(s, path) for s in subjects)]
    if mark.verb == "ok":
        return f"it must stay silent, but {hits} have several names" if hits else ""
    if mark.subject and not hits:
        return f"{mark.subject} has one name only in the executed model ({paths})"
    return "" if paths else "no instance has several names in the executed model"


def _covers(subject: str, path: str) -> bool:
    """Whether a subject (`*` for any one position or key) names this path of a live model."""
    return re.fullmatch(re.escape(subject).replace(r"\*", r"[^.]+"), path) is not None


def _disagreement(mark: Mark, counts: dict[str, int | None]) -> str:
    evaluated, trained = counts["eval"] or 0, counts["train"] or 0
    known = counts["eval"] is not None
    if mark.verb == "ok" and mark.code == "QAT101":
        if mark.subject and not known:
            return "the executed model has no such child"
        limit = max(evaluated, trained)
        if mark.options.get("runs") == "many":
            return "" if limit >= 2 else "it says runs=many, but runs once"
        return "" if limit <= 1 else "it must stay silent, but runs more than once"
    if mark.code == "QAT103" and mark.verb == "ok":
        return ""
    if not known:
        return "the executed model has no such child"
    if mark.code == "QAT103":
        return "" if evaluated == trained == 0 else "said to be unused, but runs"
    on = mark.options.get("on", "")
    if on == "training":
        return "" if trained >= 2 > evaluated else "said to be shared in training only"
    if on == "some-path":
        return ""
    least, most = int(mark.options.get("least", 0)), mark.options.get("most", "many")
    if evaluated < max(2, least):
        return "said to run more often"
    return "" if most == "many" or evaluated <= int(most) else "said to run less often"
