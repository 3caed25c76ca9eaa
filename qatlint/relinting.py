"""Linting the same files again and again while few of them change, as a fix run does.

Only what a changed text can affect is looked at anew: the file itself, the files whose imports lead to it,
and those that asked about all linted files (for subclasses, for assignments from outside) and may now get
another answer. What was found in the others is kept. A change may do anything but alter which classes of
the project inherit from which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from qatlint import parallel
from qatlint.examined import Examined, Topic, topics_between
from qatlint.finding import Finding
from qatlint.linting import Group, Linter
from qatlint.loader import Loader
from qatlint.static.survey import topics_of


class _State(NamedTuple):
    """The texts of one look (None: unreadable), and what each group of files gave."""

    texts: dict[str, bytes | None]
    examined: list[Examined]

    def changed(self, texts: Mapping[str, bytes | None]) -> list[str]:
        """The files whose text is another one now."""
        return [path for path, text in texts.items() if self.texts[path] != text]


class Relinter:
    """Finds what `Linter.check` finds in `paths`, and remembers what it took."""

    def __init__(self, linter: Linter, paths: Sequence[str]) -> None:
        self._linter = linter
        self._paths = tuple(paths)
        self._groups = linter.groups(paths)
        self._states: list[_State] = []
        """The texts that were kept and those that were tried last: what comes next is near one of them."""

    def check(self, loader: Loader) -> list[Finding]:
        """Findings, selected and not suppressed, sorted by place."""
        texts = {path: _read(path, loader) for path in self._paths}
        nearest = min(self._states, key=lambda state: len(state.changed(texts)), default=None)
        if nearest is None:
            examined = [_examine(group, group.paths, loader) for group in self._groups]
            # No fix takes an op away: what is not known stays so.
            self._linter.unknown.clear()
            for found in examined:
                self._linter.count_unknown(found)
            self._states = [_State(texts, examined)]
        else:
            examined = self._again(nearest, texts, loader)
            self._states = [nearest, _State(texts, examined)]
        findings: list[Finding] = []
        for group, found in zip(self._groups, examined, strict=True):
            findings += group.reported(found.findings(group.paths), loader)
        return sorted(findings, key=lambda finding: finding.sort_key)

    def _again(self, before: _State, texts: Mapping[str, bytes | None], loader: Loader) -> list[Examined]:
        """What the groups give now, given what they gave before."""
        changed = before.changed(texts)
        topics: set[Topic] = set()
        for path in changed:
            topics |= topics_between(_topics(before.texts[path]), _topics(texts[path]))
        result = []
        for group, known in zip(self._groups, before.examined, strict=True):
            affected = {*known.affected_by(changed, topics, {}).files}
            examined = known.copy()
            if affected:
                examined.add(_examine(group, [p for p in group.paths if p in affected], loader))
            result.append(examined)
        return result


def _examine(group: Group, paths: Sequence[str], loader: Loader) -> Examined:
    return parallel.examine(paths, group.paths, loader, group.rules, group.aim(loader))


def _topics(text: bytes | None) -> set[Topic]:
    return topics_of(text) if text is not None else set()


def _read(path: str, loader: Loader) -> bytes | None:
    try:
        return loader.read(path)
    except OSError:
        return None
