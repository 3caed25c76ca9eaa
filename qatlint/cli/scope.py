"""Which findings of a run count, and how much: those in the named files, less what a baseline knows and old
lines hold; more where the toolchain's own report says the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from qatlint.finding import Finding, Severity
from qatlint.linting import Linter
from qatlint.loader import Loader
from qatlint.report.formats import Toolchain
from qatlint.report.summary import plural

if TYPE_CHECKING:
    from qatlint.cli.known import KnownFindings
    from qatlint.git import Changes
    from qatlint.horizon.judging.judgement import Judgement

_Key = tuple[str, str, str, str, int]


class Narrow(NamedTuple):
    """What was asked to be left out."""

    since: Changes | None = None
    known: KnownFindings | None = None


class Scope:
    """The files that are reported on, the files that are read with them, and what is left out or confirmed.

    That is decided once, on the texts that the run begins with: a fix moves lines.
    """

    def __init__(
        self,
        linter: Linter,
        files: Sequence[str],
        read: Sequence[str],
        narrow: Narrow,
        report: str | None = None,
    ) -> None:
        """`report` names what the toolchain wrote of a model in these files."""
        self.linter = linter
        self.files = files
        self._read = read
        self._all = len(read) == len(files)
        self._narrow = narrow
        self._left_out: set[_Key] | None = None
        self._report = report
        self._confirmed: dict[_Key, str] | None = None
        """Findings of which that report speaks, and what it says, in words."""
        self._rows: dict[_Key, tuple[Judgement, ...]] = {}
        self.toolchain: Toolchain | None = None
        """The same as values; None without such a report."""
        self.notes: list[str] = []
        """What was left out, and what no finding explains, in words."""

    def check(self, loader: Loader) -> list[Finding]:
        """The findings that count, whatever their severity."""
        return self._counted(self.linter.check(self._read, loader), loader)

    def rechecker(self) -> Callable[[Loader], list[Finding]]:
        """The same for texts of which few change from call to call."""
        from qatlint.relinting import Relinter

        relinter = Relinter(self.linter, self._read)
        return lambda loader: self._counted(relinter.check(loader), loader)

    def _counted(self, findings: list[Finding], loader: Loader) -> list[Finding]:
        if not self._all:
            inside = set(self.files)
            findings = [finding for finding in findings if finding.span.path in inside]
        if self._narrow == Narrow() and self._report is None:
            return findings
        keys = _keys(findings)
        if self._confirmed is None:
            self._confirmed = self._confirm(findings, keys, loader)
        if self._left_out is None:
            self._left_out = self._decide(findings, keys, loader)
        counted = []
        for finding, key in zip(findings, keys, strict=True):
            if key in self._left_out:
                continue
            if key in self._confirmed and self.toolchain is not None:
                finding = raised(finding, self._confirmed[key])
                self.toolchain.confirmed[finding] = self._rows[key]
            counted.append(finding)
        return counted

    def _confirm(self, findings: Sequence[Finding], keys: Sequence[_Key], loader: Loader) -> dict[_Key, str]:
        if self._report is None:
            return {}
        from qatlint.cli.confirming import Confirmation
        from qatlint.cli.toolchain_source import around
        from qatlint.resolve.linked import said

        aim = self.linter.groups(self._read)[0].aim(loader)
        files = around(self._read, self.linter.finder)
        confirmation = Confirmation(self._report, self._read, files, aim, loader)
        rows = confirmation.unexplained(findings)
        note = confirmation.note(rows)
        if note:
            self.notes.append(note)
        found = ((key, confirmation.rows(f)) for f, key in zip(findings, keys, strict=True))
        self._rows = {key: confirming for key, confirming in found if confirming}
        self.toolchain = Toolchain({}, rows)
        return {key: said(confirming) for key, confirming in self._rows.items()}

    def _decide(self, findings: Sequence[Finding], keys: Sequence[_Key], loader: Loader) -> set[_Key]:
        since, known = self._narrow
        out: set[_Key] = set()
        if known is not None:
            out.update(key for key, old in zip(keys, known.judge(findings, loader), strict=True) if old)
            self.notes += known.notes(len(out), self.linter, self.files)
        if since is not None:
            fresh = [(f, key) for f, key in zip(findings, keys, strict=True) if key not in out]
            old = [key for f, key in fresh if not _touched(f, since)]
            out.update(old)
            if old:
                self.notes.append(f"{plural(len(old), 'finding')} on lines that did not change.")
        return out


def raised(finding: Finding, said: str) -> Finding:
    """The finding when the toolchain reports the same: one level more, and the message says so."""
    severity = Severity(min(finding.severity + 1, Severity.ERROR))
    return replace(finding, severity=severity, message=f"{finding.message}; {said}")


def _touched(finding: Finding, changes: Changes) -> bool:
    """Whether a line changed that the finding is about, which may be that of another call of the module."""
    spans = (finding.span, *(related.span for related in finding.related))
    return any(changes.touch(span.path, span.line, span.end_line) for span in spans)


def _keys(findings: Sequence[Finding]) -> list[_Key]:
    """What names each finding while its file is fixed: there is one about a subject, others are numbered."""
    seen: Counter[tuple[str, str, str, str]] = Counter()
    keys = []
    for finding in findings:
        name = (finding.span.path, finding.code, finding.owner, finding.subject)
        seen[name] += 1
        keys.append((*name, seen[name]))
    return keys
