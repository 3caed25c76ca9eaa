"""A baseline file as the commands use it: read, matched with findings, and held beside what was linted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache, partial

import click

from qatlint import baseline
from qatlint.baseline import Baseline
from qatlint.catalogue import UNREADABLE
from qatlint.cli import base
from qatlint.cli.output import read_lines
from qatlint.files import named_from
from qatlint.finding import Finding
from qatlint.identity import Identity, identity
from qatlint.linting import Linter
from qatlint.loader import Loader
from qatlint.report.summary import plural


class KnownFindings:
    """The findings that a baseline file knows."""

    def __init__(self, path: str, entries: Baseline) -> None:
        self._path = path
        self.entries = entries
        self._found: list[Identity] = []

    @classmethod
    def read(cls, path: str) -> KnownFindings:
        """What the file holds. Raises `UsageError` when it is no baseline."""
        try:
            with open(path, encoding="utf-8") as file:
                return cls(path, baseline.parse(file.read()))
        except FileNotFoundError:
            hint = f"`qatlint baseline write {path}` makes it"
            raise click.UsageError(f"{path}: no such file ({hint})") from None
        except OSError as error:
            raise click.UsageError(f"{path}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise click.UsageError(f"{path}: not UTF-8") from None
        except baseline.BaselineError as error:
            raise click.UsageError(f"{path}: {error}") from None

    def judge(self, findings: Sequence[Finding], loader: Loader) -> list[bool]:
        """Whether the baseline knows each finding. They are remembered, to tell what is outdated."""
        self._found = identities(findings, loader, self._path)
        # A file that cannot be read was not linted: nothing about it can be accepted.
        verdicts = baseline.known(self.entries, self._found)
        return [old and f.code != UNREADABLE.code for f, old in zip(findings, verdicts, strict=True)]

    def notes(self, number: int, linter: Linter, files: Sequence[str]) -> list[str]:
        """How many findings are known, in words; entries that match nothing are said on standard error."""
        gone = sum(self.outdated(linter, files).values())
        if gone:
            base.warn(
                f"{self._path}: {plural(gone, 'finding')} in it {'is' if gone == 1 else 'are'} stale; "
                f"`qatlint baseline update {self._path}` takes {'it' if gone == 1 else 'them'} out"
            )
        return [f"{plural(number, 'finding')} known by {self._path}."] if number else []

    def outdated(self, linter: Linter, files: Sequence[str]) -> dict[Identity, int]:
        """The entries that should have matched a finding and did not.

        Those of files that were not linted, and of rules that are off there, are left alone; a file that is
        no more has none.
        """
        folder = _folder(self._path)
        codes = {named_from(folder, path): linter.codes_in(path) for path in files}

        def judged(entry: Identity) -> bool:
            if entry.path in codes:
                return entry.code in codes[entry.path]
            return not os.path.lexists(os.path.join(folder, entry.path))

        gone = baseline.outdated(self.entries, self._found)
        return {entry: count for entry, count in gone.items() if judged(entry)}


def identities(findings: Sequence[Finding], loader: Loader, path: str) -> list[Identity]:
    """The identities of findings in the baseline file `path`."""
    lines = cache(partial(read_lines, loader=loader))
    place = cache(partial(named_from, _folder(path)))
    return [identity(finding, lines, place) for finding in findings]


def _folder(path: str) -> str:
    return os.path.dirname(os.path.abspath(path))
