"""Findings as a JSON array for programs. The keys are a promise: add none, drop none (`check --report` has
one more)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qatlint.finding import Finding
from qatlint.report.formats import Report
from qatlint.report.summary import RuleCount
from qatlint.trace import Span

if TYPE_CHECKING:
    from qatlint.horizon.judging.judgement import Judgement


def document(report: Report) -> str:
    """All findings as the array. With a report of the toolchain, each says which rows of it confirm it, and
    rows that no finding explains are entries of their own, whose code is null."""
    toolchain = report.toolchain
    if toolchain is None:
        return render(report.findings)
    items = [
        {**_item(finding), "confirmed_by": list(map(_row, toolchain.confirmed.get(finding, ())))}
        for finding in report.findings
    ]
    rows = [{"code": None, "name": "unexplained-row", **_row(row)} for row in toolchain.unexplained]
    return json.dumps([*items, *rows], indent=2)


def _row(row: Judgement) -> dict[str, object]:
    return {"topic": row.topic.value, "rank": row.rank.label, "names": list(row.names), "detail": row.detail}


def render(findings: Sequence[Finding]) -> str:
    """The array as text, without a line end."""
    return json.dumps([_item(finding) for finding in findings], indent=2)


def render_statistics(counts: Sequence[RuleCount], unknown: Mapping[str, int]) -> str:
    """Counts per rule as an array, without a line end; ops that the op table does not have are one more
    entry, whose code is null."""
    rows = [_statistic(count) for count in counts]
    if unknown:
        total = sum(unknown.values())
        ops = dict(sorted(unknown.items()))
        rows.append({"code": None, "name": "unknown-op", "count": total, "fixable": _NOTHING, "ops": ops})
    return json.dumps(rows, indent=2)


_NOTHING = {"safe": 0, "unsafe": 0}


def _statistic(count: RuleCount) -> dict[str, object]:
    fixable = {"safe": count.safe, "unsafe": count.unsafe}
    return {"code": count.code, "name": count.name, "count": count.found, "fixable": fixable}


def _item(finding: Finding) -> dict[str, object]:
    fix, times = finding.fix, finding.times
    related = [_place(item.span, item.message) for item in finding.related]
    if fix is None and finding.no_fix:
        related.append(_place(finding.span, f"no automatic fix: {finding.no_fix}"))
    return {
        "code": finding.code,
        "name": finding.name,
        "severity": finding.severity.label,
        "message": finding.message,
        "path": finding.span.path,
        "line": finding.span.line,
        "column": finding.span.column,
        "end_line": finding.span.end_line,
        "end_column": finding.span.end_column,
        "owner": finding.owner,
        "subject": finding.subject,
        # A finding that counts nothing says "any number of times", so the key has one shape.
        "times": {"least": times.least if times else 0, "most": times.most if times else None},
        "on": finding.on.value,
        "related": related,
        "fix": {"title": fix.title, "safety": fix.safety.value, "reason": fix.reason} if fix else None,
    }


def _place(span: Span, message: str) -> dict[str, object]:
    return {"path": span.path, "line": span.line, "column": span.column, "message": message}
