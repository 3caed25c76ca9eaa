"""What linting finds in the files of a model that was run, for those who judge the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qatlint import engine, registry
from qatlint.aim import Aim
from qatlint.config import Finder, Overrides
from qatlint.files import DiskLoader
from qatlint.linting import Linter
from qatlint.loader import OverlayLoader
from qatlint.runtime.judgement import Known


def linter(texts: Mapping[str, bytes], roots: Sequence[str]) -> Callable[[Sequence[str]], list[Known]]:
    """A function from files to the findings in them, where `texts` stands for the files on disk.

    Findings that comments or settings switch off are given too, and marked.
    """
    loader = OverlayLoader(texts, DiskLoader())

    def lint(paths: Sequence[str]) -> list[Known]:
        found = engine.check(paths, loader, registry.all_rules(), Aim(tuple(roots)))
        shown = {f.sort_key for f in Linter(Finder(Overrides())).check(paths, loader)}
        return [Known(finding, finding.sort_key not in shown) for finding in found]

    return lint
