"""Where modules lie: names of files, files of names. Facts about paths only, which stay small."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Protocol

from qatlint.loader import Loader

# First parts of dotted names that are never looked for in the project.
LIBRARIES = frozenset(
    "torch numpy typing collections functools math os sys re abc dataclasses enum copy warnings logging "
    "itertools json pathlib time random contextlib inspect types operator string io importlib "
    "__future__ horizon_plugin_pytorch mmcv mmengine scipy cv2 PIL packaging".split()
)


class Importer(Protocol):
    """What matters of a file for the meaning of its absolute imports."""

    @property
    def name(self) -> str:
        """Its dotted name."""

    @property
    def root(self) -> str:
        """The folder from which it is imported."""


class Layout:
    """Finds out dotted names and paths through the loader, each once."""

    def __init__(self, loader: Loader, source_roots: Sequence[str] = ()) -> None:
        self._loader = loader
        self._source_roots = [root.rstrip("/") or "/" for root in source_roots]
        self._packages: dict[str, tuple[str, str]] = {}
        self._located: dict[tuple[str, str], str] = {}
        self._exists: dict[str, bool] = {}

    def name_of(self, path: str) -> tuple[str, str, bool]:
        """(dotted name, import root, whether it is a package) from the chain of `__init__.py`."""
        folder, base = posixpath.split(path)
        package, root = self._package_of(folder)
        stem = base[:-3] if base.endswith(".py") else base
        if stem == "__init__":
            return package or posixpath.basename(folder) or stem, root, True
        return (f"{package}.{stem}" if package else stem), root, False

    def _package_of(self, folder: str) -> tuple[str, str]:
        """(dotted package of the files in `folder`, folder from which it is imported)."""
        known = self._packages.get(folder)
        if known is None:
            parent, base = posixpath.split(folder)
            if base and base not in (".", "..") and self._is_file(posixpath.join(folder, "__init__.py")):
                outer, root = self._package_of(parent)
                known = (f"{outer}.{base}" if outer else base, root)
            else:
                known = ("", folder)
            self._packages[folder] = known
        return known

    def locate(self, name: str, importer: Importer) -> str:
        """Path of an absolute module name, or ""."""
        first = name.partition(".")[0]
        if first in LIBRARIES and first != importer.name.partition(".")[0]:
            return ""
        key = (name, importer.root)
        known = self._located.get(key)
        if known is None:
            known = ""
            for root in self._roots(importer.root):
                base = posixpath.join(root, *name.split("."))
                if self._is_file(base + ".py"):
                    known = base + ".py"
                elif self._is_file(posixpath.join(base, "__init__.py")):
                    known = posixpath.join(base, "__init__.py")
                if known:
                    break
            self._located[key] = known
        return known

    def _roots(self, root: str) -> Iterator[str]:
        """Where absolute imports are looked for: the import root, configured roots, folders above."""
        yield root
        yield from self._source_roots
        for _ in range(6):
            parent = posixpath.dirname(root)
            if parent == root:
                return
            root = parent
            yield root

    def _is_file(self, path: str) -> bool:
        known = self._exists.get(path)
        if known is None:
            known = self._loader.exists(path)
            self._exists[path] = known
        return known
