"""Which findings and which rows of the toolchain's report speak of the same thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qatlint.finding import Finding
from qatlint.horizon.judging.counted import Counted
from qatlint.horizon.judging.facts import FLOATS, generated_of
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.resolve.names import OF_CALLS, Names
from qatlint.trace import On, QuantOp

_OF_FLOATS = frozenset({Topic.FLOAT_INPUT, Topic.MIXED})
_NAMED = 2
"""Rows that a message names."""


class Links:
    """The rows of a report and the places in source that they come from."""

    def __init__(self, judgements: Sequence[Judgement], names: Names, counted: Counted) -> None:
        self._rows = [judgement for judgement in judgements if judgement.named]
        self._names, self._counted = names, counted
        self._reached = {judgement: names.reached(judgement) for judgement in self._rows}

    def rows_about(self, finding: Finding) -> list[Judgement]:
        """The rows that say what a finding says of the very thing that it is about, or of all parts of it."""
        rows = [row for row in self._rows if finding.code in row.codes and self._is_about(finding, row)]
        return rows or self._only_entry(finding)

    def _only_entry(self, finding: Finding) -> list[Judgement]:
        """The row of the one entry of a family that is called several times, where a finding says that one of
        them always is: source does not tell which."""
        if "*" not in finding.subject or finding.on is not On.ALWAYS:
            return []
        if finding.times is None or finding.times.least < 2:
            return []
        found = [
            row
            for row in self._rows
            if row.topic is Topic.SHARED
            and finding.code in row.codes
            and self._names.is_member(row, finding.owner, finding.subject, any_entry=True)
        ]
        return found if len(found) == 1 else []

    def _is_about(self, finding: Finding, row: Judgement) -> bool:
        if finding.times is None:
            return any(
                self._meets(finding, op) and _may_be_given(finding, op, row) for op in self._reached[row]
            )
        if row.topic is Topic.UNFUSED:
            return any(self._may_repeat(finding, label) for label in row.names)
        others = {finding.span, *(related.span for related in finding.related)}
        if any(op.span in others for op in self._reached[row]):
            return all(self._may_be(finding, label) for label in row.names)
        # What is said of a module may stand where it is made.
        if self._names.is_member(row, finding.owner, finding.subject):
            return True
        return row.topic is Topic.SHARED and self._repeats_all(finding, row)

    def _meets(self, finding: Finding, op: QuantOp) -> bool:
        """Whether an op is where a finding about a tensor or a stub stands, or one of its other places. What
        stands at a call is about these places inside of that call, which leads to much else."""
        if op.span == finding.span:
            return True
        if all(op.span != related.span for related in finding.related):
            return False
        return finding.span in op.via or finding.span not in self._names.ways

    def _may_be(self, finding: Finding, label: str) -> bool:
        """Whether a label may be of what a finding is about: other modules may run at the same line."""
        subject = finding.subject
        return not subject or "*" in subject or self._names.is_of(label, finding.owner, subject)

    def _may_repeat(self, finding: Finding, label: str) -> bool:
        """Whether a finding that something runs several times is about this member of a sequence, and the
        counts do not say that it runs once."""
        spans = {finding.span, *(related.span for related in finding.related)}
        if all(op.span not in spans for op in self._names.ops_of(label)[0]):
            return False
        if not self._may_be(finding, label):
            return False
        return self._counted.times(label.removesuffix("(shared)")) != 1

    def _repeats_all(self, finding: Finding, row: Judgement) -> bool:
        """Whether a finding that a module runs several times is about the one around that of a row, by the
        counts: that it is called several times may be the work of the code inside."""
        (label,) = row.names
        owner = self._names.owner_in(label, finding.owner, finding.subject)
        if not owner or self._counted.runs_of_all_below(owner) < 2:
            return False
        inside = {
            (*op.via[op.via.index(finding.span) + 1 :], op.span)
            for op in self._reached[row]
            if finding.span in op.via
        }
        times = self._counted.times(label)
        return bool(inside) and times is not None and times > len(inside)

    def findings_about(self, findings: Sequence[Finding]) -> Mapping[Judgement, tuple[Finding, ...]]:
        """Row -> the findings about it, in their order."""
        found: dict[Judgement, tuple[Finding, ...]] = {}
        for finding in findings:
            for row in self.rows_about(finding):
                found[row] = (*found.get(row, ()), finding)
        return found

    def confirming(self, finding: Finding) -> list[Judgement]:
        """The rows that say what a finding says, and surely of the very thing."""
        return [row for row in self.rows_about(finding) if self._is_sure(finding, row)]

    def _is_sure(self, finding: Finding, row: Judgement) -> bool:
        """Whether a row of one call can mean no other line than the finding is about, also not one that
        nobody knows of."""
        if finding.times is not None:
            return True
        spans = {finding.span, *(related.span for related in finding.related)}
        labels = [n for n in row.names if row.topic is not Topic.UNFUSED or generated_of(n) is not None]
        found = [self._names.ops_of(label, is_call=row.topic in OF_CALLS) for label in labels]
        return all(not why and all(op.span in spans for op in ops) for ops, why in found)


def said(rows: Sequence[Judgement]) -> str:
    """That rows confirm a finding, in words; "" where there are none."""
    if not rows:
        return ""
    shown = [f"`{' + '.join(row.names)}` ({row.detail})" for row in rows[:_NAMED]]
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return f"confirmed by the toolchain: {', '.join(shown)}{more}"


def _may_be_given(finding: Finding, op: QuantOp, row: Judgement) -> bool:
    """Whether the float tensor that a finding is about may be the one that a row is about, which has no other
    dtype in its place. Of a convolution that is fused with an add nobody knows which place is whose."""
    spans = {finding.span, *(related.span for related in finding.related)}
    places = [
        n for n, state in enumerate(op.operands) if any(origin.span in spans for origin in state.origins)
    ]
    if not places or row.topic not in _OF_FLOATS or "Add" in row.type or len(row.given) != len(op.operands):
        return True
    return any(row.given[place] in FLOATS for place in places)


def unexplained(judgements: Sequence[Judgement], explained: Mapping[Judgement, object]) -> list[Judgement]:
    """The rows to look at or check that no finding speaks of."""
    return [row for row in judgements if row.named and row.rank is not Rank.KNOW and row not in explained]
