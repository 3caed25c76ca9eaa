"""Which findings and which rows of the toolchain's report speak of the same thing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qatlint.finding import Finding
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.resolve.names import Names
from qatlint.trace import On

_NAMED = 2
"""Rows that a message names."""


class Links:
    """The rows of a report and the places in source that they come from."""

    def __init__(self, judgements: Sequence[Judgement], names: Names) -> None:
        self._rows = [judgement for judgement in judgements if judgement.named]
        self._names = names
        self._reached = {judgement: names.reached(judgement) for judgement in self._rows}

    def rows_about(self, finding: Finding) -> list[Judgement]:
        """The rows that say what a finding says: its rule looks for them, and it stands at an op of the row
        or at a call that leads to it, or is about how often the very module of the row runs."""
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
        runs, ways = self._reached[row]
        # The other places of a finding may be calls on the way to it, which lead to much else.
        others = {related.span for related in finding.related}
        if finding.span in runs or finding.span in ways or not runs.isdisjoint(others):
            return True
        # What is said of a module may stand where it is made.
        return finding.times is not None and self._names.is_member(row, finding.owner, finding.subject)

    def findings_about(self, findings: Sequence[Finding]) -> Mapping[Judgement, tuple[Finding, ...]]:
        """Row -> the findings about it, in their order."""
        found: dict[Judgement, tuple[Finding, ...]] = {}
        for finding in findings:
            for row in self.rows_about(finding):
                found[row] = (*found.get(row, ()), finding)
        return found

    def said(self, finding: Finding) -> str:
        """Which rows say what a finding says, in words; "" where none does."""
        rows = self.rows_about(finding)
        if not rows:
            return ""
        shown = [f"`{' + '.join(row.names)}` ({row.detail})" for row in rows[:_NAMED]]
        more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
        return f"confirmed by the toolchain: {', '.join(shown)}{more}"


def unexplained(judgements: Sequence[Judgement], explained: Mapping[Judgement, object]) -> list[Judgement]:
    """The rows to look at or check that no finding speaks of."""
    return [row for row in judgements if row.named and row.rank is not Rank.KNOW and row not in explained]
