"""Workflow commands of GitHub Actions: what is printed so becomes an annotation of the lines it names.

The form is GitHub's: `::warning file=...,line=...::message`, with `%`, line ends and, in properties, `:` and
`,` written as `%XX`. Columns are only taken for a place on one line. GitHub shows ten errors and ten warnings
of a step; all of them stand in its log.
"""

from __future__ import annotations

from qatlint.finding import Finding, Severity
from qatlint.report.formats import Report
from qatlint.report.width import one_line
from qatlint.report.words import remedy

_COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def document(report: Report) -> str:
    """A line for each finding."""
    return "\n".join(_command(finding, report.place(finding.span.path)) for finding in report.findings)


def _command(finding: Finding, path: str) -> str:
    span = finding.span
    properties: dict[str, object] = {"file": path, "line": span.line, "endLine": span.end_line}
    if span.line == span.end_line:
        # The last column belongs to the place here.
        properties.update(col=span.column, endColumn=max(span.end_column - 1, span.column))
    properties["title"] = f"{finding.code} {finding.name}"
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    text = "\n".join(filter(None, (one_line(finding.message), remedy(finding))))
    return f"::{_COMMANDS[finding.severity]} {listed}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
