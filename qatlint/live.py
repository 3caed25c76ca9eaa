"""Findings of a project while its texts change: an editor's view, one file at a time.

What a change can affect waits to be examined anew, the changed files first; until then what was found before
stands. The rest is kept, with the syntax trees. Files that are new or gone make another project.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from qatlint import engine, lastgood
from qatlint.examined import Examined, Topic, merge, topics_between
from qatlint.finding import Finding
from qatlint.linting import Group, Linter
from qatlint.loader import Loader
from qatlint.static.source import Unreadable
from qatlint.static.survey import topics_of
from qatlint.trace import Trace


class Live:
    """The files `paths`, each under its settings, read through `loader`. Raises `ConfigError`."""

    def __init__(self, linter: Linter, paths: Sequence[str], loader: Loader) -> None:
        self._loader = loader
        self._parts = [_Part(group, loader) for group in linter.groups(paths)]
        self._part_of = {path: part for part in self._parts for path in part.group.paths}
        self._good: dict[str, lastgood.Good] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._part_of

    def change(self, paths: Collection[str]) -> None:
        """The loader has other texts for these files now, whether they are linted or imported."""
        for part in self._parts:
            part.change(paths)

    def waiting(self) -> int:
        """How many files are to be examined."""
        return sum(len(part.pending) for part in self._parts)

    def first(self, paths: Iterable[str]) -> None:
        """Examine these, as far as they wait, before all others."""
        for path in reversed(list(paths)):
            if path in self._part_of:
                part = self._part_of[path]
                part.first(path)
                self._parts.sort(key=lambda other: other is not part)

    def examine(self, path: str) -> set[str]:
        """Examine a linted file now, if it waits; gives the files whose findings may be others then."""
        part = self._part_of[path]
        if path not in part.pending:
            return set()
        part.first(path)
        return part.step()

    def step(self) -> set[str]:
        """Examine one file that waits; gives the files whose findings may be others now."""
        for part in self._parts:
            if part.pending:
                return part.step()
        return set()

    def findings(self, path: str) -> list[Finding]:
        """What is to be reported in a linted file, sorted by place.

        While its text is broken: that, and what was reported before in the lines that are as they were.
        """
        part = self._part_of[path]
        found = part.findings(path)
        try:
            text = self._loader.read(path)
        except OSError:
            return found
        if not part.is_broken(path):
            self._good[path] = lastgood.Good(text, tuple(found))
        elif path in self._good:
            found = sorted([*found, *lastgood.moved(self._good[path], text)], key=lambda f: f.sort_key)
        return found

    def traces(self, path: str) -> list[Trace]:
        """The traces of the classes of a linted file; none while it cannot be parsed."""
        return self._part_of[path].traces(path)


class _Part:
    """Files with the same settings."""

    def __init__(self, group: Group, loader: Loader) -> None:
        self.group = group
        self.pending: dict[str, None] = dict.fromkeys(group.paths)
        """Files to be examined, in this order."""
        self._rules = group.rules
        self._loader = loader
        self._project = engine.open_project(group.paths, loader, group.aim(loader))
        self._examined = Examined({}, {}, {}, {})
        self._topics: dict[str, set[Topic]] = {}
        """What the text that was examined has to say about other files."""
        self._traces: dict[str, list[Trace]] = {}

    def change(self, paths: Collection[str]) -> None:
        """Let go of what depends on these texts, and note what is to be examined."""
        linted = [path for path in paths if path in self._topics or path in self.pending]
        # Before a text was examined once, nobody knows what it answered to those who asked.
        is_known = all(path in self._topics for path in linted)
        between = [topics_between(self._topics[p], self._topics_now(p)) for p in linted] if is_known else []
        topics = set().union(*between) if is_known else None
        affected = self._examined.affected_by(paths, topics, self._topics)
        self._project.renew(paths, affected.reached)
        self._traces.clear()
        self.pending = dict.fromkeys([*linted, *affected.files, *self.pending])

    def first(self, path: str) -> None:
        """Examine this file before the others, if it waits at all."""
        if path in self.pending:
            self.pending = dict.fromkeys([path, *self.pending])

    def step(self) -> set[str]:
        """Examine the first file that waits; gives the files whose findings may be others now."""
        path = next(iter(self.pending))
        del self.pending[path]
        before = self._examined.judged.get(path, ())
        self._topics[path] = self._topics_now(path)
        self._examined.add(engine.examine([path], self._project, self._rules))
        if self._project.lines_parsed() > engine.LINES_HELD:
            self._project.forget()
        after = self._examined.judged[path]
        return {path, *(judged.finding.span.path for judged in (*before, *after))} & set(self.group.paths)

    def findings(self, path: str) -> list[Finding]:
        """What is to be reported in one file.

        What a file that waits has said about another one is left out: it spoke of an older text.
        """
        found = merge(
            judged
            for source, all_judged in self._examined.judged.items()
            if source == path or source not in self.pending
            for judged in all_judged
            if judged.finding.span.path == path
        )
        return self.group._replace(paths=[path]).reported(found, self._loader)

    def is_broken(self, path: str) -> bool:
        """Whether the text that was examined could not be parsed."""
        return any(judged.finding.code == "QAT000" for judged in self._examined.judged.get(path, ()))

    def traces(self, path: str) -> list[Trace]:
        """The traces of the classes of a file; none while it cannot be parsed."""
        known = self._traces.get(path)
        if known is None:
            try:
                known = engine.traces_in(self._project, path)
            except (Unreadable, OSError):
                known = []
            self._traces[path] = known
        return known

    def _topics_now(self, path: str) -> set[Topic]:
        try:
            return topics_of(self._loader.read(path))
        except OSError:
            return set()
