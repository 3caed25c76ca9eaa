"""Whether a report names every call of the model, or only some of them."""

from __future__ import annotations

from qatlint.horizon.report import ModelCheck


def is_whole(check: ModelCheck) -> bool:
    """Whether its table of layers has as many rows as another part counts calls: a table may be cut off, and
    single rows may be all that was pasted."""
    rows = len(check.layers)
    calls = sum(count.times for count in check.counts)
    results = [sum(number for _, number in row.dtypes) for row in check.outputs if row.type == "total"]
    return bool(rows) and rows in (calls, *results)
