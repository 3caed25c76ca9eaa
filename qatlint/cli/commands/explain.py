"""`qatlint explain`: the documentation of a rule, which is the docstring of its file."""

from __future__ import annotations

import sys

import click

from qatlint import catalogue
from qatlint.cli import base
from qatlint.registry import UnknownRule


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
    style = base.style_for(colour, sys.stdout)
    for entry in entries:
        text = _markdown(entry)
        base.out(_rendered(text, style.width) if style.colour else text, colour=style.colour)
    return 0


def _markdown(entry: catalogue.Entry) -> str:
    facts = f"{entry.severity.label}, {'fixable' if entry.fixable else 'no fix'}, since {entry.since}"
    return f"# {entry.code} {entry.name}\n\n*{facts}*\n\n{entry.doc.strip()}\n"


def _rendered(text: str, width: int) -> str:
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(force_terminal=True, width=min(width, 100))
    with console.capture() as capture:
        console.print(Markdown(text, code_theme="ansi_dark"))
    return capture.get().rstrip("\n")
