"""Which of several models a report is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from qatlint.horizon.report import ModelCheck
from qatlint.horizon.report.whole import is_whole
from qatlint.resolve.executions import executions
from qatlint.resolve.names import Names
from qatlint.resolve.runs import parts_of
from qatlint.trace import Flow

_PROBED = 40
"""Names of which a part of a model has some where it is what was prepared."""


def best(
    flows: Sequence[Flow], check: ModelCheck, others: Sequence[Flow], *, parts: bool = False
) -> Names | None:
    """The one of `flows` that has most of the names of a report, or a part of one where that has more
    (`parts`: what was prepared may be held by a class that trains it); of those that have as many, the one
    whose numbers of calls fit. None when none has any, but for a single one whose forward was not followed
    to its end. `others` are of classes that may be parts of it, or inherit from it."""
    names, whole = check.names, is_whole(check)
    counted = {count.name: count.times for count in check.counts}
    ran = executions(check)
    found = [Names(flow, names, others, whole, counted, ran=ran) for flow in flows]
    chosen = max(found, key=_matched, default=None)
    if parts and chosen is not None and 2 * chosen.matched < len(chosen.compared):
        found += [
            Names(flow, names, others, whole, counted, path, ran)
            for flow, path in parts_of(flows)
            if path and Names(flow, names[:_PROBED], below=path).matched > 0
        ]
        chosen = max(found, key=_matched, default=None)
    # Of the one model that there is the names may stand in what was not followed.
    if chosen is None or not (chosen.matched > 0 or (len(found) == 1 and chosen.gap)):
        return None
    alike = [one for one in found if one.matched == chosen.matched]
    rivals: list[Names] = []
    if len(alike) > 1:
        misfits = [one.misfits() for one in alike]
        least = min(misfits)
        chosen, *rivals = [one for one, number in zip(alike, misfits, strict=True) if number == least]
    if len(flows) == 1 and not parts:  # it was named, and one that inherits from it may have been prepared
        heirs = [
            Names(flow, names, others, whole, counted, ran=ran) for flow in _inheriting(chosen.flow, others)
        ]
        rivals += [one for one in heirs if _fits_as_well(one, chosen)]
    chosen.rivals = tuple(one for one in rivals if not chosen.leads_where(one))
    return chosen


def _inheriting(flow: Flow, others: Iterable[Flow]) -> Iterator[Flow]:
    """Those of classes that run code of the class of a model as their own."""
    for other in others:
        if other.root != flow.root and any(not op.path and op.owner == flow.root for op in other.ops):
            yield other


def _fits_as_well(heir: Names, chosen: Names) -> bool:
    return heir.matched >= chosen.matched and heir.misfits() <= chosen.misfits()


def _matched(names: Names) -> int:
    return names.matched
