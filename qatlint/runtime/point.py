"""One statement of a proof."""

from __future__ import annotations

from typing import NamedTuple


class Point(NamedTuple):
    """Whether it holds, in words."""

    name: str
    """Short and stable, for programs: `outputs`, `weights`, `calls`, `fusion`, `dtypes`, `toolchain`."""
    title: str
    holds: bool
    summary: str
    details: tuple[str, ...] = ()
