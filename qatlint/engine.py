"""(texts, rules) -> findings. Pure: reads only through the loader it is given, prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from qatlint.finding import Finding
from qatlint.rule import Rule


class Loader(Protocol):
    """Where sources come from: a disk, an editor's buffers, a test."""

    def read(self, path: str) -> bytes:
        """The bytes of `path`; raises OSError when it cannot be read."""
        ...

    def exists(self, path: str) -> bool:
        """Whether `path` is a file."""
        ...


def check(paths: Sequence[str], loader: Loader, rules: Sequence[Rule]) -> list[Finding]:
    """Findings of `rules` in the files `paths`, sorted by place; suppressions are not applied.

    Other files of the project (base classes, helpers) are read through `loader` as needed, but
    findings are reported only for `paths`. A file that cannot be read, decoded or parsed gives one
    finding `QAT000` and the rest goes on.
    """
    raise NotImplementedError
