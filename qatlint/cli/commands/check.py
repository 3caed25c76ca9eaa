"""`qatlint check`: its options, and which of them go together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from qatlint.cli import base, proving, running, settings
from qatlint.cli.checking import Wanted, check_files, check_stdin
from qatlint.cli.scope import Narrow
from qatlint.files import discover, is_notebook, normal
from qatlint.report.formats import FORMATS

if TYPE_CHECKING:
    from qatlint.evidence import Evidence

STDIN = "-"


@base.command(
    "check",
    epilog="Exit codes: 0 nothing to report, 1 findings, 2 wrong usage, settings or an internal error.",
)
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@click.option("--fix", is_flag=True, help="Apply safe fixes.")
@click.option("--unsafe-fixes", is_flag=True, help="With --fix or --diff: unsafe fixes too.")
@click.option(
    "--diff",
    is_flag=True,
    help="Show what would be fixed, change nothing; exit code 1 if there is something.",
)
@click.option(
    "--verify",
    metavar="TARGET",
    help="With --fix: run this model before and after (see `qatlint verify`), and write only if it is the "
    "same. This runs your code.",
)
@running.options(lead="With --verify: ", proof=True)
@click.option(
    "--add-suppressions",
    metavar="REASON",
    help="Write a comment with this reason where a finding stands, for all that are shown.",
)
@click.option(
    "--since", metavar="REV", help="Only findings about lines that changed since this git revision."
)
@click.option(
    "--baseline",
    metavar="FILE",
    help="Leave out the findings that this file knows; `qatlint baseline` makes it.",
)
@settings.options
@click.option(
    "--select-from",
    metavar="FILE",
    help="What `qatlint ranges --output FILE` measured: sharing that costs weighs more, other sharing less.",
)
@click.option(
    "--report",
    metavar="FILE",
    help="What the toolchain's own check wrote of this model: findings that it confirms weigh more, and its "
    "rows that no finding explains are listed last.",
)
@click.option(
    "--output-format",
    type=click.Choice(list(FORMATS)),
    default="full",
    metavar="FORMAT",
    help=f"How findings are shown: {', '.join(FORMATS)}.  [default: full]",
)
@click.option("--output-file", metavar="FILE", help="Write the findings there, and print the summary only.")
@click.option(
    "--with-fixes",
    is_flag=True,
    help="With sarif or rdjson: what each fix would change. This tries every fix, which takes its time.",
)
@click.option("--statistics", is_flag=True, help="Show counts per rule instead of findings.")
@click.option("--exit-zero", is_flag=True, help="Exit with 0 even when there are findings.")
@click.option(
    "--no-cache",
    is_flag=True,
    help="Neither use nor write the cache of findings.",
)
@click.option(
    "--project",
    metavar="FOLDER",
    help="Lint all of this folder too, but report PATHS only: what other files say of their classes counts.",
)
@click.option(
    "--force-exclude", is_flag=True, help="Leave out what the settings exclude even when PATHS names it."
)
@click.option(
    "--stdin-filename", metavar="FILE", help="With `-`: the name the source on standard input goes by."
)
@base.COLOUR
def command(
    paths: tuple[str, ...],
    fix: bool,
    unsafe_fixes: bool,
    diff: bool,
    verify: str | None,
    how: running.RunOptions,
    add_suppressions: str | None,
    since: str | None,
    baseline: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    select_from: str | None,
    report: str | None,
    min_severity: str | None,
    output_format: str,
    output_file: str | None,
    with_fixes: bool,
    statistics: bool,
    exit_zero: bool,
    config: str | None,
    isolated: bool,
    no_cache: bool,
    project: str | None,
    force_exclude: bool,
    stdin_filename: str | None,
    colour: str,
) -> int:
    """Lint files and folders, and fix them with --fix.

    PATHS are files and folders, the current folder when none is given, or `-` for standard input.
    What is linted is read, never imported or run, unless --verify asks for it.
    """
    if STDIN in paths and len(paths) > 1:
        raise click.UsageError("`-` cannot be mixed with other paths")
    if stdin_filename is not None and paths != (STDIN,):
        raise click.UsageError("--stdin-filename is for standard input, which is read when the path is `-`")
    if stdin_filename is not None and is_notebook(stdin_filename):
        raise click.UsageError(f"{stdin_filename}: notebooks are not read")
    if diff and statistics:
        raise click.UsageError("--diff and --statistics exclude each other")
    if diff and (output_file is not None or not FORMATS[output_format].for_people):
        raise click.UsageError("--diff shows a diff on standard output: it has no other format")
    if statistics and not FORMATS[output_format].counts:
        raise click.UsageError(f"--statistics cannot be had as {output_format}")
    if with_fixes and output_format not in ("sarif", "rdjson"):
        raise click.UsageError("--with-fixes is for the formats sarif and rdjson")
    if report == STDIN and STDIN in paths:
        raise click.UsageError("standard input cannot be both the source and the report")
    claim = proving.claim_of(verify, how, fix, diff, paths == (STDIN,))
    if paths == (STDIN,) and (since is not None or project is not None):
        raise click.UsageError("--since and --project are for files, not for standard input")
    finder = settings.finder(select, ignore, min_severity, config, isolated)
    narrow = _narrow(since, baseline)
    wanted = Wanted(
        fix,
        unsafe_fixes,
        diff,
        output_format,
        output_file,
        with_fixes,
        _reason(add_suppressions, fix, paths),
        statistics,
        exit_zero,
        colour,
        claim,
        _evidence(select_from),
        report,
        not no_cache,
    )
    if paths == (STDIN,):
        return check_stdin(normal(stdin_filename) if stdin_filename else STDIN, finder, wanted, narrow)
    found = discover(paths or (".",), finder.for_folder, exclude_named=force_exclude)
    read = found
    if project is not None and paths:
        read = discover([project, *paths], finder.for_folder)
        # A file is one file by one name: that which it has in the folder.
        names = {os.path.realpath(path): path for path in read.files}
        found = found._replace(files=[names[os.path.realpath(path)] for path in found.files])
    return check_files(found, read, finder, wanted, narrow)


def _reason(text: str | None, fix: bool, paths: Sequence[str]) -> str | None:
    """What --add-suppressions writes. Raises `UsageError`."""
    if text is None:
        return None
    if fix or paths == (STDIN,):
        raise click.UsageError("--add-suppressions is for files, and without --fix")
    from qatlint.cli.suppressing import checked_reason

    return checked_reason(text)


def _narrow(since: str | None, baseline: str | None) -> Narrow:
    """What is to be left out. Raises `UsageError` when git or the file cannot tell."""
    changes = known = None
    if since is not None:
        from qatlint.git import GitError, changes_since

        try:
            changes = changes_since(since)
        except GitError as error:
            raise click.UsageError(f"--since: {error}") from None
    if baseline is not None:
        from qatlint.cli.known import KnownFindings

        known = KnownFindings.read(baseline)
    return Narrow(changes, known)


def _evidence(path: str | None) -> Evidence | None:
    """What was measured, to weigh findings by; wrong usage when the file holds no such thing."""
    if path is None:
        return None
    from qatlint.evidence import EvidenceError, read

    try:
        return read(path)
    except EvidenceError as error:
        raise click.UsageError(f"--select-from: {error}") from None
