"""The same findings as a run without a cache, examining only the files that may have new ones.

What was found in a file depends on its text, on the texts its imports lead to, on where these imports lead
(a new file may come before another), and on what the linted files answered as a whole (who inherits from a
class, who writes to an attribute from outside). All of that is kept beside the findings, and compared.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import NamedTuple

from qatlint import parallel, stored
from qatlint.aim import Aim
from qatlint.cachefile import CacheFile, Entry, Facts, Kept, digest_of
from qatlint.examined import BY_IMPORTS, PLUGIN, Examined, importing
from qatlint.loader import Loader
from qatlint.rule import Rule
from qatlint.static.layout import Layout

_BY_IMPORTS = tuple(f"{kind}:" for kind in sorted(BY_IMPORTS))
"""How topics begin for which imports matter, too."""
_CLOCK_STEP = 2.0
"""Seconds by which the time of a file may be off."""


def examine(
    paths: Sequence[str],
    loader: Loader,
    rules: Sequence[Rule],
    aim: Aim,
    file: CacheFile,
) -> Examined:
    """What `parallel.examine` gives for `paths`: from `file` as far as it can, which is then renewed."""
    began = time.time()
    kept = file.load()
    try:
        now = _Now(paths, Layout(loader, aim.source_roots), loader, kept)
        valid = [path for path in paths if now.is_valid(path)]
        known = {path: [stored.from_lists(one) for one in kept.entries[path].judged] for path in valid}
        unknown = {path: dict(kept.entries[path].unknown) for path in valid}
    except (stored.Garbled, LookupError, TypeError, ValueError, AttributeError):
        # The sum was right: it was written so.
        file.damaged = True
        kept = Kept({}, {})
        now = _Now(paths, Layout(loader, aim.source_roots), loader, kept)
        known, unknown = {}, {}
    pending = [path for path in paths if path not in known]
    examined = Examined(dict(known), {}, {}, unknown)
    if pending:
        examined.add(parallel.examine(pending, paths, loader, rules, aim))
    if pending or now.changed:
        file.save(now.updated(examined, pending, began))
    return examined


class _Importer(NamedTuple):
    """A file, as far as its imports need it."""

    name: str
    root: str


class _Now:
    """The files as they are, beside what was kept of them."""

    def __init__(self, linted: Sequence[str], layout: Layout, loader: Loader, kept: Kept) -> None:
        self._linted = linted
        self._linted_set = frozenset(linted)
        self._layout = layout
        self._loader = loader
        self._kept = kept
        self._digests: dict[str, str] = {}
        self._topics: dict[str, list[str]] = {}
        self._answers: dict[str, str] = {}
        """By topic, as far as somebody asked."""
        self.changed = {path for path in self._reachable() if not self._is_same(path)}
        """Files of which nothing is known any more, or never was."""
        self._affected = importing(self.changed, {p: facts.lookups for p, facts in kept.files.items()})
        self._topics_affected = {
            topic
            for path in self._affected
            if path in kept.files
            for topic in kept.files[path].topics or ()
            if topic.startswith(_BY_IMPORTS)
        }
        self._all_same = not self.changed and kept.linted == _digest_of_paths(linted)
        """Whether nothing can have another answer than when the cache was saved, so that nobody need ask."""

    @cached_property
    def _holders(self) -> dict[str, list[str]]:
        """By topic: the linted files that have something to say about it."""
        holders: dict[str, list[str]] = {}
        for path in self._linted:
            for topic in self._topics_of(path):
                holders.setdefault(topic, []).append(path)
        return holders

    def is_valid(self, path: str) -> bool:
        """Whether what was found on the classes of a linted file would be found again."""
        entry = self._kept.entries.get(path)
        if self._all_same:
            return entry is not None
        return (
            entry is not None
            and path not in self._affected
            and all(self._answer(topic) == digest for topic, digest in entry.asked.items())
            and all(
                self._affected.isdisjoint(self._holders.get(topic, ()))
                for topic in entry.asked
                if topic.startswith(_BY_IMPORTS)
            )
        )

    def updated(self, examined: Examined, fresh: Iterable[str], began: float) -> Kept:
        """What is to be kept now that the files `fresh` have been examined, from the time `began` on."""
        read_before = frozenset(self._digests)
        files = {path: facts for path, facts in self._kept.files.items() if path not in self.changed}
        for path in self._linted:
            self._topics_of(path)
            files[path] = self._facts(path, files.get(path), examined.lookups.get(path, {}))
        for path, found in examined.lookups.items():
            for other in (path, *filter(None, found.values())):
                files[other] = self._facts(other, files.get(other), examined.lookups.get(other, {}))
        # A file that was changed after the beginning may have been read before or after that.
        unsure = {path for path in files if path not in read_before and self._is_younger(path, began)}
        lookups = {path: facts.lookups for path, facts in files.items()}
        wrong = importing(unsure | {path for path in files if not files[path].digest}, lookups)
        entries = {path: entry for path, entry in self._kept.entries.items() if self._may_stay(path, entry)}
        for path in fresh:
            entries[path] = Entry(
                {topic: self._answer(topic) for topic in sorted(map(_text, examined.asked[path]))},
                [stored.to_lists(judged) for judged in examined.judged[path]],
                examined.unknown.get(path, {}),
            )
        return Kept(
            {path: facts for path, facts in files.items() if path not in unsure},
            {path: entry for path, entry in entries.items() if path not in wrong},
            _digest_of_paths(self._linted),
        )

    def _may_stay(self, path: str, entry: Entry) -> bool:
        """Whether an entry is right, or will be seen to be wrong by the run that needs it."""
        if path in self._linted_set:
            return self.is_valid(path)
        # An answer tells texts apart, and not where the imports of a subclass lead: the facts about these
        # are new now, so this is the last time that anybody can see it.
        return (
            path not in self._affected
            and self._topics_affected.isdisjoint(entry.asked)
            and self._loader.exists(path)
        )

    def _facts(self, path: str, known: Facts | None, lookups: dict[str, str]) -> Facts:
        topics = self._topics.get(path)
        if known is not None:
            return known._replace(
                lookups=known.lookups | lookups, topics=known.topics if topics is None else topics
            )
        return Facts(self._digest(path), self._layout.name_of(path), dict(lookups), topics)

    def _reachable(self) -> set[str]:
        """The linted files and all that their imports led to."""
        reached = set(self._linted)
        pending = list(reached)
        while pending:
            facts = self._kept.files.get(pending.pop())
            if facts is not None:
                new = {target for target in facts.lookups.values() if target} - reached
                reached |= new
                pending.extend(new)
        return reached

    def _is_same(self, path: str) -> bool:
        """Whether a file has the text that it had, and its imports lead where they led."""
        facts = self._kept.files.get(path)
        if facts is None or facts.digest != self._digest(path) or facts.name != self._layout.name_of(path):
            return False
        importer = _Importer(facts.name[0], facts.name[1])
        return all(self._layout.locate(name, importer) == found for name, found in facts.lookups.items())

    def _digest(self, path: str) -> str:
        known = self._digests.get(path)
        if known is None:
            try:
                known = digest_of(self._loader.read(path))
            except OSError:
                known = ""
            self._digests[path] = known
        return known

    def _topics_of(self, path: str) -> list[str]:
        known = self._topics.get(path)
        if known is None:
            facts = self._kept.files.get(path)
            if facts is not None and facts.topics is not None and path not in self.changed:
                known = facts.topics
            else:
                known = self._survey(path)
            self._topics[path] = known
        return known

    def _survey(self, path: str) -> list[str]:
        from qatlint.static.survey import topics_of  # its patterns take time to compile

        try:
            return sorted(map(_text, topics_of(self._loader.read(path))))
        except OSError:
            return []

    def _answer(self, topic: str) -> str:
        """Digest of what the linted files have to say about a topic."""
        known = self._answers.get(topic)
        if known is None:
            holders = self._holders.get(topic, ())
            if topic == _text(PLUGIN):
                said = ["yes"] if holders else []
            else:
                said = [f"{path} {self._digest(path)}" for path in holders]
            known = self._answers[topic] = digest_of(" ".join(said).encode("utf-8", "surrogateescape"))[:16]
        return known

    def _is_younger(self, path: str, began: float) -> bool:
        try:
            return os.stat(path).st_mtime > began - _CLOCK_STEP
        except OSError:
            return False


def _digest_of_paths(paths: Iterable[str]) -> str:
    return digest_of("\n".join(sorted(paths)).encode("utf-8", "surrogateescape"))


def _text(topic: tuple[str, str]) -> str:
    return f"{topic[0]}:{topic[1]}"
