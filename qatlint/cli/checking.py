"""What `qatlint check` does once its options are read: lint, fix or comment, write, report."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from qatlint.cli import base, proving
from qatlint.cli.output import Shown, print_diff, print_findings
from qatlint.cli.scope import Narrow, Scope
from qatlint.cli.waiting import bar
from qatlint.config import Finder, cache_folder
from qatlint.files import Discovery, DiskLoader, snapshot, write_atomic
from qatlint.finding import Finding, Replacement
from qatlint.linting import Linter, Weigh
from qatlint.loader import Loader, OverlayLoader
from qatlint.report.formats import FORMATS
from qatlint.report.summary import plural
from qatlint.words import listed

if TYPE_CHECKING:
    from qatlint.evidence import Evidence

CLEAN, FINDINGS, TROUBLE = 0, 1, 2


class Wanted(NamedTuple):
    """What the options ask for, apart from settings."""

    fix: bool
    unsafe: bool
    diff: bool
    output: str
    output_file: str | None
    with_fixes: bool
    reason: str | None
    statistics: bool
    exit_zero: bool
    colour: str
    claim: proving.Claim | None
    evidence: Evidence | None
    report: str | None
    cache: bool

    @property
    def weigh(self) -> Weigh | None:
        """What gives findings the severity that was measured."""
        return self.evidence.weigh if self.evidence is not None else None

    @property
    def shows(self) -> bool:
        """Whether findings are only to be shown."""
        return not (self.fix or self.diff or self.reason)


def check_files(found: Discovery, read: Discovery, finder: Finder, wanted: Wanted, narrow: Narrow) -> int:
    """Check the files `found`, which are all or some of those that are read. Gives the exit code."""
    for path in dict.fromkeys([*found.missing, *read.missing]):
        base.warn(f"{path}: no such file or folder{_maybe_command(path)}")
    trouble = bool(found.missing or read.missing)
    loader: Loader = DiskLoader()
    folder_of = cache_folder if wanted.cache else None
    linter = Linter(finder, wanted.weigh, folder_of, wanted.report is not None)
    scope = Scope(linter, found.files, read.files, narrow, wanted.report)
    if not found.files:
        # "All checks passed" would be a lie.
        if not trouble:
            base.warn("no Python files found")
        if wanted.output_file is not None or not FORMATS[wanted.output].for_people:
            _report(scope, [], loader, wanted, fixed=None)
        return TROUBLE if trouble else CLEAN
    if wanted.evidence is not None and not any(map(wanted.evidence.is_about, found.files)):
        base.warn("--select-from: nothing was measured of these files; run both commands in the same folder")
    if wanted.shows:
        with bar("linting"):
            findings = scope.check(loader)
        for folder in scope.linter.damaged:
            base.warn(f"{folder}: the cache is damaged, and was not used")
        code = _report(scope, findings, loader, wanted, fixed=None)
        return TROUBLE if trouble else code
    before = snapshot(read.files, loader)
    loader = OverlayLoader(before, loader)
    with bar("linting"):
        texts, findings, fixed = _changed(scope, loader, wanted)
    if wanted.diff:
        print_diff(texts, loader, wanted.colour)
        return TROUBLE if trouble else FINDINGS if texts and not wanted.exit_zero else CLEAN
    if wanted.claim is not None and texts:
        outcome = proving.prove(wanted.claim, texts, unsafe=wanted.unsafe, colour=wanted.colour)
        if outcome != proving.HOLDS:
            _report(scope, scope.check(loader), loader, wanted, fixed=0)
            return TROUBLE if trouble else outcome
    for path, data in texts.items():
        try:
            write_atomic(path, before.get(path, b""), data)
        except OSError as error:
            base.warn(f"{path}: cannot be written: {error.strerror or error}")
            trouble = True
    code = _report(scope, findings, OverlayLoader(texts, loader), wanted, fixed=fixed)
    return TROUBLE if trouble else code


def check_stdin(name: str, finder: Finder, wanted: Wanted, narrow: Narrow) -> int:
    """Check what is typed in, which goes by `name`. Gives the exit code."""
    source = sys.stdin.buffer.read()
    loader = OverlayLoader({name: source}, DiskLoader())
    linter = Linter(finder, wanted.weigh, has_report=wanted.report is not None)
    scope = Scope(linter, [name], [name], narrow, wanted.report)
    if not (wanted.fix or wanted.diff):
        return _report(scope, scope.check(loader), loader, wanted, fixed=None)
    texts, findings, fixed = _fixed(scope, loader, wanted)
    if wanted.diff:
        print_diff(texts, loader, wanted.colour)
        return FINDINGS if texts and not wanted.exit_zero else CLEAN
    base.out(texts.get(name, source))
    return _report(scope, findings, OverlayLoader(texts, loader), wanted, fixed=fixed, err=True)


def _changed(
    scope: Scope, loader: Loader, wanted: Wanted
) -> tuple[dict[str, bytes], list[Finding], int | None]:
    """Like `_fixed`, or comments instead of fixes."""
    if wanted.reason is None:
        return _fixed(scope, loader, wanted)
    from qatlint.cli.suppressing import suppressed

    outcome = suppressed(scope, loader, wanted.reason)
    scope.notes.append(outcome.note)
    return outcome.texts, outcome.findings, None


def _fixed(scope: Scope, loader: Loader, wanted: Wanted) -> tuple[dict[str, bytes], list[Finding], int]:
    """New texts, what remains to be reported, and how many fixes were applied. Writes nothing."""
    from dataclasses import replace

    from qatlint.codemods.fixer import fix

    recheck = scope.rechecker()

    def check(current: Loader) -> list[Finding]:
        # Nobody should find a file changed for a finding that was not shown.
        return [f if scope.linter.is_shown(f) else replace(f, fix=None) for f in recheck(current)]

    result = fix(scope.files, loader, check, unsafe=wanted.unsafe)
    for problem in result.problems:
        base.warn(problem)
    return dict(result.texts), result.findings, result.applied


def _report(
    scope: Scope,
    findings: Sequence[Finding],
    loader: Loader,
    wanted: Wanted,
    *,
    fixed: int | None,
    err: bool = False,
) -> int:
    shown = [finding for finding in findings if scope.linter.is_shown(finding)]
    hidden = [finding for finding in findings if not scope.linter.is_shown(finding)]
    changes = _suggested(shown, scope, loader, wanted) if wanted.with_fixes else {}
    print_findings(
        Shown(
            shown,
            hidden,
            scope.files,
            fixed,
            changes,
            [*scope.notes, *_unknown(scope, wanted)],
            scope.linter.unknown,
            scope.toolchain,
        ),
        loader,
        output=wanted.output,
        file=wanted.output_file,
        statistics=wanted.statistics,
        colour=wanted.colour,
        unsafe=wanted.unsafe,
        err=err,
    )
    return FINDINGS if shown and not wanted.exit_zero else CLEAN


def _unknown(scope: Scope, wanted: Wanted) -> list[str]:
    """What the statistics say of ops that nothing is known of."""
    unknown = scope.linter.unknown
    if not wanted.statistics or not unknown:
        return []
    named = [
        f"`{name}` ({count})" for name, count in sorted(unknown.items(), key=lambda one: (-one[1], one[0]))
    ]
    return [
        f"{plural(unknown.total(), 'op')} of the quantised region that `qatlint ops` does not have, of which "
        f"no rule says anything: {listed(named, 6)}."
    ]


def _suggested(
    findings: Sequence[Finding], scope: Scope, loader: Loader, wanted: Wanted
) -> Mapping[Finding, Sequence[Replacement]]:
    """What each fix would change."""
    from qatlint.codemods.suggest import suggest

    return suggest(findings, scope.files, loader, scope.rechecker(), unsafe=wanted.unsafe)


def _maybe_command(path: str) -> str:
    """A hint when a missing path looks like a misspelt command."""
    import difflib

    from qatlint.cli.app import names

    close = difflib.get_close_matches(path, names(), n=1, cutoff=0.7)
    return f" (did you mean the command `{close[0]}`?)" if close else ""
