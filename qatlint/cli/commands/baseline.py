"""`qatlint baseline`: write down the findings that are accepted for now."""

from __future__ import annotations

import sys

import click

from qatlint.baseline import Baseline, made_of, render, without
from qatlint.catalogue import UNREADABLE
from qatlint.cli import base, settings
from qatlint.cli.known import KnownFindings, identities
from qatlint.config import cache_folder
from qatlint.files import DiskLoader, discover, write_new
from qatlint.linting import Linter
from qatlint.report.summary import plural
from qatlint.report.width import one_line, wrap


@base.command(
    "baseline",
    epilog="Exit codes: 0 done, 2 wrong usage, settings, a path that is missing or an internal error.",
)
@click.argument("action", type=click.Choice(["write", "update", "show"]))
@click.argument("file", metavar="FILE")
@click.argument("paths", nargs=-1, metavar="[PATHS]...")
@settings.options
@click.option("--no-cache", is_flag=True, help="Neither use nor write the cache of findings.")
@base.COLOUR
def command(
    action: str,
    file: str,
    paths: tuple[str, ...],
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    min_severity: str | None,
    config: str | None,
    isolated: bool,
    no_cache: bool,
    colour: str,
) -> int:
    """Keep a file of known findings, which `check --baseline FILE` leaves out.

    `write` puts all findings in PATHS into FILE; `update` takes those out of it that are there no more,
    and adds none; `show` lists what is in it. A finding is known by file, rule, class, subject and the
    text of its line, so it stays known when lines move.
    """
    if action == "show":
        if paths:
            raise click.UsageError("`show` takes no paths: it lists what the file holds")
        _show(KnownFindings.read(file).entries, colour)
        return 0
    finder = settings.finder(select, ignore, min_severity, config, isolated)
    found = discover(paths or (".",), finder.for_folder)
    for path in found.missing:
        base.warn(f"{path}: no such file or folder")
    if found.missing:
        return 2  # What is not there would count as fixed.
    linter = Linter(finder, None, None if no_cache else cache_folder)
    return (_write if action == "write" else _update)(file, found.files, linter)


def _write(file: str, files: list[str], linter: Linter) -> int:
    loader = DiskLoader()
    findings = linter.check(files, loader)
    for finding in findings:
        if finding.code == UNREADABLE.code:
            base.warn(f"{finding.span.path}: not taken, since it cannot be linted: {finding.message}")
    accepted = [f for f in findings if f.code != UNREADABLE.code and linter.is_shown(f)]
    entries = made_of(accepted, identities(accepted, loader, file))
    _save(file, entries)
    base.out(f"Wrote {plural(len(accepted), 'finding')} to {file}.")
    return 0


def _update(file: str, files: list[str], linter: Linter) -> int:
    known = KnownFindings.read(file)
    loader = DiskLoader()
    known.judge(linter.check(files, loader), loader)
    gone = known.outdated(linter, files)
    left = without(known.entries, gone)
    if gone:
        _save(file, left)
    total = sum(entry.times for entry in left.values())
    base.out(f"Took {plural(sum(gone.values()), 'finding')} out of {file}, {total} left.")
    return 0


def _save(file: str, entries: Baseline) -> None:
    try:
        write_new(file, render(entries).encode())
    except OSError as error:
        raise click.UsageError(f"{file}: cannot be written: {error.strerror or error}") from None


def _show(entries: Baseline, colour: str) -> None:
    style = base.style_for(colour, sys.stdout)
    rows = []
    path = None
    for identity in sorted(entries):
        if identity.path != path:
            path = identity.path
            rows.append(style.paint(one_line(path), "bold"))
        count, message = entries[identity]
        times = f" ({count} times)" if count > 1 else ""
        first, *others = wrap(message + times, style.width - 10)
        rows += [f"  {style.paint(identity.code, 'yellow')}  {first}", *(" " * 10 + text for text in others)]
    total = sum(entry.times for entry in entries.values())
    base.out("\n".join([*rows, plural(total, "finding") + "."]), colour=style.colour)
