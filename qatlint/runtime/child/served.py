"""Serves an overlay: files of another version that are imported instead of those on disk."""

from __future__ import annotations

import importlib.abc
import importlib.util
import linecache
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType


def install(texts: Mapping[str, str | None]) -> None:
    """From now on the files named in `texts` are read from where it says (None: they are not there)."""
    if texts:
        found = {os.path.realpath(path): text for path, text in texts.items()}
        sys.meta_path.insert(0, _Finder(found))


def load_file(name: str, path: str) -> ModuleType:
    """The module in the file at `path`, under `name`, in its served version. Raises what its code raises."""
    finder = next((f for f in sys.meta_path if isinstance(f, _Finder)), None)
    served = finder.served(name, path) if finder is not None else None
    spec = served or importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported", path=path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class _Loader(SourceFileLoader):
    """Reads a file's text from another place. It leaves no byte code, which would be wrong for the file."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_data(self, path: str) -> bytes:
        if os.path.realpath(path) != os.path.realpath(self.path):
            raise OSError  # byte code
        data = Path(self._text).read_bytes()
        lines = importlib.util.decode_source(data).splitlines(keepends=True)
        # No time of change: so `linecache.checkcache` keeps it, and tracebacks show what ran.
        linecache.cache[self.path] = (len(data), None, lines, self.path)
        return data

    def path_stats(self, path: str) -> Mapping[str, float]:
        raise OSError  # so that no byte code is looked for or written


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, texts: Mapping[str, str | None]) -> None:
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
                    return self.served(fullname, candidate)
                if os.path.isfile(candidate):
                    gone = candidate
        if gone:
            raise ModuleNotFoundError(f"{gone} is not there in this version", name=fullname, path=gone)
        return None

    def served(self, name: str, path: str) -> ModuleSpec | None:
        """How to load the file at `path`, where it is served; raises ImportError where it is not there."""
        known = os.path.realpath(path)
        if known not in self._texts:
            return None
        text = self._texts[known]
        if text is None:
            raise ModuleNotFoundError(f"{path} is not there in this version", name=name, path=path)
        package = [os.path.dirname(path)] if os.path.basename(path) == "__init__.py" else None
        return importlib.util.spec_from_file_location(
            name, path, loader=_Loader(name, path, text), submodule_search_locations=package
        )
