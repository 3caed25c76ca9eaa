"""The formats for programs: each against its specification, and what all have in common."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import pytest

from qatlint import catalogue
from qatlint.finding import Finding, Related, Replacement, Safety, Severity
from qatlint.identity import fingerprints
from qatlint.report.formats import FORMATS, Report, document
from qatlint.report.style import Style
from qatlint.report.words import subject
from tests.fakes import finding, fix, span
from tests.schemas import published, validate

SARIF = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/master/Schemata/sarif-schema-2.1.0.json"

SOURCES = {
    "a.py": ["self.relu = nn.ReLU()", "x = self.relu(x)", "", "", "return self.relu(x)"],
    "模型.py": ["名字 = '𐐀'; y = self.relu(x)"],
}
UNREADABLE = finding(
    "broken.py",
    code="QAT000",
    name="unreadable-file",
    severity=Severity.ERROR,
    message="syntax error: invalid syntax",
    owner="",
    subject="",
    times=None,
    no_fix="the file was not linted",
)
FOUND = finding(
    line=5,
    span=span("a.py", 5, 8, 9),
    related=(Related(span("a.py", 1, 13, 9), "made here"),),
    fix=fix(Safety.UNSAFE, "the keys grow"),
)
NOTE = finding(
    "模型.py", span=span("模型.py", 1, 15, 9), severity=Severity.NOTE, message="50 %, a:b\nc\x1b[0m"
)
ALL = (FOUND, UNREADABLE, NOTE)


def report(
    findings: Sequence[Finding],
    replacements: Mapping[Finding, Sequence[Replacement]] | None = None,
    sources: Mapping[str, list[str]] = SOURCES,
) -> Report:
    return Report(
        findings,
        ["a.py", "clean.py", "broken.py", "模型.py"],
        lambda path: sources.get(path, []),
        Style(),
        lambda path: f"sub/{path}",
        replacements or {},
    )


def rendered(name: str, findings: Sequence[Finding] = ALL, **more: Any) -> Any:
    text = document(name, report(findings, **more))
    if name == "junit":
        return ElementTree.fromstring(text)
    return json.loads(text) if name not in ("github", "full", "concise") else text.split("\n")


def test_the_table_has_all_files_that_are_formats() -> None:
    for entry in FORMATS.values():
        assert callable(importlib.import_module(f"qatlint.report.{entry.module}").document)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_could_not_be_read_is_in_every_format(name: str) -> None:
    text = document(name, report([UNREADABLE]))
    assert "broken.py" in text and "QAT000" in text and "syntax error: invalid syntax" in text


@pytest.mark.parametrize("name", [name for name, entry in FORMATS.items() if not entry.for_people])
def test_no_findings_are_a_valid_document_too(name: str) -> None:
    text = document(name, report([]))
    assert text == "" if name == "github" else text
    if name not in ("github", "junit"):
        json.loads(text)


@pytest.mark.parametrize("name", [name for name, entry in FORMATS.items() if not entry.for_people])
def test_no_control_character_leaves(name: str) -> None:
    text = document(name, report(ALL))
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
    assert "\\u001b" not in text or name == "json"  # where it is data, JSON's own escape is right


# --- github -----------------------------------------------------------------------------------------


def test_github_annotates_lines() -> None:
    assert rendered("github") == [
        "::warning file=sub/a.py,line=5,endLine=5,col=8,endColumn=16,title=QAT101 shared-module::"
        "`relu` runs twice%0Afix: use one instance per call (unsafe: the keys grow)",
        "::error file=sub/broken.py,line=1,endLine=1,col=1,endColumn=1,title=QAT000 unreadable-file::"
        "syntax error: invalid syntax%0Ano fix: the file was not linted",
        "::notice file=sub/模型.py,line=1,endLine=1,col=15,endColumn=23,title=QAT101 shared-module::"
        "50 %25, a:b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}[0m",
    ]


def test_github_escapes_properties_and_leaves_columns_of_several_lines_out() -> None:
    several = finding("a,b:c%.py", span=span("a,b:c%.py", 1, 3)._replace(end_line=4))
    (line,) = rendered("github", [several])
    assert line.startswith("::warning file=sub/a%2Cb%3Ac%25.py,line=1,endLine=4,title=QAT101 shared-module::")


# --- gitlab -----------------------------------------------------------------------------------------


def test_gitlab_gives_what_its_merge_requests_show() -> None:
    items = rendered("gitlab")
    assert items[0] == {
        "description": "QAT101 shared-module: `relu` runs twice",
        "check_name": "QAT101",
        "fingerprint": items[0]["fingerprint"],
        "severity": "major",
        "location": {"path": "sub/a.py", "lines": {"begin": 5, "end": 5}},
    }
    assert [item["severity"] for item in items] == ["major", "critical", "info"]
    assert all(re.fullmatch("[0-9a-f]{32}", item["fingerprint"]) for item in items)


def test_fingerprints_are_unique_and_survive_moved_lines() -> None:
    twice = [finding(line=2), finding(line=2), finding(line=5)]
    marks = [item["fingerprint"] for item in rendered("gitlab", twice)]
    assert len(set(marks)) == 3
    moved = {"a.py": ["", "# more", *(line + "  " for line in SOURCES["a.py"])]}
    later = [finding(line=4), finding(line=4), finding(line=7)]
    assert [item["fingerprint"] for item in rendered("gitlab", later, sources=moved)] == marks


def test_another_text_of_the_line_is_another_finding() -> None:
    def mark(last: str) -> str:
        (item,) = rendered("gitlab", [finding(line=2)], sources={"a.py": ["", last]})
        return str(item["fingerprint"])

    assert mark("return self.relu(x)") == mark("    return  self.relu( x )") != mark("return self.relu(y)")


# --- sarif ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("findings", [ALL, ()])
def test_sarif_is_valid_by_the_official_schema(findings: Sequence[Finding]) -> None:
    changes = {FOUND: (Replacement(span("a.py", 5, 8, 9), "self.relu_1"),)}
    validate(rendered("sarif", findings, replacements=changes), SARIF)


def test_the_validation_sees_a_wrong_log() -> None:
    log = rendered("sarif")
    log["runs"][0]["results"][0]["level"] = "fatal"
    with pytest.raises(AssertionError, match=r"\$\.runs\[0\]\.results\[0\]\.level"):
        validate(log, SARIF)


def test_sarif_rules_bring_their_documentation() -> None:
    (run,) = rendered("sarif")["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [entry.code for entry in catalogue.entries()]
    for rule, entry in zip(rules, catalogue.entries(), strict=True):
        assert rule["help"]["markdown"] == entry.doc.strip()
        assert rule["defaultConfiguration"]["level"] == entry.severity.label
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_places_fixes_and_fingerprints() -> None:
    changes = {FOUND: (Replacement(span("a.py", 5, 8, 9), "self.relu_1"),)}
    result = rendered("sarif", replacements=changes)["runs"][0]["results"][0]
    region = {"startLine": 5, "startColumn": 8, "endLine": 5, "endColumn": 17}
    artifact = {"uri": "sub/a.py", "uriBaseId": "%SRCROOT%"}
    assert result["locations"][0]["physicalLocation"] == {"artifactLocation": artifact, "region": region}
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "a.Block.relu"
    assert result["relatedLocations"][0]["message"] == {"text": "made here"}
    assert result["fixes"] == [
        {
            "description": {"text": "use one instance per call"},
            "artifactChanges": [
                {
                    "artifactLocation": artifact,
                    "replacements": [{"deletedRegion": region, "insertedContent": {"text": "self.relu_1"}}],
                }
            ],
        }
    ]
    (mark,) = fingerprints([FOUND], lambda path: SOURCES[path], lambda path: f"sub/{path}")
    assert result["partialFingerprints"] == {"qatlint/v1": mark}


def test_sarif_names_files_by_uri() -> None:
    def uris(path: str) -> dict[str, str]:
        text = document("sarif", report([finding(path)])._replace(place=lambda path: path))
        location = json.loads(text)["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
        found: dict[str, str] = location["artifactLocation"]
        return found

    assert uris("a b/模.py") == {"uri": "a%20b/%E6%A8%A1.py", "uriBaseId": "%SRCROOT%"}
    assert uris("/else where/a.py") == {"uri": "file:///else%20where/a.py"}


# --- junit ------------------------------------------------------------------------------------------


def test_junit_has_a_suite_for_each_file_and_a_test_for_each_finding() -> None:
    root = rendered("junit")
    assert root.attrib == {"name": "qatlint", "tests": "4", "failures": "2", "errors": "1", "time": "0"}
    assert [
        (suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("errors")) for suite in root
    ] == [
        ("sub/a.py", "1", "1", "0"),
        ("sub/clean.py", "1", "0", "0"),
        ("sub/broken.py", "1", "0", "1"),
        ("sub/模型.py", "1", "1", "0"),
    ]
    (test,) = root[0]
    assert test.attrib == {
        "name": "QAT101 shared-module relu of Block",
        "classname": "sub/a.py",
        "file": "sub/a.py",
        "line": "5",
        "time": "0",
    }
    (failure,) = test
    assert (failure.tag, failure.get("message"), failure.get("type")) == (
        "failure",
        "`relu` runs twice",
        "warning",
    )
    assert failure.text is not None and "fix: use one instance per call" in failure.text
    assert [child.tag for child in root[2][0]] == ["error"] and list(root[1][0]) == []


def test_junit_names_are_unique_and_the_text_is_ascii() -> None:
    text = document("junit", report([finding(), finding(line=2), NOTE]))
    assert text.isascii() and text.startswith("<?xml version='1.0' encoding='UTF-8'?>")
    names = [test.get("name") for test in ElementTree.fromstring(text).iter("testcase")]
    assert names[:2] == ["QAT101 shared-module relu of Block", "QAT101 shared-module relu of Block (2)"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "relu of Block"),
        ({"owner": ""}, "relu"),
        ({"subject": ""}, "Block"),
        ({"owner": "", "subject": ""}, ""),
    ],
)
def test_what_a_finding_is_about(changes: dict[str, Any], expected: str) -> None:
    assert subject(finding(**changes)) == expected


# --- rdjson -----------------------------------------------------------------------------------------

RDJSON_KEYS = {
    "": {"diagnostics", "source", "severity"},
    "diagnostics": {"message", "location", "severity", "source", "code", "suggestions", "original_output"},
    "location": {"path", "range"},
    "range": {"start", "end"},
    "start": {"line", "column"},
    "end": {"line", "column"},
    "code": {"value", "url"},
    "source": {"name", "url"},
    "suggestions": {"range", "text"},
}
"""What reviewdog has always known; older versions refuse anything else."""


def unknown_keys(value: Any, kind: str = "") -> list[str]:
    if isinstance(value, list):
        return [key for item in value for key in unknown_keys(item, kind)]
    if not isinstance(value, dict):
        return []
    deeper = [found for key, item in value.items() for found in unknown_keys(item, key)]
    return [*(value.keys() - RDJSON_KEYS[kind]), *deeper]


def test_rdjson_has_only_keys_that_reviewdog_knows() -> None:
    changes = {FOUND: (Replacement(span("a.py", 5, 8, 9), "self.relu_1"),)}
    found = rendered("rdjson", replacements=changes)
    assert unknown_keys(found) == []
    assert unknown_keys({"diagnostics": [{"related": []}]}) == ["related"]
    assert [item["severity"] for item in found["diagnostics"]] == ["WARNING", "ERROR", "INFO"]


def test_rdjson_counts_columns_in_bytes() -> None:
    item = rendered("rdjson")["diagnostics"][2]
    before = len("名字 = '𐐀'; y = ".encode())
    assert item["location"]["range"] == {
        "start": {"line": 1, "column": before + 1},
        "end": {"line": 1, "column": before + 10},
    }


def test_a_file_that_has_become_shorter_keeps_its_columns() -> None:
    for gone in (finding(line=2, column=30), finding(line=9, column=30)):
        (item,) = rendered("rdjson", [gone])["diagnostics"]
        assert item["location"]["range"]["start"] == {"line": gone.span.line, "column": 30}


def test_rdjson_suggests_only_what_is_one_change() -> None:
    one = Replacement(span("a.py", 5, 8, 9), "self.relu_1")
    (item,) = rendered("rdjson", [FOUND], replacements={FOUND: (one,)})["diagnostics"]
    assert item["suggestions"] == [
        {
            "range": {"start": {"line": 5, "column": 8}, "end": {"line": 5, "column": 17}},
            "text": "self.relu_1",
        }
    ]
    (item,) = rendered("rdjson", [FOUND], replacements={FOUND: (one, one)})["diagnostics"]
    assert "suggestions" not in item


def test_the_schema_is_the_published_one() -> None:
    assert published(SARIF)["title"].startswith("Static Analysis Results Format (SARIF) Version 2.1.0")
