"""Where sources come from: the protocol everybody reads through, and texts that stand in for files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Loader(Protocol):
    """A disk, an editor's buffers, a test."""

    def read(self, path: str) -> bytes:
        """The bytes of `path`; raises OSError when it cannot be read."""
        ...

    def exists(self, path: str) -> bool:
        """Whether `path` is a file."""
        ...


class OverlayLoader:
    """Texts that stand in for files, such as standard input; everything else comes from `below`."""

    def __init__(self, texts: Mapping[str, bytes], below: Loader) -> None:
        self._texts = texts
        self._below = below

    def read(self, path: str) -> bytes:
        text = self._texts.get(path)
        return self._below.read(path) if text is None else text

    def exists(self, path: str) -> bool:
        return path in self._texts or self._below.exists(path)
