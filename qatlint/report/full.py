"""The full text of a finding: message, source with every place that matters, and the fix."""

from __future__ import annotations

from qatlint.finding import Finding, Related, Safety
from qatlint.report.excerpt import Mark, excerpt, widest_number
from qatlint.report.formats import Lines, Report
from qatlint.report.style import SEVERITY_COLOURS, Style
from qatlint.report.width import one_line, wrap


def document(report: Report) -> str:
    """All findings, each followed by an empty line."""
    return "\n".join(render(finding, report.lines, report.style) + "\n" for finding in report.findings)


def render(finding: Finding, lines: Lines, style: Style) -> str:
    """One finding as text, without a line end."""
    colour = SEVERITY_COLOURS[finding.severity]
    gutter = widest_number((finding.span, *(related.span for related in finding.related)))
    rows = _message(finding, colour, style)
    for number, (path, marks) in enumerate(_by_file(finding, colour).items()):
        arrow = style.paint("-->" if number == 0 else ":::", "blue")
        place = marks[0].span
        rows.append(f"{' ' * gutter}{arrow} {one_line(path)}:{place.line}:{place.column}")
        rows += excerpt(marks, lines(path), gutter, style)
    rows += _fix(finding, gutter, style)
    return "\n".join(rows)


def _message(finding: Finding, colour: str, style: Style) -> list[str]:
    head = f"{finding.severity.label}[{finding.code}]"
    first, *others = wrap(finding.message, style.width - 2, first=len(head))
    return [
        f"{style.paint(head, colour)}{style.paint(': ' + first, 'bold')}",
        *("  " + style.paint(text, "bold") for text in others),
    ]


def _by_file(finding: Finding, colour: str) -> dict[str, list[Mark]]:
    """Marks by file: the finding's own first. A related place that is the finding's own is its label."""
    labels = [related.message for related in finding.related if related.span == finding.span]
    primary = Mark(finding.span, "; ".join(labels), colour, primary=True)
    files = {finding.span.path: [primary]}
    for related in _elsewhere(finding):
        files.setdefault(related.span.path, []).append(Mark(related.span, related.message, "blue"))
    return files


def _elsewhere(finding: Finding) -> list[Related]:
    return [related for related in finding.related if related.span != finding.span]


def _fix(finding: Finding, gutter: int, style: Style) -> list[str]:
    if finding.fix is not None:
        safe = finding.fix.safety is Safety.SAFE
        how = "safe" if safe else f"unsafe: {finding.fix.reason}" if finding.fix.reason else "unsafe"
        label, text = "fix", f"{finding.fix.title} ({how})"
    elif finding.no_fix:
        label, text = "no fix", finding.no_fix
    else:
        return []
    lead = f"{' ' * gutter} = {label}: "
    first, *others = wrap(text, style.width - len(lead))
    sign = f"{' ' * gutter} {style.paint('=', 'blue')} {style.paint(label + ':', 'bold')} "
    return [sign + first, *(" " * len(lead) + text for text in others)]
