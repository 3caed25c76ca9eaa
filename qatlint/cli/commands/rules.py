"""`qatlint rules`: what there is to select."""

from __future__ import annotations

import sys

import click

from qatlint import catalogue
from qatlint.cli import base
from qatlint.report.style import SEVERITY_COLOURS
from qatlint.report.width import wrap

_LEAST_SUMMARY = 30
"""A summary with less room than this beside its rule goes below it."""


@base.command("rules")
@click.option(
    "--output-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="A table for people, or an array for programs.",
)
@base.COLOUR
def command(output_format: str, colour: str) -> int:
    """List all rules, with severity and whether there is a fix.

    A rule may report single findings with a lower severity than the one shown.
    """
    base.out(_as_json() if output_format == "json" else _as_text(colour), colour=True)
    return 0


def _as_json() -> str:
    import json

    items = [
        {
            "code": entry.code,
            "name": entry.name,
            "severity": entry.severity.label,
            "fixable": entry.fixable,
            "since": entry.since,
            "summary": entry.summary,
        }
        for entry in catalogue.entries()
    ]
    return json.dumps(items, indent=2)


def _as_text(colour: str) -> str:
    style = base.style_for(colour, sys.stdout)
    entries = catalogue.entries()
    name_width = max(len(entry.name) for entry in entries)
    rows = []
    for entry in entries:
        severity = style.paint(entry.severity.label.ljust(7), SEVERITY_COLOURS[entry.severity])
        fix = "fix" if entry.fixable else "   "
        row = f"{style.paint(entry.code, 'bold')}  {entry.name.ljust(name_width)}  {severity}  {fix}"
        columns = len(f"{entry.code}  {''.ljust(name_width)}  warning  fix  ")
        if style.width - columns < _LEAST_SUMMARY:
            # Below the row, where there is more room.
            rows += [row.rstrip(), *("    " + text for text in wrap(entry.summary, style.width - 4))]
            continue
        first, *others = wrap(entry.summary, style.width - columns)
        rows += [f"{row}  {first}", *(" " * columns + text for text in others)]
    hint = wrap("`qatlint explain CODE` tells more about one of them.", style.width)
    return "\n".join([*rows, "", *hint])
