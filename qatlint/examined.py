"""What was found on the classes of some files, and what that depended on. Values only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from typing import NamedTuple

from qatlint.finding import Finding
from qatlint.trace import Span

Topic = tuple[str, str]
"""What the linted files are asked about as a whole: ("base", name of a class), ("write", attribute),
("identity", attribute), ("argument", attribute), ("pick", ""), ("use", attribute), ("script", ""),
("listing", ""), ("meant", ""), ("plugin", ""), ("prepare", "") or ("make", name of a class)."""
PLUGIN: Topic = ("plugin", "")
"""Whether any linted file imports the plugin: which one, and what else it says, does not matter."""
BY_IMPORTS = frozenset(("base", "prepare", "argument", "make", "meant"))
"""Kinds of topics that ask for more than texts: what the imports of those that answer mean matters, too."""


class Judged(NamedTuple):
    """A finding, and whether it was made on the trace of the very class it names."""

    finding: Finding
    own: bool


class Affected(NamedTuple):
    """What a change can make a difference to."""

    reached: set[str]
    """The changed files and all whose imports lead to one of them."""
    files: list[str]
    """Those of the examined files that may be judged differently."""


class Examined(NamedTuple):
    """What was found on the classes of some files, and what that depended on."""

    judged: dict[str, list[Judged]]
    """By the file of the class."""
    asked: dict[str, set[Topic]]
    """What each of these files made the linter ask about all linted files."""
    lookups: dict[str, dict[str, str]]
    """Any file -> the module names that were looked up in it -> the path of each, "" outside the project."""
    unknown: dict[str, dict[str, int]]
    """By the file of the class: ops that the op table does not have, as written, and how often."""

    def findings(self, linted: Collection[str]) -> list[Finding]:
        """One finding per thing that stands in one of the files `linted`, sorted by place."""
        wanted = frozenset(linted)
        return merge(
            judged
            for path in self.judged
            for judged in self.judged[path]
            if judged.finding.span.path in wanted
        )

    def add(self, other: Examined) -> None:
        """Take over what `other` says; for a file that both know, `other` is right."""
        self.judged.update(other.judged)
        self.asked.update(other.asked)
        self.unknown.update(other.unknown)
        for path, found in other.lookups.items():
            self.lookups.setdefault(path, {}).update(found)

    def copy(self) -> Examined:
        """One that can be added to."""
        lookups = {path: dict(found) for path, found in self.lookups.items()}
        return Examined(dict(self.judged), dict(self.asked), lookups, dict(self.unknown))

    def affected_by(
        self, changed: Collection[str], topics: Set[Topic] | None, spoken: Mapping[str, Set[Topic]]
    ) -> Affected:
        """What another text of `changed` can make a difference to.

        `topics` are those of the changed texts, the old and the new ones; None where nobody knows them.
        `spoken` are those of any files: where a name may mean something else now, so may what is said with
        it. Empty where a change is known to leave that alone.
        """
        reached = importing(changed, self.lookups)
        said = {t for path in reached for t in spoken.get(path, ()) if t[0] in BY_IMPORTS}
        files = [
            path
            for path in self.judged
            if path in reached
            or (self.asked[path] if topics is None else not self.asked[path].isdisjoint(topics | said))
        ]
        return Affected(reached, files)


def topics_between(old: Set[Topic], new: Set[Topic]) -> set[Topic]:
    """What may have another answer now that a text that spoke of `old` is one that speaks of `new`."""
    return (set(old) | new) - (old & new & {PLUGIN})


def importing(changed: Iterable[str], lookups: Mapping[str, Mapping[str, str]]) -> set[str]:
    """The files `changed` and all whose imports lead to one of them; see `Examined.lookups`."""
    users: dict[str, list[str]] = {}
    for path, found in lookups.items():
        for target in set(found.values()):
            users.setdefault(target, []).append(path)
    reached = set(changed)
    pending = list(reached)
    while pending:
        new = [path for path in users.get(pending.pop(), ()) if path not in reached]
        reached.update(new)
        pending.extend(new)
    return reached


def merge(judged: Iterable[Judged]) -> list[Finding]:
    """One finding per owner, child and file: that of the owner's own trace, else the most severe."""
    best: dict[tuple[object, ...], Judged] = {}
    for entry in judged:
        finding = entry.finding
        key = (finding.code, finding.owner, finding.subject, finding.span.path)
        known = best.get(key)
        if known is None or _rank(entry) < _rank(known):
            best[key] = entry
    return sorted((entry.finding for entry in best.values()), key=lambda f: f.sort_key)


def _rank(entry: Judged) -> tuple[bool, int, Span, str]:
    # The message last: two classes may say the same of what they inherit, and come in any order.
    return (not entry.own, -entry.finding.severity, entry.finding.span, entry.finding.message)
