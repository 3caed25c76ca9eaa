"""All judgements about one report, ranked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

from qatlint.horizon.judging import calls, dtypes, fusion, qconfigs
from qatlint.horizon.judging.facts import NOT_READ, NOTHING_SAID, InSource, Settings, kinds
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.horizon.report.values import ModelCheck

_ORDER = list(Topic)


def judge(
    check: ModelCheck, settings: Settings = NOTHING_SAID, in_source: InSource = NOT_READ
) -> list[Judgement]:
    """Every judgement, those to look at first in front; the order of the file is kept within a topic.

    The file's own word comes before that of the source.
    """
    known = in_source._replace(kinds={**in_source.kinds, **kinds(check)})
    found = [
        *dtypes.judge(check, settings),
        *calls.judge(check, known),
        *fusion.judge(check),
        *qconfigs.judge(check, settings),
    ]
    return sorted(found, key=lambda j: (j.rank, _ORDER.index(j.topic)))


class Group(NamedTuple):
    """Judgements that are the same but for their rows."""

    topic: Topic
    rank: Rank
    reason: str
    step: str
    codes: tuple[str, ...]
    judgements: tuple[Judgement, ...]

    @property
    def named(self) -> int:
        """Rows that the file has."""
        return sum(judgement.times for judgement in self.judgements if judgement.named)

    @property
    def times(self) -> int:
        """Rows it stands for, those included that only the statistics count."""
        return sum(judgement.times for judgement in self.judgements)


def grouped(judgements: Sequence[Judgement]) -> list[Group]:
    """The groups in the order of their first judgements. What only the statistics know joins the rows that
    it is the rest of."""
    found: dict[tuple[object, ...], list[Judgement]] = {}
    for judgement in judgements:
        if judgement.named:
            found.setdefault((*_subject(judgement), judgement.step), []).append(judgement)
    first = {key[:-1]: key for key in reversed(found)}
    for judgement in judgements:
        if not judgement.named:
            key = first.get(_subject(judgement), (*_subject(judgement), judgement.step))
            found.setdefault(key, []).append(judgement)
    groups = [
        Group(rows[0].topic, rows[0].rank, rows[0].reason, rows[0].step, rows[0].codes, tuple(rows))
        for rows in found.values()
    ]
    return sorted(groups, key=lambda group: (group.rank, _ORDER.index(group.topic)))


def _subject(judgement: Judgement) -> tuple[object, ...]:
    return judgement.rank, judgement.topic, judgement.reason


def totals(judgements: Sequence[Judgement]) -> dict[Topic, tuple[int, int]]:
    """Topic -> (rows that the file names, rows that only its statistics count)."""
    ordered = sorted(judgements, key=lambda j: _ORDER.index(j.topic))
    return {
        topic: (
            sum(j.times for j in rows if j.named),
            sum(j.times for j in rows if not j.named),
        )
        for topic, group in groupby(ordered, key=lambda j: j.topic)
        for rows in [list(group)]
    }
