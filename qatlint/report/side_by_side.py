"""What source says beside what ran, for a person: one table per class, then how often they agree."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from qatlint.report.style import Style
from qatlint.report.width import one_line, text_width, wrap
from qatlint.runtime.compare import Disagreement, Line
from qatlint.trace import Times

_MARGIN = "  "
_COLUMN = 10


def render(lines: Sequence[Line], style: Style) -> str:
    """The table as text. Modules that neither side executes are left out."""
    shown = [line for line in lines if _runs(line.source) or _runs(line.executed)]
    parts: list[str] = []
    for owner, group in groupby(shown, key=lambda line: line.owner):
        parts += [*_table(owner, list(group), style), ""]
    return "\n".join([*parts, _summary(shown, style)])


def _table(owner: str, lines: Sequence[Line], style: Style) -> list[str]:
    module, _, name = owner.partition(":")
    longest = max(text_width(one_line(line.path)) for line in lines)
    left = min(max(longest, len("module")), max(style.width - 4 - 2 * _COLUMN, 12))
    head = f"{_MARGIN}{'module':<{left}}{'source':>{_COLUMN}}{'executed':>{_COLUMN}}"
    rows = [f"{style.paint(one_line(name), 'bold')}  {style.paint(one_line(module), 'dim')}", head]
    for line in lines:
        path = one_line(line.path)
        gap = " " * (left - text_width(path))
        if text_width(path) > left:  # a path is never cut: its numbers stand on the next line
            rows.append(_MARGIN + path)
            path, gap = "", " " * left
        rows.append(f"{_MARGIN}{path}{gap}{_times(line.source):>{_COLUMN}}{_times(line.executed):>{_COLUMN}}")
        if line.disagreement is not None:
            words = wrap(line.disagreement.value, style.width - 6)
            rows += [f"      {style.paint(text, _colour(line.disagreement))}" for text in words]
    return rows


def _summary(lines: Sequence[Line], style: Style) -> str:
    owners = len({line.owner for line in lines})
    wrong = sum(line.disagreement is not None for line in lines)
    if not lines:
        return "nothing to compare: no class that ran was found in the source"
    said = f"{_count(len(lines), 'module')} in {_count(owners, 'class', 'classes')}: "
    if not wrong:
        return said + style.paint("source and execution agree", "green")
    return said + style.paint(_count(wrong, "disagreement"), "red")


def _colour(disagreement: Disagreement) -> str:
    return "red" if disagreement in (Disagreement.MORE, Disagreement.FEWER) else "yellow"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def _runs(times: Times | None) -> bool:
    return times is not None and times.most != 0


def _times(times: Times | None) -> str:
    return "-" if times is None else f"×{times}"
