"""From texts to findings: broken files, one finding per thing, one process or several."""

from __future__ import annotations

import dataclasses
import gc
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from qatlint import engine, parallel, workers
from qatlint.aim import NOTHING
from qatlint.examined import Judged, merge
from qatlint.files import DiskLoader
from qatlint.finding import Finding, Severity
from qatlint.loader import Loader
from qatlint.registry import all_rules
from qatlint.rule import Rule
from qatlint.static.source import Unreadable
from qatlint.static.survey import Said, Survey, said_in
from qatlint.trace import Trace
from tests import fakes
from tests.static.sources import Memory

MODEL = """
from torch import nn

class Model{0}(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.act(x))
"""


def test_broken_files_are_said_and_the_rest_goes_on() -> None:
    loader = Memory({"a.py": "class A(\n", "b.py": MODEL.format(""), "c.py": b"x = 1\ny = \0\n"})
    found = engine.check(["a.py", "b.py", "c.py", "missing.py"], loader, all_rules())
    assert [(f.span.path, f.code, f.span.line, f.span.column) for f in found] == [
        ("a.py", "QAT000", 1, 8),
        ("b.py", "QAT101", 10, 16),
        ("c.py", "QAT000", 2, 5),
        ("missing.py", "QAT000", 1, 1),
    ]
    assert [f.message for f in found if f.code == "QAT000"] == [
        "syntax error: '(' was never closed",
        "source contains a null byte",
        "cannot read: No such file or directory",
    ]
    assert {f.severity for f in found if f.code == "QAT000"} == {Severity.ERROR}


def test_an_error_without_words_is_said_as_it_is() -> None:
    assert engine.unreadable("a.py", OSError("odd")).message == "cannot read: odd"
    finding = engine.unreadable("a.py", Unreadable("bad", 3, 4))
    assert (finding.span.line, finding.span.column, finding.message) == (3, 4, "bad")


def test_findings_are_only_in_the_files_asked_for() -> None:
    files = {
        "base.py": MODEL.format("Base"),
        "sub.py": "from base import ModelBase\nclass Sub(ModelBase):\n    pass\n",
    }
    assert engine.check(["sub.py"], Memory(files), all_rules()) == []
    assert [f.owner for f in engine.check(["base.py", "sub.py"], Memory(files), all_rules())] == [
        "base:ModelBase"
    ]


def test_training_code_is_not_judged() -> None:
    loader = Memory({"m.py": MODEL.format("Loss")})
    assert engine.check(["m.py"], loader, all_rules()) == []


def test_the_trace_of_the_class_itself_is_preferred() -> None:
    first, second = fakes.finding(message="of A"), fakes.finding(message="of B")
    assert merge([Judged(first, False), Judged(second, False)]) == [first]
    assert merge([Judged(second, False), Judged(first, False)]) == [first]
    own = fakes.finding(message="own", severity=Severity.NOTE)
    seen = fakes.finding(message="seen from a subclass", severity=Severity.ERROR)
    assert merge([Judged(seen, False), Judged(own, True)]) == [own]
    assert merge([Judged(own, True), Judged(seen, False)]) == [own]


def test_of_several_subclasses_the_most_severe_counts() -> None:
    note = fakes.finding(message="note", severity=Severity.NOTE)
    error = fakes.finding(message="error", severity=Severity.ERROR)
    later = fakes.finding(message="later", severity=Severity.ERROR, line=9)
    assert merge([Judged(f, False) for f in (note, later, error)]) == [error]


def test_different_things_stay_apart_and_are_sorted() -> None:
    findings = [
        fakes.finding(line=3),
        fakes.finding(line=1, subject="other"),
        fakes.finding(line=2, owner="a:Other"),
        fakes.finding(path="A.py"),
        fakes.finding(line=2, code="QAT102"),
    ]
    merged = merge(Judged(f, True) for f in findings)
    assert [(f.span.path, f.span.line, f.code) for f in merged] == [
        ("A.py", 1, "QAT101"),
        ("a.py", 1, "QAT101"),
        ("a.py", 2, "QAT101"),
        ("a.py", 2, "QAT102"),
        ("a.py", 3, "QAT101"),
    ]


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_left_as_it_was(enabled: bool) -> None:
    was = gc.isenabled()
    try:
        gc.enable() if enabled else gc.disable()
        engine.check(["m.py"], Memory({"m.py": MODEL.format("")}), all_rules())
        assert gc.isenabled() is enabled
    finally:
        gc.enable() if was else gc.disable()


def test_traces_of_a_file_and_of_one_class() -> None:
    loader = Memory({"m.py": MODEL.format("A") + MODEL.format("B") + "class C:\n    pass\n"})
    assert [t.owner for t in engine.traces("m.py", "", loader)] == ["m:ModelA", "m:ModelB"]
    assert [t.owner for t in engine.traces("m.py", "ModelB", loader)] == ["m:ModelB"]
    assert engine.traces("m.py", "C", loader) == []
    assert engine.module_classes("m.py", loader) == ["ModelA", "ModelB"]
    with pytest.raises(FileNotFoundError):
        engine.traces("missing.py", "", loader)


def _rule_about_owners(trace: Trace) -> Iterator[Finding]:
    yield fakes.finding(trace.span.path, trace.span.line, owner=trace.owner, subject="whole")


def test_each_class_is_judged_by_each_rule() -> None:
    rules = [Rule(code, code.lower(), Severity.NOTE, False, "0", "", "", _rule_about_owners) for code in "AB"]
    loader = Memory({"m.py": MODEL.format("A") + MODEL.format("B")})
    project = engine.open_project(["m.py"], loader)
    judged = engine.examine(["m.py"], project, rules).judged["m.py"]
    assert [j.finding.owner for j in judged] == ["m:ModelA", "m:ModelA", "m:ModelB", "m:ModelB"]
    assert all(j.own for j in judged)


def _many(folder: Path, count: int) -> list[str]:
    paths = []
    for i in range(count):
        path = folder / f"m{i:03}.py"
        path.write_text("broken(" if i == 7 else MODEL.format(i) if i % 3 else "x = 1\n")
        paths.append(str(path))
    base = folder / "m001.py"
    sub = folder / "sub.py"
    sub.write_text("from m001 import Model1\nclass Sub(Model1):\n    pass\n")
    assert base.exists()
    return [*paths, str(sub)]


@pytest.mark.parametrize("processors", [1, 2, 3])
def test_several_processes_find_the_same(
    tmp_path: Path, processors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = _many(tmp_path, parallel.FEW_FILES + 15)
    monkeypatch.setattr(workers, "processors", lambda: processors)
    alone = engine.check(paths, DiskLoader(), all_rules())
    assert len(alone) > 30
    assert parallel.examine(paths, paths, DiskLoader(), all_rules()).findings(paths) == alone


def test_several_processes_use_the_rules_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = _many(tmp_path, parallel.FEW_FILES + 5)
    monkeypatch.setattr(workers, "processors", lambda: 2)
    rules = [r for r in all_rules() if r.code == "QAT103"]
    assert {f.code for f in parallel.examine(paths, paths, DiskLoader(), rules).findings(paths)} == {"QAT000"}


def test_what_a_worker_does(tmp_path: Path) -> None:
    paths = _many(tmp_path, 6)
    try:
        do = parallel._worker([paths[:3], paths[3:]], paths, DiskLoader(), ("QAT101",), NOTHING, 2, {})
        judged = [j for found in do(0).judged.values() for j in found]
    finally:
        gc.unfreeze()
        gc.enable()
    assert {(j.finding.code, j.finding.subject) for j in judged} == {("QAT101", "act")}
    assert len(judged) == 2


def test_what_files_say_is_found_once_for_all_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [*_many(tmp_path, parallel.FEW_FILES + 5), str(tmp_path / "missing.py")]
    said = parallel._surveyed(paths, DiskLoader(), 3)
    assert said == said_in(paths, DiskLoader()) and set(said) == set(paths[:-1])
    asked: list[str] = []

    def watched(paths: Iterable[str], loader: Loader) -> dict[str, Said]:
        asked.extend(paths)
        return said_in(paths, loader)

    monkeypatch.setattr("qatlint.static.survey.said_in", watched)
    survey = Survey(DiskLoader(), paths, said)
    assert survey.with_base("Module") and asked == paths[-1:]
    survey.renew(paths[:1])
    assert survey.with_base("Module") and asked[1:] == [paths[0], paths[-1]]


def test_few_files_stay_in_this_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = _many(tmp_path, 3)
    seen: list[int] = []

    class Watching(DiskLoader):
        def read(self, path: str) -> bytes:
            seen.append(os.getpid())
            return super().read(path)

    parallel.examine(paths, paths, Watching(), all_rules())
    assert set(seen) == {os.getpid()}


def test_findings_are_values() -> None:
    finding = fakes.finding()
    assert dataclasses.replace(finding, message="x") != finding
    assert finding.severity.label == "warning"


def test_findings_are_the_same_however_little_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = _many(tmp_path, 50)
    base = tmp_path / "base.py"
    base.write_text(MODEL.format("Base"))
    sub = tmp_path / "sub.py"
    sub.write_text("from base import ModelBase\nclass Sub(ModelBase):\n    pass\n")
    paths += [str(base), str(sub)]
    forgotten: list[int] = []

    def found(lines_held: int) -> list[Finding]:
        project = engine.open_project(paths, DiskLoader())
        forget = project.forget

        def watched() -> None:
            forgotten.append(lines_held)
            forget()

        monkeypatch.setattr(project, "forget", watched)
        return engine.examine(paths, project, all_rules(), lines_held).findings(paths)

    monkeypatch.setattr(engine, "_COUNTED_FILES", 1)
    assert found(0) == found(1_000_000)
    assert set(forgotten) == {0}
    assert len(forgotten) > len(paths) / 2  # a file of which nothing was parsed leaves nothing to forget
