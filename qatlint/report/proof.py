"""A proof for a person: which statements hold, in the widths of a terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence

from qatlint.report.style import Style
from qatlint.report.width import wrap
from qatlint.runtime.point import Point
from qatlint.runtime.verify import Report

_BACKENDS = {
    "reference": "reference (the toolchain's rules as documented, on the executed graph; "
    "horizon_plugin_pytorch is not installed here)",
    "horizon": "reference (the toolchain's rules as documented, on the executed graph) and horizon (the "
    "plugin's own prepare)",
}
_DETAILS = 12
"""Details shown of one point; more are counted."""


def backend_words(backend: str) -> str:
    """Which judge the first line of a report names."""
    return f"backend: {_BACKENDS[backend]}"


def render(report: Report, before: str, after: str, style: Style) -> str:
    """The report as text. `before` and `after` say in words which versions were compared."""
    lines = wrap(backend_words(report.backend), style.width)
    samples = "1 sample" if report.samples == 1 else f"{report.samples} samples"
    lines += wrap(f"{before} against {after}, {samples}, torch {report.torch}", style.width)
    lines.append("")
    for number, point in enumerate(report.points, 1):
        lines += _point(number, point, style)
    for note in shortened(report.notes, _DETAILS):
        lines += wrap(f"note: {note}", style.width)
    held = sum(point.holds for point in report.points)
    verdict = "proved" if report.holds else "not proved"
    lines += [
        "",
        f"{style.paint(verdict, 'green' if report.holds else 'red')}: {held} of {len(report.points)} hold",
    ]
    return "\n".join(lines)


def _point(number: int, point: Point, style: Style) -> list[str]:
    mark = style.paint("ok  ", "green") if point.holds else style.paint("FAIL", "red")
    lead = f"  {number} "
    indent = " " * (len(lead) + 5)
    first, *others = wrap(f"{point.title}: {point.summary}", max(style.width - len(indent), 20))
    lines = [f"{lead}{mark} {first}", *(indent + text for text in others)]
    for detail in shortened(point.details, _DETAILS):
        for position, text in enumerate(wrap(detail, max(style.width - len(indent) - 4, 20))):
            lines.append(f"{indent}{'- ' if position == 0 else '  '}{text}")
    return lines


def shortened(details: Sequence[str], most: int) -> list[str]:
    """The first of them, and how many more there are."""
    if len(details) <= most:
        return list(details)
    return [*details[:most], f"and {len(details) - most} more"]


def as_json(report: Report, before: str, after: str) -> str:
    """The report for programs; the keys are documented in the README."""
    return json.dumps(
        {
            "backend": report.backend,
            "torch": report.torch,
            "before": before,
            "after": after,
            "samples": report.samples,
            "holds": report.holds,
            "points": [point._asdict() for point in report.points],
            "copies": dict(report.copies),
            "notes": list(report.notes),
        },
        indent=2,
    )
