"""`qatlint report`: what the toolchain's own check says, and where in the source that is."""

from __future__ import annotations

import sys

import click

from qatlint.cli import base

CLEAN, ROWS = 0, 1


@base.command(
    "report",
    epilog="Exit codes: 0 nothing to look at or check, 1 there is, 2 wrong usage, or no such report.",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--march", default="", metavar="CHIP", help="The chip (nash-e, nash-m, nash-p ...).")
@click.option(
    "--expect",
    type=click.Choice(["qint8", "qint16"]),
    help="The dtype that was set for activations: rows that did not get it are shown.",
)
@click.option("--all", "all_rows", is_flag=True, help="Show every row of every group.")
@click.option("--unread", is_flag=True, help="Show only the lines that were not understood.")
@click.option(
    "--output-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How the report is shown.",
)
@base.COLOUR
def command(
    files: tuple[str, ...],
    march: str,
    expect: str | None,
    all_rows: bool,
    unread: bool,
    output_format: str,
    colour: str,
) -> int:
    """Explain a model_check_result.txt, ranked, with the next step for each row.

    FILE is what the toolchain wrote, also pasted or cut off, or the folder that holds it; a fx_graph.txt may
    be named besides.
    """
    from qatlint.cli.toolchain_files import read_files, show_unread
    from qatlint.horizon.judging.facts import Settings
    from qatlint.horizon.judging.judge import judge
    from qatlint.horizon.judging.judgement import Rank
    from qatlint.report import model_check, model_check_json
    from qatlint.report.model_check import Shown

    check, read = read_files(files)
    if unread:
        show_unread(check)
        return CLEAN
    judgements = judge(check, Settings(march, expect or ""))
    shown = Shown(read, check, judgements)
    if output_format == "json":
        base.out(model_check_json.render(shown))
    else:
        style = base.style_for(colour, sys.stdout)
        base.out(model_check.render(shown, style, all_rows=all_rows), colour=style.colour)
    return ROWS if any(j.rank is not Rank.KNOW for j in judgements) else CLEAN
