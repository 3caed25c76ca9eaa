"""`check --add-suppressions`: comments for all that was found, written where it holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import click

from qatlint import suppressing
from qatlint.catalogue import UNREADABLE, UNUSED_SUPPRESSION
from qatlint.cli import base
from qatlint.cli.scope import Scope
from qatlint.finding import Finding
from qatlint.loader import Loader, OverlayLoader
from qatlint.report.summary import plural

_NEVER = (UNREADABLE.code, UNUSED_SUPPRESSION.code)
"""What no comment switches off."""


def checked_reason(reason: str) -> str:
    """The reason as it is written. Raises `UsageError` for one that is none."""
    reason = reason.strip()
    if not reason:
        raise click.UsageError("--add-suppressions needs a reason: who reads the comment will ask for it")
    if not reason.isprintable():
        raise click.UsageError("--add-suppressions: the reason must be one line of text")
    return reason


class Suppressed(NamedTuple):
    """New texts, and what is found in them."""

    texts: dict[str, bytes]
    findings: list[Finding]
    done: int
    """How many findings are switched off."""

    @property
    def note(self) -> str:
        """The same in words."""
        return f"Suppressed {plural(self.done, 'finding')} in {plural(len(self.texts), 'file')}."


def suppressed(scope: Scope, loader: Loader, reason: str) -> Suppressed:
    """Comments for the findings that are shown. Writes nothing.

    A file in which the comments do not help is left as it is, and named.
    """
    recheck = scope.rechecker()
    findings = recheck(loader)
    by_path: dict[str, list[Finding]] = {}
    for finding in findings:
        if scope.linter.is_shown(finding) and finding.code not in _NEVER:
            by_path.setdefault(finding.span.path, []).append(finding)
    texts: dict[str, bytes] = {}
    for path, here in by_path.items():
        try:
            texts[path] = suppressing.add(loader.read(path), here, reason)
        except (suppressing.CannotSuppress, OSError) as error:
            base.warn(f"{path}: no comment was written: {error}")
    left = recheck(OverlayLoader(texts, loader))
    failed = {f.span.path for f in left if _is_among(f, by_path.get(f.span.path, ()))} & texts.keys()
    if failed:
        for path in sorted(failed):
            base.warn(f"{path}: no comment was written: it would not switch the finding off")
            del texts[path]
        left = recheck(OverlayLoader(texts, loader))
    done = [f for path in texts for f in by_path[path]]
    return Suppressed(texts, left, len(done))


def _is_among(finding: Finding, others: Sequence[Finding]) -> bool:
    key = (finding.code, finding.owner, finding.subject, finding.span.path)
    return any((f.code, f.owner, f.subject, f.span.path) == key for f in others)
