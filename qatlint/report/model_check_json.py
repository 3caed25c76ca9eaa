"""What the toolchain's report means, for programs; the keys are documented in the README."""

from __future__ import annotations

import json
from typing import Any

from qatlint.horizon.judging.judge import totals
from qatlint.horizon.judging.judgement import Judgement
from qatlint.report.model_check import Shown
from qatlint.resolve.located import Located, Place


def render(shown: Shown) -> str:
    """One JSON document."""
    check = shown.check
    return json.dumps(
        {
            "files": list(shown.files),
            "generation": check.generation.value,
            "sections": [section.value for section in check.sections],
            "unread": {"lines": check.unread_lines, "first": list(check.unread)},
            "without_rows": list(check.rowless),
            "cut_off": list(check.cut_off),
            "earlier_reports": check.earlier,
            "source": shown.has_source,
            "model": shown.model,
            "checked": shown.checked,
            "counts": {
                topic.value: {"rows": rows, "only_in_statistics": counted}
                for topic, (rows, counted) in totals(shown.judgements).items()
            },
            "judgements": [_judgement(judgement, shown) for judgement in shown.judgements],
            "notes": list(shown.notes),
        },
        indent=2,
        ensure_ascii=False,
    )


def _judgement(judgement: Judgement, shown: Shown) -> dict[str, Any]:
    located = shown.located.get(judgement, Located())
    return {
        "topic": judgement.topic.value,
        "rank": judgement.rank.label,
        "names": list(judgement.names),
        "class": judgement.type,
        "detail": judgement.detail,
        "times": judgement.times,
        "reason": judgement.reason,
        "next": judgement.step,
        "rules": list(judgement.codes),
        "places": [_place(place) for place in located.places],
        "why": located.why,
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity.label,
                "path": finding.span.path,
                "line": finding.span.line,
                "subject": finding.subject,
                "hidden": finding in shown.hidden,
            }
            for finding in shown.findings.get(judgement, ())
        ],
    }


def _place(place: Place) -> dict[str, Any]:
    span = place.span
    return {
        "role": place.role.value,
        "name": place.name,
        "owner": place.owner,
        "path": span.path,
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }
