"""The linter as the fixture tests use it: on texts from disk, some of them replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from qatlint.engine import check
from qatlint.finding import Finding
from qatlint.registry import all_rules
from tests.fixture_units import Unit


class Overlay:
    """A loader that reads from disk, except for the paths whose text is given."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)

    def read(self, path: str) -> bytes:
        if path in self.texts:
            return self.texts[path].encode("utf-8")
        return Path(path).read_bytes()

    def exists(self, path: str) -> bool:
        return path in self.texts or Path(path).is_file()


def lint(paths: Sequence[str], texts: Mapping[str, str] | None = None) -> list[Finding]:
    """Findings of all rules in `paths`."""
    return check(paths, Overlay(texts or {}), all_rules())


@cache
def findings_of(unit: Unit) -> tuple[Finding, ...]:
    """Findings in the files of a unit, as they are on disk."""
    return tuple(lint([str(f) for f in unit.files]))
