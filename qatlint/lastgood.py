"""What was found in a text before it was broken, in the lines that are still as they were."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import AnyStr, NamedTuple

from qatlint.finding import Finding
from qatlint.trace import Span

NO_FIX = "the file has a syntax error"
_LINE_END = re.compile(rb"\r\n|\r|\n")


class Good(NamedTuple):
    """A text that could be parsed, and what was reported in it."""

    text: bytes
    findings: tuple[Finding, ...]


def moved(good: Good, text: bytes) -> list[Finding]:
    """The findings outside the lines in which `text` differs, at the places they have now, without fixes."""
    old, new = _LINE_END.split(good.text), _LINE_END.split(text)
    above, below = unchanged_ends(old, new)
    shift = len(new) - len(old)

    def now(span: Span) -> Span | None:
        if span.end_line <= above:
            return span
        if span.line > len(old) - below:
            return span._replace(line=span.line + shift, end_line=span.end_line + shift)
        return None

    result = []
    for finding in good.findings:
        place = now(finding.span)
        if place is not None:
            related = [(r, r.span if r.span.path != place.path else now(r.span)) for r in finding.related]
            kept = tuple(replace(r, span=span) for r, span in related if span is not None)
            result.append(replace(finding, span=place, related=kept, fix=None, no_fix=NO_FIX))
    return result


def unchanged_ends(old: Sequence[AnyStr], new: Sequence[AnyStr]) -> tuple[int, int]:
    """How many lines two texts share at the beginning and, behind these, at the end."""
    above = _same(old, new)
    return above, _same(old[above:][::-1], new[above:][::-1])


def _same(a: Sequence[AnyStr], b: Sequence[AnyStr]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
