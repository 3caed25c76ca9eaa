"""Texts of an editor over files of the disk."""

from __future__ import annotations

import io
import tokenize

from qatlint.loader import Loader


class Texts:
    """A loader that gives what is being edited, saved or not, before what is on the disk."""

    def __init__(self, below: Loader) -> None:
        self._below = below
        self._open: dict[str, bytes] = {}

    def read(self, path: str) -> bytes:
        """Raises OSError for a file that is neither open nor readable."""
        text = self._open.get(path)
        return self._below.read(path) if text is None else text

    def exists(self, path: str) -> bool:
        return path in self._open or self._below.exists(path)

    def put(self, path: str, text: str | None) -> None:
        """The text of an open file; None when it is closed, and the disk counts again."""
        if text is None:
            self._open.pop(path, None)
        else:
            self._open[path] = encoded(text)

    def copy(self) -> Texts:
        """The texts as they are now, for another thread."""
        other = Texts(self._below)
        other._open = dict(self._open)
        return other


def encoded(text: str) -> bytes:
    """The bytes that an editor would save: in the encoding that the text declares, UTF-8 where it has none,
    or one that nobody knows or that lacks a character (the file is then reported as it would be on disk)."""
    data = text.encode("utf-8", "surrogatepass")
    if data.isascii() or b"coding" not in data[:200]:
        return data
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return text.encode(encoding)
    except (SyntaxError, UnicodeError, LookupError):
        return data
