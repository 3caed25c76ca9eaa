"""What the toolchain's report means, for programs; the keys are documented in the README."""

from __future__ import annotations

import json
from typing import Any

from qatlint.horizon.judging.judge import totals
from qatlint.horizon.judging.judgement import Judgement
from qatlint.report.model_check import Shown


def render(shown: Shown) -> str:
    """One JSON document."""
    check = shown.check
    return json.dumps(
        {
            "files": list(shown.files),
            "generation": check.generation.value,
            "sections": [section.value for section in check.sections],
            "unread": {"lines": check.unread_lines, "first": list(check.unread)},
            "earlier_reports": check.earlier,
            "counts": {
                topic.value: {"rows": rows, "only_in_statistics": counted}
                for topic, (rows, counted) in totals(shown.judgements).items()
            },
            "judgements": [_judgement(judgement) for judgement in shown.judgements],
        },
        indent=2,
        ensure_ascii=False,
    )


def _judgement(judgement: Judgement) -> dict[str, Any]:
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
    }
