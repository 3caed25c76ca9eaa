"""`qatlint explain`: the documentation of a rule, which is the docstring of its file."""

from __future__ import annotations

import sys

import click

from qatlint import catalogue
from qatlint.cli import base
from qatlint.registry import UnknownRule
from qatlint.report.markdown import render


@base.command("explain")
@click.argument("rules", nargs=-1, required=True, metavar="RULE...")
@base.COLOUR
def command(rules: tuple[str, ...], colour: str) -> int:
    """Explain a rule, by code or name.

    What it flags, why that matters on the chip, a bad and a good example, and how safe the fix is.
    """
    try:
        entries = [catalogue.find(name) for name in rules]
    except UnknownRule as error:
        raise click.UsageError(f"{error} (`qatlint rules` lists them)") from None
    style = base.style_for(colour, sys.stdout, unknown=80)
    base.out("\n\n".join(render(_markdown(entry), style) for entry in entries), colour=style.colour)
    return 0


def _markdown(entry: catalogue.Entry) -> str:
    facts = f"{entry.severity.label}, {'fixable' if entry.fixable else 'no fix'}, since {entry.since}"
    return f"# {entry.code} {entry.name}\n\n*{facts}*\n\n{entry.doc.strip()}"
