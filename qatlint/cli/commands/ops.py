"""`qatlint ops`: what an operation means to the toolchain."""

from __future__ import annotations

import sys

import click

from qatlint.aim import MARCHES
from qatlint.cli import base
from qatlint.config import Finder, Overrides

FOUND, UNKNOWN = 0, 2


@base.command("ops", epilog="Exit codes: 0 shown, 2 wrong usage, or no such operation.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--march",
    type=click.Choice(MARCHES),
    help="The chip.  [default: `march` of the settings that hold for the current folder]",
)
@click.option(
    "--output-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
@base.COLOUR
def command(names: tuple[str, ...], march: str | None, output_format: str, colour: str) -> int:
    """Show what operations mean to the toolchain: one by any of its spellings, or all.

    NAME is `torch.add`, `F.relu`, `x.view`, `nn.Conv2d`, `+` and the like. Whether prepare replaces it, what
    it fuses with, what happens to the scale, on the configured chip and on others, and how that is known.
    """
    from qatlint.horizon import spellings
    from qatlint.horizon.ops import meanings
    from qatlint.report import op_table

    march = march or Finder(Overrides()).for_folder(".").march
    found = []
    for name in names:
        entries = spellings.named(name)
        if not entries:
            close = spellings.nearest(name)
            hint = f"; did you mean `{close}`?" if close else " (`qatlint ops` lists them)"
            base.warn(f"no operation `{name}` is known{hint}")
            return UNKNOWN
        found += [entry for entry in entries if entry not in found]
    if output_format == "json":
        base.out(op_table.as_json(found or meanings(), march))
        return FOUND
    style = base.style_for(colour, sys.stdout, unknown=80)
    if not names:
        text = op_table.render_table(style)
    else:
        parts = [op_table.render_entry(entry, march, style) for entry in found]
        text = "\n\n".join([*parts, op_table.render_chip(march, style)])
    base.out(text, colour=style.colour)
    return FOUND
