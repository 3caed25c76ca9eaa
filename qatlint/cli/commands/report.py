"""`qatlint report`: what the toolchain's own check says, and where in the source that is."""

from __future__ import annotations

import os
import sys
from functools import cache, partial
from typing import TYPE_CHECKING

import click

from qatlint.aim import MARCHES
from qatlint.cli import base
from qatlint.cli.output import read_lines
from qatlint.files import DiskLoader
from qatlint.loader import Loader

if TYPE_CHECKING:
    from qatlint.config import Finder
    from qatlint.horizon.judging.facts import Settings
    from qatlint.report.model_check import Shown

CLEAN, ROWS = 0, 1


@base.command(
    "report",
    epilog="Exit codes: 0 nothing to look at or check, 1 there is, or a part of it has no rows that can be "
    "read, or no end, 2 wrong usage, or no such report.",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--model",
    metavar="TARGET",
    help="The class that was prepared, `pkg.mod:Class` or `path/to/file.py:Class`: rows get their lines.",
)
@click.option(
    "--src",
    metavar="FOLDER",
    help="A folder with source: the model in it that has most of the names is taken.",
)
@click.option(
    "--march",
    type=click.Choice(MARCHES),
    metavar="CHIP",
    help=f"The chip: {', '.join(MARCHES)}.  [default: what the settings say]",
)
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
    model: str | None,
    src: str | None,
    march: str | None,
    expect: str | None,
    all_rows: bool,
    unread: bool,
    output_format: str,
    colour: str,
) -> int:
    """Explain a model_check_result.txt, ranked, with the next step for each row.

    FILE is what the toolchain wrote, also pasted or cut off, or the folder that holds it, or `-` for standard
    input; a fx_graph.txt may be named besides.
    """
    from qatlint.cli.toolchain_files import read_files, show_unread
    from qatlint.config import Finder, Overrides
    from qatlint.horizon.judging.facts import Settings
    from qatlint.horizon.judging.judge import judge
    from qatlint.horizon.judging.judgement import Rank
    from qatlint.report import model_check, model_check_json
    from qatlint.report.model_check import Shown

    if model is not None and src is not None:
        raise click.UsageError("--model and --src exclude each other")
    if unread and output_format != "text":
        raise click.UsageError("--unread shows text; as JSON the report has them under `unread`")
    check, read = read_files(files)
    if unread:
        show_unread(check)
        return CLEAN
    finder, loader = Finder(Overrides()), DiskLoader()
    settings = Settings(march or finder.for_folder(os.getcwd()).march, expect or "")
    if model is None and src is None:
        shown = Shown(read, check, judge(check, settings))
    else:
        shown = _with_source(Shown(read, check, ()), settings, model, src, finder, loader)
    if output_format == "json":
        base.out(model_check_json.render(shown))
    else:
        style = base.style_for(colour, sys.stdout)
        lines = cache(partial(read_lines, loader=loader))
        base.out(model_check.render(shown, lines, style, all_rows=all_rows), colour=style.colour)
    # What could not be read may be all that asks for a look.
    asks = check.rowless or check.cut_off or any(j.rank is not Rank.KNOW for j in shown.judgements)
    return ROWS if asks else CLEAN


def _with_source(
    shown: Shown, settings: Settings, model: str | None, src: str | None, finder: Finder, loader: Loader
) -> Shown:
    """The rows with their lines and the findings about them."""
    from qatlint.cli import toolchain_source
    from qatlint.horizon.judging.counted import Counted
    from qatlint.horizon.judging.judge import judge
    from qatlint.linting import Linter
    from qatlint.resolve.choosing import best
    from qatlint.resolve.fit import doubt, rivalry
    from qatlint.resolve.linked import Links

    look = toolchain_source.folder if model is None else toolchain_source.model
    where = src or model or ""
    has = "--model names the class that was prepared" if model else "the class that was prepared is in --src"
    models = look(where, finder, loader)
    names = best(models.flows, shown.check, models.others, parts=model is None)
    doubted = doubt(shown.check, names, where if names is None else names.root, models.others)
    shown = shown._replace(
        has_source=True, notes=(f"{doubted}; see that {has}, in the version of then",) if doubted else ()
    )
    if names is None:
        return shown._replace(judgements=judge(shown.check, settings))
    if like_it := rivalry(names):
        ask = f"see that {has}" if model else "--model says which class was prepared"
        shown = shown._replace(notes=(*shown.notes, f"{like_it}: {ask}"))
    judgements = judge(shown.check, settings, names.told())
    linter = Linter(finder, has_report=True)
    findings = linter.check(models.files, loader)
    return shown._replace(
        judgements=judgements,
        located={row: names.locate(row) for row in judgements if row.named},
        findings=Links(judgements, names, Counted(shown.check)).findings_about(findings),
        hidden=frozenset(finding for finding in findings if not linter.is_shown(finding)),
        model=names.root,
        checked=models.where,
    )
