"""A code quality report of GitLab: a JSON array of what its merge requests show.

GitLab compares two reports by fingerprint: one that is not in the report of the target branch is new. So a
fingerprint must be unique in its report, and stay the same when lines move (`qatlint.identity`).
"""

from __future__ import annotations

import json

from qatlint.finding import Finding, Severity
from qatlint.identity import fingerprints
from qatlint.report.formats import Report
from qatlint.report.width import one_line

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.NOTE: "info"}


def document(report: Report) -> str:
    """The array, empty when nothing was found."""
    marks = fingerprints(report.findings, report.lines, report.place)
    items = [
        _item(f, report.place(f.span.path), mark) for f, mark in zip(report.findings, marks, strict=True)
    ]
    return json.dumps(items, indent=2)


def _item(finding: Finding, path: str, mark: str) -> dict[str, object]:
    return {
        "description": f"{finding.code} {finding.name}: {one_line(finding.message)}",
        "check_name": finding.code,
        "fingerprint": mark,
        "severity": _SEVERITIES[finding.severity],
        "location": {"path": path, "lines": {"begin": finding.span.line, "end": finding.span.end_line}},
    }
