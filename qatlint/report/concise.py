"""One line per finding: `path:line:column: CODE severity message`."""

from __future__ import annotations

from qatlint.finding import Finding
from qatlint.report.formats import Report
from qatlint.report.style import SEVERITY_COLOURS, Style
from qatlint.report.width import one_line


def document(report: Report) -> str:
    """All findings, a line each."""
    return "\n".join(render(finding, report.style) for finding in report.findings)


def render(finding: Finding, style: Style) -> str:
    """One finding as a line, without a line end."""
    place = f"{one_line(finding.span.path)}:{finding.span.line}:{finding.span.column}:"
    kind = style.paint(f"{finding.code} {finding.severity.label}", SEVERITY_COLOURS[finding.severity])
    return f"{style.paint(place, 'bold')} {kind} {one_line(finding.message)}"
