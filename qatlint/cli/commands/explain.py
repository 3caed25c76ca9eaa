"""`qatlint explain`: the documentation of a rule, in English or Chinese."""

from __future__ import annotations

import os
import sys

import click

from qatlint import catalogue
from qatlint.cli import base
from qatlint.explaining import LANGUAGES, page_of, preferred
from qatlint.registry import UnknownRule
from qatlint.report.markdown import render


@base.command("explain")
@click.argument("rules", nargs=-1, required=True, metavar="RULE...")
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    help="In English or Chinese (中文).  [default: that of the locale]",
)
@base.COLOUR
def command(rules: tuple[str, ...], lang: str | None, colour: str) -> int:
    """Explain a rule, by code or name.

    What it flags, why that matters on the chip, a bad and a good example, and how safe the fix is.
    """
    try:
        entries = [catalogue.find(name) for name in rules]
    except UnknownRule as error:
        raise click.UsageError(f"{error} (`qatlint rules` lists them)") from None
    language = lang or preferred(os.environ, sys.stdout.encoding)
    style = base.style_for(colour, sys.stdout, unknown=80)
    pages = "\n\n".join(render(page_of(entry, language), style) for entry in entries)
    base.out(pages, colour=style.colour)
    return 0
