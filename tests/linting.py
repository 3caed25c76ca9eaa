"""The linter as the fixture tests use it: all rules, on files of a unit, some texts replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from qatlint.engine import check
from qatlint.files import DiskLoader
from qatlint.finding import Finding
from qatlint.loader import Loader, OverlayLoader
from qatlint.registry import all_rules
from tests.fixture_units import Unit


def lint(paths: Sequence[str], loader: Loader) -> list[Finding]:
    """Findings of all rules in `paths`."""
    return check(paths, loader, all_rules())


def overlay(texts: Mapping[str, bytes]) -> Loader:
    """The disk, with some texts replaced."""
    return OverlayLoader(texts, DiskLoader())


@cache
def findings_of(unit: Unit) -> tuple[Finding, ...]:
    """Findings in the files of a unit, as they are on disk."""
    return tuple(lint([str(f) for f in unit.files], DiskLoader()))
