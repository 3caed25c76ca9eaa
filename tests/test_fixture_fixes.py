"""What the fixes make of every fixture: stored, parsed, linted again, applied again, executed."""

from __future__ import annotations

import ast
import io
import re
import shutil
import tempfile
import tokenize
from collections import Counter
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from qatlint.codemods.fixer import fix
from qatlint.files import DiskLoader
from qatlint.finding import Finding, Safety
from tests.execution.parent import VARIABLE, run_jobs, torch_python
from tests.fixture_units import (
    LEVELS,
    ROOT,
    Unit,
    is_stored_output,
    name_of,
    owner_at,
    places_of,
    stored_output,
    units,
)
from tests.linting import findings_of, lint, overlay

needs_torch = pytest.mark.skipif(
    torch_python() is None,
    reason=f"fixtures are executed with torch; install qatlint[verify] or point {VARIABLE} at a Python with it",
)
by_unit_and_level = pytest.mark.parametrize(
    ("unit", "level"), [(u, level) for u in units() for level in LEVELS], ids=lambda v: getattr(v, "name", v)
)


@dataclass(frozen=True)
class Outcome:
    """The new texts by path, what the fix complains of, and what it leaves to be reported."""

    texts: dict[str, bytes]
    problems: tuple[str, ...]
    remaining: tuple[Finding, ...]


def applicable(finding: Finding, level: str) -> bool:
    """Whether the finding has a fix that this level applies."""
    return finding.fix is not None and (level == "unsafe" or finding.fix.safety is Safety.SAFE)


@cache
def outcome(unit: Unit, level: str) -> Outcome:
    if level == "unsafe":
        safe = outcome(unit, "safe")
        if not any(
            f.fix is not None and not applicable(f, "safe") for f in (*findings_of(unit), *safe.remaining)
        ):
            return safe  # half of the units: there is no unsafe fix to apply, before or after the safe ones
    paths = [str(f) for f in unit.files]
    result = fix(paths, DiskLoader(), partial(lint, paths), unsafe=level == "unsafe")
    return Outcome(dict(result.texts), tuple(result.problems), tuple(result.findings))


@cache
def linted_again(unit: Unit, texts: tuple[tuple[str, bytes], ...]) -> tuple[Finding, ...]:
    return tuple(lint([str(f) for f in unit.files], overlay(dict(texts))))


@by_unit_and_level
def test_stored_output_is_what_the_fix_writes(unit: Unit, level: str, request: pytest.FixtureRequest) -> None:
    new = outcome(unit, level).texts
    safe = outcome(unit, "safe").texts
    for file in unit.files:
        stored = stored_output(file, level)
        text = new.get(str(file))
        if level == "unsafe" and text == safe.get(str(file)):
            text = None  # nothing beyond what the safe fixes write
        if request.config.getoption("--bless"):
            stored.unlink(missing_ok=True)
            if text is not None:
                stored.write_bytes(text)
        expected = stored.read_bytes() if stored.exists() else None
        assert text == expected, f"{name_of(stored)} is not what the fix writes now; see --bless"


def test_no_stored_output_without_a_fixture() -> None:
    known = {stored_output(file, level) for unit in units() for file in unit.files for level in LEVELS}
    assert {p for p in ROOT.rglob("*.py") if is_stored_output(p)} <= known


@by_unit_and_level
def test_everything_fixable_is_fixed(unit: Unit, level: str) -> None:
    """The fix has no complaint, the new text shows nothing fixable and nothing new."""
    result = outcome(unit, level)
    assert not result.problems
    left = [f for f in result.remaining if applicable(f, level)]
    assert not left, "\n".join(f"{f.span.line}: {f.code} {f.subject}: {f.message}" for f in left)
    assert all(f.no_fix for f in result.remaining if f.fix is None), "no fix, and no sentence why"
    seen = Counter(map(_identity, linted_again(unit, tuple(result.texts.items()))))
    assert seen == Counter(map(_identity, result.remaining)), "the linter sees something else in the new text"
    assert not seen - Counter(map(_identity, findings_of(unit))), "the fix made something new"


@by_unit_and_level
def test_fixes_that_marks_ask_for_are_carried_out(unit: Unit, level: str) -> None:
    """`fix=safe` means that the safe fixes remove the finding, not only that one is offered."""
    left = {(f.code, f.owner.partition(":")[2], f.subject) for f in outcome(unit, level).remaining}
    for place in places_of(unit):
        tree = ast.parse(place.file.read_text(encoding="utf-8"))
        for mark in place.marks:
            wanted = (mark.code, owner_at(tree, mark.line), mark.subject)
            if mark.verb == "expect" and mark.options.get("fix") in ("safe", level):
                assert wanted not in left, f"{place.label}:{mark.line} is still reported"


def _identity(finding: Finding) -> tuple[str, str, str]:
    return finding.code, finding.owner, finding.subject


@by_unit_and_level
def test_applying_again_changes_nothing(unit: Unit, level: str) -> None:
    texts = outcome(unit, level).texts
    if not texts:
        return  # it was applied to this text, and changed nothing
    paths = [str(f) for f in unit.files]
    again = fix(paths, overlay(texts), partial(lint, paths), unsafe=level == "unsafe")
    assert not again.texts


@by_unit_and_level
def test_nothing_else_is_touched(unit: Unit, level: str) -> None:
    """Comments stay; classes and functions that no fix speaks of stay letter for letter."""
    fixed = [f for f in findings_of(unit) if applicable(f, level)]
    for file in unit.files:
        before = file.read_text(encoding="utf-8")
        after = outcome(unit, level).texts.get(str(file), before.encode()).decode()
        owners = {f.fix.intent.owner.partition(".")[0] for f in fixed if f.fix and f.span.path == str(file)}
        rest = after
        for node in ast.parse(before).body:
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name not in owners:
                segment = ast.get_source_segment(before, node) or ""
                assert segment in rest, f"{name_of(file)}: {node.name} was touched"
        lost = Counter(_comments(before)) - Counter(_comments(after))
        assert not lost, f"{name_of(file)}: comments are gone: {list(lost)}"
        assert ast.parse(after)


def _comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


@cache
def fixed_runs() -> dict[str, dict[str, Any]]:
    """Run every fixed unit beside its original, all in one child process."""
    with tempfile.TemporaryDirectory(prefix="qatlint-fixed-") as folder:
        jobs = []
        for number, unit in enumerate(units()):
            for level in LEVELS:
                texts = outcome(unit, level).texts
                if texts:
                    variant = _written(unit, texts, Path(folder) / f"{level}{number}")
                    job = {"original": str(unit.entry), "variant": str(variant), "strict": level == "safe"}
                    jobs.append({"id": f"{unit.name} {level}", **job})
        return run_jobs(jobs)


def _written(unit: Unit, texts: dict[str, bytes], folder: Path) -> Path:
    """A copy of the unit with new texts; returns its entry file."""
    root = unit.entry.parent
    target = folder / root.name if unit.is_package else folder
    target.mkdir(parents=True)
    for file in unit.files:
        copy = target / file.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if str(file) in texts:
            copy.write_bytes(texts[str(file)])
        else:
            shutil.copy(file, copy)
    return target / unit.entry.name


@needs_torch
@by_unit_and_level
def test_the_fixed_model_computes_the_same(unit: Unit, level: str) -> None:
    """Bit for bit under the weights of the original, in evaluation and in training."""
    if not outcome(unit, level).texts:
        assert not [f for f in outcome(unit, level).remaining if applicable(f, level)], "nothing was written"
        return
    report = fixed_runs()[f"{unit.name} {level}"]
    assert "error" not in report, report["error"]
    assert report["problems"] == []


@needs_torch
@by_unit_and_level
def test_no_fixable_module_runs_twice(unit: Unit, level: str) -> None:
    """Every leaf instance that still runs more than once belongs to a finding without a fix."""
    if not outcome(unit, level).texts:
        return
    report = fixed_runs()[f"{unit.name} {level}"]
    assert "fixed_counts" in report, report.get("error")
    reasons = [(f.owner.partition(":")[2], f.subject) for f in outcome(unit, level).remaining]
    reasons += _deliberate(unit)
    for mode in ("eval", "train"):
        for leaf in report["fixed_counts"][mode]["repeated"]:
            explained = any(_explains(reason, link) for link in leaf["chain"] for reason in reasons)
            assert explained, f"{mode}: {leaf['names']} still runs {leaf['times']} times"


def _deliberate(unit: Unit) -> list[tuple[str, str]]:
    """Owners and subjects that run more than once and are not reported on purpose, by no rule."""
    found = []
    for place in places_of(unit):
        if not any(m.code == "QAT102" for m in place.marks):
            tree = ast.parse(place.file.read_text(encoding="utf-8"))
            found += [
                (owner_at(tree, m.line), m.subject)
                for m in place.marks
                if m.verb == "todo" or m.options.get("runs") == "many"
            ]
    return found


def _explains(reason: tuple[str, str], link: dict[str, Any]) -> bool:
    owner, subject = reason
    pattern = re.escape(subject).replace(r"\*", r"[^.]+") + r"(\.|$)"
    return owner in link["mro"] and re.match(pattern, link["rest"]) is not None
