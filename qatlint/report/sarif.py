"""SARIF 2.1.0, the OASIS standard for results of static analysis: one run in one log.

Columns count characters. Files are named relative to `%SRCROOT%`, the root of the repository, so that a log
says the same on every machine; a file outside of it has its whole URI. `partialFingerprints` hold an identity
that survives moved lines (`qatlint.identity`). Rules bring their documentation as help.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from urllib.parse import quote

import qatlint
from qatlint import catalogue
from qatlint.finding import Finding, Replacement
from qatlint.identity import fingerprints
from qatlint.report.formats import Report
from qatlint.report.width import one_line
from qatlint.report.words import remedy
from qatlint.trace import Span

_ROOT = "%SRCROOT%"
_FINGERPRINT = "qatlint/v1"

_Json = dict[str, object]


def document(report: Report) -> str:
    """The log, also when nothing was found."""
    entries = catalogue.entries()
    numbers = {entry.code: number for number, entry in enumerate(entries)}
    marks = fingerprints(report.findings, report.lines, report.place)
    run: _Json = {
        "tool": {
            "driver": {
                "name": "qatlint",
                "version": qatlint.__version__,
                "semanticVersion": qatlint.__version__,
                "rules": [_rule(entry) for entry in entries],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "results": [
            _result(finding, numbers[finding.code], mark, report)
            for finding, mark in zip(report.findings, marks, strict=True)
        ],
    }
    log = {
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    }
    return json.dumps(log, indent=2)


def _rule(entry: catalogue.Entry) -> _Json:
    return {
        "id": entry.code,
        "name": entry.name,
        "shortDescription": {"text": entry.summary},
        "fullDescription": {"text": entry.summary},
        "help": {"text": entry.doc.strip(), "markdown": entry.doc.strip()},
        "defaultConfiguration": {"level": entry.severity.label},
        "properties": {"tags": ["quantization", "pytorch"]},
    }


def _result(finding: Finding, number: int, mark: str, report: Report) -> _Json:
    text = "\n".join(filter(None, (one_line(finding.message), remedy(finding))))
    result: _Json = {
        "ruleId": finding.code,
        "ruleIndex": number,
        "level": finding.severity.label,
        "message": {"text": text},
        "locations": [_location(finding.span, report, finding)],
        "partialFingerprints": {_FINGERPRINT: mark},
    }
    if finding.related:
        result["relatedLocations"] = [
            {"id": number, **_location(item.span, report), "message": {"text": one_line(item.message)}}
            for number, item in enumerate(finding.related, 1)
        ]
    changes = report.replacements.get(finding)
    if changes and finding.fix is not None:
        result["fixes"] = [_fix(finding.fix.title, changes, report)]
    return result


def _location(span: Span, report: Report, finding: Finding | None = None) -> _Json:
    place: _Json = {"artifactLocation": _artifact(span.path, report), "region": _region(span)}
    location: _Json = {"physicalLocation": place}
    if finding is not None and finding.owner:
        name = ".".join(filter(None, (finding.owner.replace(":", "."), finding.subject)))
        location["logicalLocations"] = [{"fullyQualifiedName": name, "kind": "member"}]
    return location


def _artifact(path: str, report: Report) -> _Json:
    place = report.place(path)
    uri = quote(os.fsencode(place))
    return {"uri": f"file://{uri}"} if os.path.isabs(place) else {"uri": uri, "uriBaseId": _ROOT}


def _region(span: Span) -> _Json:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }


def _fix(title: str, changes: Sequence[Replacement], report: Report) -> _Json:
    by_path: dict[str, list[Replacement]] = {}
    for change in changes:
        by_path.setdefault(change.span.path, []).append(change)
    return {
        "description": {"text": title},
        "artifactChanges": [
            {
                "artifactLocation": _artifact(path, report),
                "replacements": [
                    {"deletedRegion": _region(c.span), "insertedContent": {"text": c.text}} for c in here
                ],
            }
            for path, here in by_path.items()
        ],
    }
