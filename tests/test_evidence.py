"""Findings weighed by what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qatlint.cli.run import run as main
from qatlint.evidence import Evidence, EvidenceError, read
from qatlint.finding import Finding, Severity
from qatlint.trace import Span

MODEL = """\
from torch import nn


class Base(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.GELU()

    def forward(self, x):
        return self.act(self.act(x))


class Net(Base):
    pass
"""


def edge(
    verdict: str, gain: float, *, owners: tuple[str, ...] = ("model:Net", "model:Base"), **others: Any
) -> dict[str, Any]:
    entry = {
        "owners": list(owners),
        "subjects": ["act"],
        "files": ["model.py"],
        "modules": ["act"],
        "gain": {"int8": gain, "int16": gain},
        "verdict": {"int8": verdict, "int16": "stay"},
    }
    return {**entry, **others}


def document(*edges: dict[str, Any], **others: Any) -> str:
    raw = {"kind": "qatlint-ranges", "version": 1, "format": "int8", "samples": 3, "evidence": list(edges)}
    return json.dumps({**raw, **others})


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path


def evidence(here: Path, *edges: dict[str, Any], **others: Any) -> Evidence:
    (here / "ranges.json").write_text(document(*edges, **others))
    return read("ranges.json")


def finding(severity: Severity = Severity.WARNING, **others: Any) -> Finding:
    facts: dict[str, Any] = {
        "code": "QAT101",
        "name": "shared-module",
        "severity": severity,
        "message": "runs twice",
        "span": Span("model.py", 10, 16, 10, 32),
        "owner": "package.model:Base",
        "subject": "act",
    }
    return Finding(**{**facts, **others})


@pytest.mark.parametrize(
    "verdict, before, after",
    [
        ("split", Severity.NOTE, Severity.WARNING),
        ("split", Severity.WARNING, Severity.ERROR),
        ("split", Severity.ERROR, Severity.ERROR),
        ("look", Severity.WARNING, Severity.WARNING),
        ("stay", Severity.ERROR, Severity.NOTE),
    ],
)
def test_severities_follow_the_verdict(here: Path, verdict: str, before: Severity, after: Severity) -> None:
    assert evidence(here, edge(verdict, 7.0)).weigh(finding(before)).severity is after


def test_the_message_says_what_was_measured(here: Path) -> None:
    weighed = evidence(here, edge("split", 7.64)).weigh(finding())
    assert weighed.message == "runs twice; measured on 3 samples at int8, a split gives 7.6 dB back"
    one = evidence(here, edge("stay", -0.2), samples=1).weigh(finding())
    assert one.message.endswith("measured on 1 sample at int8, a split gives 0.0 dB back")


def test_the_format_that_was_judged_counts(here: Path) -> None:
    assert evidence(here, edge("split", 7.0), format="int16").weigh(finding()).severity is Severity.NOTE


@pytest.mark.parametrize(
    "other",
    [
        {"owner": "package.model:Other"},
        {"subject": "relu"},
        {"code": "QAT103"},
        {"span": Span("elsewhere.py", 10, 16, 10, 32)},
    ],
)
def test_what_was_not_measured_stays_as_it_is(here: Path, other: dict[str, Any]) -> None:
    unknown = finding(**other)
    assert evidence(here, edge("split", 7.0)).weigh(unknown) is unknown


def test_of_two_subclasses_the_worse_counts(here: Path) -> None:
    edges = [edge("stay", 0.1), edge("split", 9.0, owners=("model:Other", "model:Base")), edge("look", 2.0)]
    assert evidence(here, *edges).weigh(finding()).severity is Severity.ERROR


@pytest.mark.parametrize(
    "text, said",
    [
        ("no", "not a JSON document"),
        ("[]", "not written by"),
        ("{}", "not written by"),
        (document(version=2), "another version"),
        (document({"owners": []}), "damaged"),
        (document(edge("perhaps", 1.0)), "damaged"),
        (document(edge("split", float("nan"))), "damaged"),
        (document(evidence=None), "damaged"),
        (document(samples="many"), "damaged"),
    ],
)
def test_what_is_no_evidence_is_refused(here: Path, text: str, said: str) -> None:
    (here / "ranges.json").write_text(text)
    with pytest.raises(EvidenceError, match=said):
        read("ranges.json")


def test_bytes_that_are_no_text_are_refused(here: Path) -> None:
    (here / "ranges.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(EvidenceError, match="not a JSON document"):
        read("ranges.json")


def test_check_is_weighed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "ranges.json").write_text(document(edge("split", 7.6)))
    assert main(["check", "model.py", "--select-from", "ranges.json", "--output-format", "concise"]) == 1
    assert "error" in (said := capsys.readouterr().out) and "a split gives 7.6 dB back" in said
    (here / "ranges.json").write_text(document(edge("stay", 0.0)))
    assert main(["check", "model.py", "--select-from", "ranges.json"]) == 0
    assert main(["check", "model.py", "--select-from", "ranges.json", "--fix"]) == 0
    assert (here / "model.py").read_text() == MODEL, "what is not shown is not fixed"
    capsys.readouterr()


def test_evidence_about_other_files_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "ranges.json").write_text(document(edge("split", 7.6, files=["sub/model.py"])))
    assert main(["check", "model.py", "--select-from", "ranges.json"]) == 1
    assert "nothing was measured of these files" in capsys.readouterr().err
    (here / "ranges.json").write_text(document(edge("split", 7.6)))
    main(["check", ".", "--select-from", "ranges.json"])
    assert capsys.readouterr().err == ""


def test_a_missing_file_is_wrong_usage(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "model.py", "--select-from", "nowhere.json"]) == 2
    assert "--select-from: nowhere.json: No such file" in capsys.readouterr().err
