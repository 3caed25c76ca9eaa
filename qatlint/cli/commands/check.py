"""`qatlint check`: lint files, and fix them where asked."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from qatlint.cli import base, proving
from qatlint.cli.output import Shown, print_diff, print_findings
from qatlint.config import Finder, Overrides, cache_folder
from qatlint.files import DiskLoader, discover, is_notebook, normal, snapshot, write_atomic
from qatlint.finding import Finding, Replacement, Severity
from qatlint.linting import Linter, Weigh
from qatlint.loader import Loader, OverlayLoader
from qatlint.report.formats import FORMATS

if TYPE_CHECKING:
    from qatlint.evidence import Evidence

CLEAN, FINDINGS, TROUBLE = 0, 1, 2
STDIN = "-"


class Wanted(NamedTuple):
    """What the options ask for, apart from settings."""

    fix: bool
    unsafe: bool
    diff: bool
    output: str
    output_file: str | None
    with_fixes: bool
    statistics: bool
    exit_zero: bool
    colour: str
    claim: proving.Claim | None
    evidence: Evidence | None
    cache: bool

    @property
    def weigh(self) -> Weigh | None:
        """What gives findings the severity that was measured."""
        return self.evidence.weigh if self.evidence is not None else None


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
@click.option("--inputs", metavar="CALLABLE", help="With --verify: what makes the inputs of the model.")
@click.option(
    "--select",
    multiple=True,
    metavar="RULES",
    help="Only these rules: codes, names, prefixes such as QAT1, ALL; separated by commas.",
)
@click.option("--ignore", multiple=True, metavar="RULES", help="Not these rules.")
@click.option(
    "--select-from",
    metavar="FILE",
    help="What `qatlint ranges --output FILE` measured: sharing that costs weighs more, other sharing less.",
)
@click.option(
    "--min-severity",
    type=click.Choice([s.label for s in Severity]),
    help="Hide findings below this, and do not fail for them.  [default: warning]",
)
@click.option(
    "--output-format",
    type=click.Choice(list(FORMATS)),
    default="full",
    show_default=True,
    help="How findings are shown.",
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
    "--config",
    metavar="FILE",
    help="Settings from this file: a qatlint.toml, or a pyproject.toml with [tool.qatlint].",
)
@click.option("--isolated", is_flag=True, help="Read no settings from files.")
@click.option(
    "--no-cache",
    is_flag=True,
    help="Neither use nor write the cache of findings.",
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
    inputs: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    select_from: str | None,
    min_severity: str | None,
    output_format: str,
    output_file: str | None,
    with_fixes: bool,
    statistics: bool,
    exit_zero: bool,
    config: str | None,
    isolated: bool,
    no_cache: bool,
    stdin_filename: str | None,
    colour: str,
) -> int:
    """Lint files and folders, and fix them with --fix.

    PATHS are files and folders, the current folder when none is given, or `-` for standard input.
    What is linted is read, never imported or run, unless --verify asks for it.
    """
    if config is not None and isolated:
        raise click.UsageError("--config and --isolated exclude each other")
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
    claim = proving.claim_of(verify, inputs, fix, diff, paths == (STDIN,))
    overrides = Overrides(
        select=_split(select),
        ignore=_split(ignore),
        min_severity=Severity[min_severity.upper()] if min_severity else None,
    )
    finder = Finder(overrides, explicit=config, isolated=isolated)
    wanted = Wanted(
        fix,
        unsafe_fixes,
        diff,
        output_format,
        output_file,
        with_fixes,
        statistics,
        exit_zero,
        colour,
        claim,
        _evidence(select_from),
        not no_cache,
    )
    if paths == (STDIN,):
        return _check_stdin(normal(stdin_filename) if stdin_filename else STDIN, finder, wanted)
    return _check_files(paths or (".",), finder, wanted)


def _evidence(path: str | None) -> Evidence | None:
    """What was measured, to weigh findings by; wrong usage when the file holds no such thing."""
    if path is None:
        return None
    from qatlint.evidence import EvidenceError, read

    try:
        return read(path)
    except EvidenceError as error:
        raise click.UsageError(f"--select-from: {error}") from None


def _split(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(part.strip() for value in values for part in value.split(",") if part.strip())


def _check_files(paths: Sequence[str], finder: Finder, wanted: Wanted) -> int:
    found = discover(paths, finder.for_folder)
    for path in found.missing:
        base.warn(f"{path}: no such file or folder{_maybe_command(path)}")
    if not found.files:
        # "All checks passed" would be a lie.
        if not found.missing:
            base.warn("no Python files found")
        if not FORMATS[wanted.output].for_people:
            _report(Linter(finder), [], DiskLoader(), wanted, [], fixed=None)
        return TROUBLE if found.missing else CLEAN
    if wanted.evidence is not None and not any(map(wanted.evidence.is_about, found.files)):
        base.warn("--select-from: nothing was measured of these files; run both commands in the same folder")
    loader: Loader = DiskLoader()
    linter = Linter(finder, wanted.weigh, cache_folder if wanted.cache else None)
    trouble = bool(found.missing)
    if not (wanted.fix or wanted.diff):
        findings = linter.check(found.files, loader)
        for folder in linter.damaged:
            base.warn(f"{folder}: the cache was damaged, and was made anew")
        code = _report(linter, findings, loader, wanted, found.files, fixed=None)
        return TROUBLE if trouble else code
    before = snapshot(found.files, loader)
    loader = OverlayLoader(before, loader)
    texts, findings, fixed = _fixed(found.files, loader, linter, wanted)
    if wanted.diff:
        print_diff(texts, loader, wanted.colour)
        return TROUBLE if trouble else FINDINGS if texts and not wanted.exit_zero else CLEAN
    if wanted.claim is not None and texts:
        outcome = proving.prove(wanted.claim, texts, unsafe=wanted.unsafe, colour=wanted.colour)
        if outcome != proving.HOLDS:
            _report(linter, linter.check(found.files, loader), loader, wanted, found.files, fixed=0)
            return TROUBLE if trouble else outcome
    for path, data in texts.items():
        try:
            write_atomic(path, before.get(path, b""), data)
        except OSError as error:
            base.warn(f"{path}: cannot be written: {error.strerror or error}")
            trouble = True
    code = _report(linter, findings, OverlayLoader(texts, loader), wanted, found.files, fixed=fixed)
    return TROUBLE if trouble else code


def _check_stdin(name: str, finder: Finder, wanted: Wanted) -> int:
    source = sys.stdin.buffer.read()
    loader = OverlayLoader({name: source}, DiskLoader())
    linter = Linter(finder, wanted.weigh)
    if not (wanted.fix or wanted.diff):
        return _report(linter, linter.check([name], loader), loader, wanted, [name], fixed=None)
    texts, findings, fixed = _fixed([name], loader, linter, wanted)
    if wanted.diff:
        print_diff(texts, loader, wanted.colour)
        return FINDINGS if texts and not wanted.exit_zero else CLEAN
    base.out(texts.get(name, source))
    return _report(linter, findings, OverlayLoader(texts, loader), wanted, [name], fixed=fixed, err=True)


def _fixed(
    files: Sequence[str], loader: Loader, linter: Linter, wanted: Wanted
) -> tuple[dict[str, bytes], list[Finding], int]:
    """New texts, what remains to be reported, and how many fixes were applied. Writes nothing."""
    from dataclasses import replace

    from qatlint.codemods.fixer import fix
    from qatlint.relinting import Relinter

    relinter = Relinter(linter, files)

    def check(current: Loader) -> list[Finding]:
        # Nobody should find a file changed for a finding that was not shown.
        return [f if linter.is_shown(f) else replace(f, fix=None) for f in relinter.check(current)]

    result = fix(files, loader, check, unsafe=wanted.unsafe)
    for problem in result.problems:
        base.warn(problem)
    return dict(result.texts), result.findings, result.applied


def _report(
    linter: Linter,
    findings: Sequence[Finding],
    loader: Loader,
    wanted: Wanted,
    checked: Sequence[str],
    *,
    fixed: int | None,
    err: bool = False,
) -> int:
    shown = [finding for finding in findings if linter.is_shown(finding)]
    hidden = [finding for finding in findings if not linter.is_shown(finding)]
    changes = _suggested(shown, checked, loader, linter, wanted) if wanted.with_fixes else {}
    print_findings(
        Shown(shown, hidden, checked, fixed, changes),
        loader,
        output=wanted.output,
        file=wanted.output_file,
        statistics=wanted.statistics,
        colour=wanted.colour,
        unsafe=wanted.unsafe,
        err=err,
    )
    return FINDINGS if shown and not wanted.exit_zero else CLEAN


def _suggested(
    findings: Sequence[Finding], files: Sequence[str], loader: Loader, linter: Linter, wanted: Wanted
) -> Mapping[Finding, Sequence[Replacement]]:
    """What each fix would change."""
    from qatlint.codemods.suggest import suggest
    from qatlint.relinting import Relinter

    return suggest(findings, files, loader, Relinter(linter, files).check, unsafe=wanted.unsafe)


def _maybe_command(path: str) -> str:
    """A hint when a missing path looks like a misspelt command."""
    import difflib

    from qatlint.cli.app import names

    close = difflib.get_close_matches(path, names(), n=1, cutoff=0.7)
    return f" (did you mean the command `{close[0]}`?)" if close else ""
