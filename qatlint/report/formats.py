"""The formats of a report, by name. Each is one file of this package with a function `document`.

They are imported when they are asked for: most runs want one that needs nothing but text.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from qatlint.finding import Finding, Replacement
from qatlint.report.style import Style

if TYPE_CHECKING:
    from qatlint.horizon.judging.judgement import Judgement

Lines = Callable[[str], Sequence[str]]
"""Gives the lines of a file, none when it cannot be read."""


class Toolchain(NamedTuple):
    """What the toolchain's own report says of the findings."""

    confirmed: dict[Finding, tuple[Judgement, ...]]
    """Finding -> the rows that say the same."""
    unexplained: Sequence[Judgement]
    """Rows to look at or check that no finding explains."""


class Report(NamedTuple):
    """What a format may say: the findings, and what it can ask about them."""

    findings: Sequence[Finding]
    checked: Sequence[str]
    """The files that were linted, those without findings too."""
    lines: Lines
    style: Style
    place: Callable[[str], str]
    """A file as those who read the report know it: relative to the root of its repository."""
    replacements: Mapping[Finding, Sequence[Replacement]]
    """What the fixes would change, where that was asked for."""
    toolchain: Toolchain | None = None
    """None where no report of it was given."""


class Format(NamedTuple):
    """One entry of the table."""

    module: str
    """The file in this package."""
    for_people: bool = False
    """Text for a terminal: the summary stands below it, and it can be coloured."""
    counts: bool = False
    """`--statistics` can be had in it."""


FORMATS: Mapping[str, Format] = {
    "full": Format("full", for_people=True, counts=True),
    "concise": Format("concise", for_people=True, counts=True),
    "json": Format("as_json", counts=True),
    "github": Format("github"),
    "gitlab": Format("gitlab"),
    "sarif": Format("sarif"),
    "junit": Format("junit"),
    "rdjson": Format("rdjson"),
}


def document(name: str, report: Report) -> str:
    """The report in a format of the table, without a line end; "" when it has nothing to say."""
    module = importlib.import_module(f"qatlint.report.{FORMATS[name].module}")
    text: str = module.document(report)
    return text
