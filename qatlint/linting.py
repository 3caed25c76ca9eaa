"""One linting run: the engine's findings, less what settings and comments switch off."""

from __future__ import annotations

from collections.abc import Sequence

from qatlint import catalogue, parallel, registry
from qatlint.config import Finder, Settings
from qatlint.finding import Finding
from qatlint.loader import Loader

MARK = b"qatlint:"
"""What every comment for us has in it."""


class Linter:
    """Finds what is to be reported in files, each under the settings that hold for it."""

    def __init__(self, finder: Finder) -> None:
        self._finder = finder

    def check(self, paths: Sequence[str], loader: Loader) -> list[Finding]:
        """Findings in `paths`, selected and not suppressed, sorted by place. Raises `ConfigError`."""
        findings: list[Finding] = []
        for settings, group in self._groups(paths):
            findings += _check_group(group, loader, settings)
        return sorted(findings, key=lambda finding: finding.sort_key)

    def is_shown(self, finding: Finding) -> bool:
        """Whether a finding is at or above the threshold of its file."""
        return finding.severity >= self._finder.for_file(finding.span.path).min_severity

    def _groups(self, paths: Sequence[str]) -> list[tuple[Settings, list[str]]]:
        """Files with the same settings are linted together."""
        groups: dict[int, tuple[Settings, list[str]]] = {}
        for path in paths:
            settings = self._finder.for_file(path)
            groups.setdefault(id(settings), (settings, []))[1].append(path)
        return list(groups.values())


def _check_group(paths: Sequence[str], loader: Loader, settings: Settings) -> list[Finding]:
    rules = [rule for rule in registry.all_rules() if rule.code in settings.codes]
    off = {path: settings.ignored_in(path) - {catalogue.UNREADABLE.code} for path in paths}

    def codes_in(path: str) -> frozenset[str]:
        return settings.codes - off.get(path, frozenset())

    found = parallel.check(paths, loader, rules, settings.src)
    found = [finding for finding in found if finding.code in codes_in(finding.span.path)]
    marked = _with_comments(paths, loader)
    if not marked:
        return found
    # Most runs have no such comment, and need not pay for what it takes to read them.
    from qatlint import suppress

    return suppress.apply(found, marked, codes_in)


def _with_comments(paths: Sequence[str], loader: Loader) -> dict[str, bytes]:
    """The files that hold the word which begins a suppression."""
    marked = {}
    for path in paths:
        try:
            data = loader.read(path)
        except OSError:
            continue  # The engine reports it.
        if MARK in data:
            marked[path] = data
    return marked
