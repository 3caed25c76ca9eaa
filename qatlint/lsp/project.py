"""The files that a client has open or in its folders, and what is found in them."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import NamedTuple

from qatlint import parallel
from qatlint.config import ConfigError, Finder, Overrides
from qatlint.files import discover, normal
from qatlint.finding import Finding
from qatlint.linting import Linter
from qatlint.live import Live
from qatlint.loader import Loader
from qatlint.lsp.options import Options
from qatlint.lsp.texts import Texts
from qatlint.trace import Trace


class Setup(NamedTuple):
    """What decides which files there are, and how they are linted."""

    folders: tuple[str, ...]
    options: Options


class Project:
    """All files of one setup, linted while their texts change. Used by one thread only."""

    def __init__(self, setup: Setup, opened: Collection[str], texts: Texts) -> None:
        """Never fails: `problems` says which settings could not be used, and the usual ones hold then."""
        self.setup = setup
        self.texts = texts
        self.problems: list[str] = []
        self.refused: frozenset[str] = frozenset()
        """Open files that the settings leave out."""
        try:
            self._prepare(_finder(setup.options), opened)
        except ConfigError as error:
            self.problems.append(str(error))
            self._prepare(Finder(Overrides(), isolated=True), opened)

    def _prepare(self, finder: Finder, opened: Collection[str]) -> None:
        self.linter = Linter(finder)
        found = [
            normal(os.path.abspath(path)) for path in discover(self.setup.folders, finder.for_folder).files
        ]
        named = [path for path in opened if self._is_wanted(path, finder)]
        self.paths = tuple(dict.fromkeys([*found, *named]))
        self.refused = frozenset(opened) - frozenset(self.paths)
        self.live = Live(self.linter, self.paths, self.texts)

    def _is_wanted(self, path: str, finder: Finder) -> bool:
        """Whether an open file is linted: not where the settings of its folder leave it out."""
        if not any(_lies_in(path, folder) for folder in self.setup.folders):
            return True
        if not os.path.exists(path):
            return path.endswith(".py")
        return bool(discover([path], finder.for_folder, exclude_named=True).files)

    def findings(self, path: str) -> list[Finding]:
        """What is shown of a linted file."""
        return [finding for finding in self.live.findings(path) if self.linter.is_shown(finding)]

    def traces(self, path: str) -> list[Trace]:
        """The traces of the classes of a file; none of one that is not linted."""
        return self.live.traces(path) if path in self.live else []

    def still(self) -> Still:
        """The project as it is now, for another thread."""
        return Still(self.linter, self.paths, self.texts.copy())


class Still(NamedTuple):
    """A project whose texts do not change."""

    linter: Linter
    paths: Sequence[str]
    texts: Loader

    def fixed(self, path: str, keys: Collection[Sequence[str]] | None, *, unsafe: bool) -> dict[str, bytes]:
        """New texts once fixes of the file are applied: those of the findings with these keys, or all.

        Empty when there was nothing to apply, or when what was applied did not help.
        """
        from dataclasses import replace

        from qatlint.codemods.fixer import fix
        from qatlint.lsp.diagnostics import key_of

        wanted = None if keys is None else {tuple(key) for key in keys}
        group = next(group for group in self.linter.groups(self.paths) if path in group.paths)

        def check(loader: Loader) -> list[Finding]:
            examined = parallel.examine([path], group.paths, loader, group.rules, group.aim(loader))
            found = group._replace(paths=[path]).reported(examined.findings([path]), loader)
            return [
                finding
                if self.linter.is_shown(finding) and (wanted is None or tuple(key_of(finding)) in wanted)
                else replace(finding, fix=None)
                for finding in found
            ]

        return dict(fix([path], self.texts, check, unsafe=unsafe).texts)

    def suppressed(self, path: str, finding: Finding, reason: str) -> bytes:
        """The text with a comment that suppresses the finding. Raises `CannotSuppress`."""
        from qatlint.suppressing import add

        return add(self.texts.read(path), [finding], reason)


def _finder(options: Options) -> Finder:
    return Finder(
        options.overrides,
        explicit=options.configuration,
        isolated=options.isolated and options.configuration is None,
    )


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")
