"""Whether a report is about the model that its rows are looked for in."""

from __future__ import annotations

from collections.abc import Sequence

from qatlint.horizon.report import ModelCheck
from qatlint.horizon.report.cells import name_of
from qatlint.resolve.names import Names
from qatlint.trace import Flow

_TRIED = 1_000
"""Modules that are looked for."""
_NAMED = 4
"""Other models that are named."""


def doubt(check: ModelCheck, names: Names | None, where: str, others: Sequence[Flow]) -> str:
    """In words, that most of the modules of a report are not found in the model, and which of `others` has
    more of them; "" where it has at least half. Parts that source leaves open are no reason to doubt.

    `names` are those of the report in that model, None where it has none of them; `where` is its name.
    """
    ran = _modules(check)
    ran = ran[:: len(ran) // _TRIED + 1]
    found = sum(bool(names.ops_of(name)[0]) for name in ran) if names is not None else 0
    if not ran or 2 * found >= len(ran):
        return ""
    few = "1 is" if found == 1 else f"{found or 'none'} are"
    found_words = f"of {len(ran)} modules in this report {few} found in {where}, as it is read from source"
    if names is not None and names.gap:
        return f"{found_words}: {names.gap}"
    said = f"{found_words}: the report may be about another class, or about another version of the source"
    # All modules that are tried, and not all names: a report may have many, and there may be many models.
    rival = max((Names(other, ran) for other in others), key=lambda one: one.matched, default=None)
    if rival is None or rival.matched <= found:
        return said
    return f"{said}; {rival.root} has {rival.matched} of them"


def rivalry(names: Names) -> str:
    """In words, that other models have as many modules of a report, at other lines; "" where none has."""
    if not names.rivals:
        return ""
    roots = ", ".join(rival.root for rival in names.rivals[:_NAMED])
    if len(names.rivals) > _NAMED:
        roots += f" and {len(names.rivals) - _NAMED} more"
    have = "has" if len(names.rivals) == 1 else "have"
    return f"{roots} {have} as many modules of this report as {names.root}, at other lines"


def _modules(check: ModelCheck) -> list[str]:
    """What ran: names without methods and numbers."""
    never = {count.name for count in check.counts if not count.times}
    return [name for name in dict.fromkeys(name_of(n)[0] for n in check.names) if name not in never]
