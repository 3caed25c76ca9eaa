"""reviewdog's diagnostic format: one JSON object for the whole run.

Columns count bytes in UTF-8 from 1, and an end lies behind the last one. Older versions of reviewdog refuse
keys that they do not know, and related places are among these: none are given. A suggestion is one stretch
of text, so only a fix that changes one place is one; halves of a fix would be offered one by one.
"""

from __future__ import annotations

import json

from qatlint.finding import Finding, Severity
from qatlint.report.formats import Report
from qatlint.report.width import one_line
from qatlint.report.words import remedy
from qatlint.trace import Span

_SEVERITIES = {Severity.ERROR: "ERROR", Severity.WARNING: "WARNING", Severity.NOTE: "INFO"}


def document(report: Report) -> str:
    """The object, also when nothing was found."""
    diagnostics = [_diagnostic(finding, report) for finding in report.findings]
    return json.dumps({"source": {"name": "qatlint"}, "diagnostics": diagnostics}, indent=2)


def _diagnostic(finding: Finding, report: Report) -> dict[str, object]:
    text = "\n".join(filter(None, (one_line(finding.message), remedy(finding))))
    item: dict[str, object] = {
        "message": text,
        "location": {"path": report.place(finding.span.path), "range": _range(finding.span, report)},
        "severity": _SEVERITIES[finding.severity],
        "code": {"value": finding.code},
    }
    changes = report.replacements.get(finding, ())
    if len(changes) == 1:
        item["suggestions"] = [{"range": _range(changes[0].span, report), "text": changes[0].text}]
    return item


def _range(span: Span, report: Report) -> dict[str, object]:
    lines = report.lines(span.path)

    def position(line: int, column: int) -> dict[str, int]:
        text = lines[line - 1] if line <= len(lines) else ""
        behind = max(column - 1 - len(text), 0)  # in a file that is shorter than it was
        return {"line": line, "column": len(text[: column - 1].encode("utf-8", "replace")) + behind + 1}

    return {"start": position(span.line, span.column), "end": position(span.end_line, span.end_column)}
