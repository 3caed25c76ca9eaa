"""Whether a report names every call of the model, or only some of them."""

from __future__ import annotations

from collections.abc import Iterable

from qatlint.horizon.report.values import ModelCheck, Statistic


def is_whole(check: ModelCheck) -> bool:
    """Whether its table of layers has as many dtypes as its statistics count in all: a call adds one for each
    of its dtypes (horizon_facts C2). Nothing else tells: a table may be cut off, and of all tables just the
    rows of some modules may have been pasted."""
    given = sum(len(set(layer.inputs)) for layer in check.layers)
    results = sum(len(set(layer.outputs)) for layer in check.layers)
    return bool(given and given == _total(check.inputs)) or bool(results and results == _total(check.outputs))


def _total(table: Iterable[Statistic]) -> int:
    return sum(number for row in table if row.type == "total" for _, number in row.dtypes)
