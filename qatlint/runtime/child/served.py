"""Serves an overlay: files of another version that are read instead of those on disk.

Three ways lead to a file. Modules are loaded by `SourceFileLoader`, whoever finds them (the usual path, the
finder of an editable install, `spec_from_file_location`); data, and configurations that are code, by `open`;
and files that are not on disk have to be found first. Whatever comes past these (a module that kept `open`
from earlier, `os.open`) is noticed, since a proof must not rest on a file of the wrong version.
"""

from __future__ import annotations

import builtins
import errno
import importlib.abc
import importlib.util
import io
import linecache
import os
import pathlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from qatlint.runtime.child.trouble import Trouble

Texts = Mapping[str, "str | None"]
"""Real path -> the file that holds its text in this version; None: it is not there."""

_WRITING = frozenset("wax+")


def install(texts: Texts) -> None:
    """From now on the files named in `texts` are read from where it says (None: they are not there)."""
    if not texts:
        return
    found = {os.path.realpath(path): text for path, text in texts.items()}
    sys.meta_path.insert(0, _Finder(found))
    _serve_modules(found)
    _serve_files(found)
    for path, text in found.items():
        if text is not None and path.endswith(".py"):
            _remember(path, Path(text).read_bytes())
    _past.watch(found)


def load_file(name: str, path: str) -> ModuleType:
    """The module in the file at `path`, under `name`, in its served version. Raises what its code raises."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported", path=path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def check() -> None:
    """Raises `Trouble` when a file of another version was read."""
    for path in _past.found:
        raise Trouble(
            f"{path} was read past `open` and `import`, so it was not what it is in this version",
            "no proof can rest on it: import it, or open it with `open`",
        )


def _serve_modules(texts: Texts) -> None:
    read, stats = SourceFileLoader.get_data, SourceFileLoader.path_stats

    def get_data(self: SourceFileLoader, path: str) -> bytes:
        known = os.path.realpath(path)
        if known not in texts:
            return read(self, path)
        text = texts[known]
        if text is None:
            raise ModuleNotFoundError(f"{path} is not there in this version", name=self.name, path=path)
        data = Path(text).read_bytes()
        _remember(path, data)
        return data

    def path_stats(self: SourceFileLoader, path: str) -> Mapping[str, Any]:
        if os.path.realpath(path) in texts:
            # So that no byte code is looked for, or written: it would be that of the file on disk.
            raise OSError
        return stats(self, path)

    SourceFileLoader.get_data = get_data  # type: ignore[method-assign, assignment]
    SourceFileLoader.path_stats = path_stats  # type: ignore[method-assign]


def _remember(path: str, data: bytes) -> None:
    try:
        lines = importlib.util.decode_source(data).splitlines(keepends=True)
    except (SyntaxError, UnicodeDecodeError):
        return  # Python says so itself, if the file is imported.
    # No time of change: so `linecache.checkcache` keeps it, and tracebacks show what ran.
    linecache.cache[path] = (len(data), None, lines, path)


def _serve_files(texts: Texts) -> None:
    plain = io.open

    def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if isinstance(file, (str, bytes, os.PathLike)) and not _WRITING & set(mode):
            known = os.path.realpath(os.fsdecode(file))
            if known in texts:
                text = texts[known]
                if text is None:
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file)
                file = text
        return plain(file, mode, *args, **kwargs)

    builtins.open = io.open = opened
    # Python 3.10 keeps `open` for paths in a place of its own.
    accessor = getattr(pathlib, "_NormalAccessor", None)
    if accessor is not None:
        accessor.open = staticmethod(opened)


class _Past:
    """Notices when a file is opened itself, of which another version was to be read."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._texts: frozenset[str] = frozenset()
        self._names: frozenset[str] = frozenset()

    def watch(self, paths: Iterable[str]) -> None:
        self._texts = frozenset(paths)
        self._names = frozenset(map(os.path.basename, self._texts))
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(args[0], (str, bytes)):
            return
        path = os.fsdecode(args[0])
        # Resolving links is work, and nearly all files have other names.
        if os.path.basename(path) in self._names and os.path.realpath(path) in self._texts:
            self.found.append(path)


_past = _Past()


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules that only this version has, and none that it does not have."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        last = fullname.rpartition(".")[2]
        gone = ""
        for folder in sys.path if path is None else path:
            base = os.path.join(folder or os.getcwd(), last)
            for candidate in (os.path.join(base, "__init__.py"), f"{base}.py"):
                known = os.path.realpath(candidate)
                if known not in self._texts:
                    if not os.path.isfile(candidate):
                        continue
                    if not gone:
                        return None  # The usual finders come to the same file.
                    return importlib.util.spec_from_file_location(fullname, candidate)
                if self._texts[known] is not None:
                    return importlib.util.spec_from_file_location(fullname, candidate)
                if os.path.isfile(candidate):
                    gone = candidate
        if gone:
            raise ModuleNotFoundError(f"{gone} is not there in this version", name=fullname, path=gone)
        return None
