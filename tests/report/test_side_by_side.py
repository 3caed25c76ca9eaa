"""The table of source and execution, as a person sees it."""

from __future__ import annotations

from qatlint.report.side_by_side import render
from qatlint.report.style import Style
from qatlint.runtime.compare import Disagreement, Line
from qatlint.trace import Times

LINES = [
    Line("m:Net", "act", Times(1, 1), Times(2, 2), Disagreement.MORE),
    Line("m:Net", "layers", Times(0, 0), Times(0, 0), None),
    Line("m:Net", "layers.*", Times(0, None), Times(1, 3), None),
    Line("m:Block", "plain", None, Times(1, 1), Disagreement.UNKNOWN),
]


def test_the_table() -> None:
    assert render(LINES, Style(width=80)).split("\n") == [
        "Net  m",
        "  module      source  executed",
        "  act             ×1        ×2",
        "      ran more often than source says",
        "  layers.*     ×many      ×1-3",
        "",
        "Block  m",
        "  module    source  executed",
        "  plain          -        ×1",
        "      ran, and source does not know it",
        "",
        "3 modules in 2 classes: 2 disagreements",
    ]


def test_agreement_and_nothing_to_compare() -> None:
    agreed = [LINES[0]._replace(executed=Times(1, 1), disagreement=None)]
    assert render(agreed, Style()).endswith("\n1 module in 1 class: source and execution agree")
    assert render([], Style()) == "nothing to compare: no class that ran was found in the source"


def test_long_paths_stay_whole_and_no_line_is_too_wide() -> None:
    path = "a_rather_long_name.of_a_child.*.inside"
    lines = render([LINES[0]._replace(path=path)], Style(width=50)).split("\n")
    assert f"  {path}" in lines
    assert all(len(line) <= 50 for line in lines)


def test_colour_changes_no_word() -> None:
    plain, painted = render(LINES, Style()), render(LINES, Style(colour=True))
    assert "\x1b[1;31mran more often" in painted
    for code in ("\x1b[1;31m", "\x1b[1;33m", "\x1b[1m", "\x1b[2m", "\x1b[0m"):
        painted = painted.replace(code, "")
    assert painted == plain
