"""The files that are read: whole ones to be linted, and parts of others, parsed as they are asked for."""

from __future__ import annotations

from collections.abc import Iterable

from qatlint.loader import Loader
from qatlint.static.layout import Layout
from qatlint.static.modulefile import ModuleFile
from qatlint.static.outline import outline_of
from qatlint.static.source import Source, Unreadable

_CHARACTERS_PER_LINE = 1800
"""So many characters of text take the memory of the tree of one line."""


class Opened:
    """Each file once, by path: who asks twice gets the same classes."""

    def __init__(self, loader: Loader, layout: Layout) -> None:
        self._loader = loader
        self._layout = layout
        self._whole: dict[str, ModuleFile | Unreadable | OSError] = {}
        self._parts: dict[str, ModuleFile | None] = {}
        self._names: dict[str, str] = {}
        """Of files without star imports: see `may_bind`. Stays when files are let go of."""
        self.expected: frozenset[str] = frozenset()
        """Files that will be asked for as a whole."""

    def whole(self, path: str) -> ModuleFile:
        """The file with all its classes. Raises `Unreadable` or OSError."""
        known = self._whole.get(path)
        if known is None:
            try:
                known = self._complete(path)
            except RecursionError:
                known = Unreadable("too deeply nested")
            except (Unreadable, OSError) as error:
                error.__context__ = None  # The parser's own, whose frames hold the text.
                known = error.with_traceback(None)
            self._whole[path] = known
        if isinstance(known, ModuleFile):
            return known
        try:
            raise known.with_traceback(None)
        finally:
            del known  # An error in a variable of a frame of its traceback holds itself.

    def part(self, path: str) -> ModuleFile | None:
        """The file as others import from it; None when it cannot be read.

        The answer depends on the text alone, not on who asked for the whole file before: a file with an
        error in one function still gives its other definitions.
        """
        if path not in self._parts:
            if path in self.expected:
                try:
                    return self.whole(path)
                except (Unreadable, OSError):
                    pass
            self._parts[path] = self._read(path)
        return self._parts[path]

    def may_bind(self, path: str, name: str) -> bool:
        """Whether a file binds a name at top level, or may do so by a star import.

        A package that imports everything from hundreds of files is asked for many names. Without this,
        each of these files would be read again for each name.
        """
        known = self._names.get(path)
        if known is None:
            is_held = path in self._parts
            file = self._parts[path] if is_held else self._read(path)
            if file is not None and file.stars:
                self._parts[path] = file
                return True
            known = self._names[path] = file.names() if file is not None else ""
            if file is not None and not is_held:
                # Few of the files are needed for more than this, so they are not kept.
                file.close()
        return f" {name} " in known

    def lines_parsed(self) -> int:
        """Lines of the syntax trees that are held, and of texts what comes to the same size."""
        files = [file for file in self._parts.values() if file is not None]
        return sum(file.lines_parsed + len(file.source.text) // _CHARACTERS_PER_LINE for file in files)

    def drop(self, paths: Iterable[str]) -> None:
        """Let go of these files: they have other texts, or what their imports mean has."""
        for path in paths:
            file = self._parts.pop(path, None)
            if file is not None:
                file.close()
            self._whole.pop(path, None)
            self._names.pop(path, None)

    def close(self) -> None:
        """Let go of all files."""
        for file in self._parts.values():
            if file is not None:
                file.close()
        self._parts.clear()
        self._whole.clear()

    def _read(self, path: str) -> ModuleFile | None:
        try:
            return self._outlined(path)
        except (Unreadable, OSError, RecursionError):
            return None

    def _complete(self, path: str) -> ModuleFile:
        file = self._parts.get(path)
        if file is None:
            file = ModuleFile(Source(path, self._loader.read(path)), *self._layout.name_of(path))
            self._parts[path] = file
        else:
            file.complete()
        return file

    def _outlined(self, path: str) -> ModuleFile:
        source = Source(path, self._loader.read(path), whole=False)
        name = self._layout.name_of(path)
        outline = outline_of(source.text)
        if outline is not None:
            try:
                return ModuleFile(source, *name, outline)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                pass  # Torn: the outline was wrong, or the file is broken.
        source.parse()
        return ModuleFile(source, *name)
