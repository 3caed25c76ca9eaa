"""One linting run: the engine's findings, less what settings and comments switch off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence, Set
from typing import NamedTuple

from qatlint import catalogue, parallel, registry
from qatlint.aim import Aim, EntryPoint
from qatlint.config import ConfigError, Finder, Settings
from qatlint.examined import Examined
from qatlint.finding import Finding
from qatlint.loader import Loader
from qatlint.rule import Rule

MARK = b"qatlint:"
"""What every comment for us has in it."""


Weigh = Callable[[Finding], Finding]
"""Gives a finding another severity, by what is known besides the source."""


CacheFolder = Callable[[Settings], str]
"""Gives the folder for what runs with these settings leave for the next run."""


class Linter:
    """Finds what is to be reported in files, each under the settings that hold for it."""

    def __init__(
        self,
        finder: Finder,
        weigh: Weigh | None = None,
        folder_of: CacheFolder | None = None,
        has_report: bool = False,
    ) -> None:
        """`has_report`: see `Aim.has_report`."""
        self.finder = finder
        """Finds the settings of a file."""
        self._has_report = has_report
        self._weigh = weigh
        self._folder_of = folder_of
        self.damaged: list[str] = []
        """Folders whose cache was damaged, and not used."""
        self.unknown: Counter[str] = Counter()
        """Ops in what `check` has looked at that the op table does not have, as written."""

    def check(self, paths: Sequence[str], loader: Loader) -> list[Finding]:
        """Findings in `paths`, selected and not suppressed, sorted by place. Raises `ConfigError`."""
        findings: list[Finding] = []
        for group in self.groups(paths):
            noting = _Noting(loader)
            examined = self._examined(group, noting)
            self.count_unknown(examined)
            findings += group.reported(examined.findings(group.paths), loader, noting.plain)
        return sorted(findings, key=lambda finding: finding.sort_key)

    def count_unknown(self, examined: Examined) -> None:
        """Add what was met there to `unknown`."""
        for counts in examined.unknown.values():
            self.unknown.update(counts)

    def _examined(self, group: Group, loader: Loader) -> Examined:
        rules, aim = group.rules, group.aim(loader)
        if self._folder_of is None:
            return parallel.examine(group.paths, group.paths, loader, rules, aim)
        from qatlint import cache
        from qatlint.cachefile import CacheFile

        file = CacheFile(self._folder_of(group.settings), [rule.code for rule in rules], aim)
        found = cache.examine(group.paths, loader, rules, aim, file)
        if file.damaged:
            self.damaged.append(file.folder)
        return found

    def is_shown(self, finding: Finding) -> bool:
        """Whether a finding is at or above the threshold of its file."""
        return finding.severity >= self.finder.for_file(finding.span.path).min_severity

    def codes_in(self, path: str) -> frozenset[str]:
        """The codes that are reported in a file. Raises `ConfigError`."""
        settings = self.finder.for_file(path)
        return settings.codes - (settings.ignored_in(path) - {catalogue.UNREADABLE.code})

    def groups(self, paths: Sequence[str]) -> list[Group]:
        """Files with the same settings are linted together. Raises `ConfigError`."""
        groups: dict[int, Group] = {}
        for path in paths:
            settings = self.finder.for_file(path)
            groups.setdefault(id(settings), Group(settings, [], self._weigh, self._has_report)).paths.append(
                path
            )
        return list(groups.values())


class Group(NamedTuple):
    """Files that are linted together, and the settings that hold for them."""

    settings: Settings
    paths: list[str]
    weigh: Weigh | None = None
    has_report: bool = False

    @property
    def rules(self) -> list[Rule]:
        """The rules that are selected."""
        return [rule for rule in registry.all_rules() if rule.code in self.settings.codes]

    def aim(self, loader: Loader) -> Aim:
        """What the settings say of the project. Raises `ConfigError` for an entry point that is no class."""
        settings = self.settings
        points: list[EntryPoint] = []
        for written in settings.entry_points:
            # Most projects name none, and need not pay for what it takes to find it.
            from qatlint.static.entry import NoEntryPoint, find

            try:
                points += find(written, loader, settings.root, settings.src)
            except NoEntryPoint as error:
                raise ConfigError(f"{settings.origin}: `entry-points`: {error}") from None
        return Aim(
            settings.src,
            tuple(points),
            settings.march,
            settings.tracer_import,
            settings.toolchain,
            self.has_report,
        )

    def reported(
        self, found: Sequence[Finding], loader: Loader, plain: Set[str] = frozenset()
    ) -> list[Finding]:
        """The findings that settings and comments leave, and the comments that did nothing.

        Files of `plain` are known to have no such comment.
        """
        settings = self.settings
        off = {path: settings.ignored_in(path) - {catalogue.UNREADABLE.code} for path in self.paths}

        def codes_in(path: str) -> frozenset[str]:
            return settings.codes - off.get(path, frozenset())

        found = [finding for finding in found if finding.code in codes_in(finding.span.path)]
        if self.weigh is not None:
            found = [self.weigh(finding) for finding in found]
        # In a file that was not linted, nobody knows which comments are of use.
        broken = {finding.span.path for finding in found if finding.code == catalogue.UNREADABLE.code}
        marked = _with_comments([p for p in self.paths if p not in broken and p not in plain], loader)
        if not marked:
            return found
        # Most runs have no such comment, and need not pay for what it takes to read them.
        from qatlint import suppress

        return suppress.apply(found, marked, codes_in)


class _Noting:
    """Reads through another loader, and remembers which texts have no comment for us: reading all files
    again to find that out is a good part of a run that finds everything in its cache."""

    def __init__(self, below: Loader) -> None:
        self._below = below
        self.plain: set[str] = set()

    def read(self, path: str) -> bytes:
        data = self._below.read(path)
        if MARK not in data:
            self.plain.add(path)
        else:
            self.plain.discard(path)
        return data

    def exists(self, path: str) -> bool:
        return self._below.exists(path)


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
