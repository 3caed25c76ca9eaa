"""One line per finding: `path:line:column: CODE severity message`."""

from __future__ import annotations

from qatlint.finding import Finding
from qatlint.report.style import SEVERITY_COLOURS, Style
from qatlint.report.width import one_line


def render(finding: Finding, style: Style) -> str:
    """One finding as a line, without a line end."""
    place = f"{one_line(finding.span.path)}:{finding.span.line}:{finding.span.column}:"
    kind = style.paint(f"{finding.code} {finding.severity.label}", SEVERITY_COLOURS[finding.severity])
    return f"{style.paint(place, 'bold')} {kind} {one_line(finding.message)}"
