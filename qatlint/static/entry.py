"""The classes that the settings name as models (`entry-points`)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from qatlint.aim import Aim, EntryPoint
from qatlint.loader import Loader
from qatlint.static.layout import Layout
from qatlint.static.modulefile import ClassDef, ModuleFile
from qatlint.static.project import Project
from qatlint.static.source import Unreadable


class NoEntryPoint(Exception):
    """The settings name something that is no class of a model. The message says what is there."""


class _Settings(NamedTuple):
    """From where the settings' names are imported."""

    name: str
    root: str


def find(written: str, loader: Loader, root: str, src: Sequence[str]) -> Iterator[EntryPoint]:
    """The class that `package.module:Class` means for settings in the folder `root`: where it is defined,
    which may be another file than the one that is named. Nothing when that file cannot be read or parsed,
    since linting says so. Raises `NoEntryPoint`.
    """
    project = Project(loader, Aim(tuple(src)))
    module, _, qualname = written.partition(":")
    path = Layout(loader, src).locate(module, _Settings("", root))
    if not path:
        raise NoEntryPoint(f"`{written}`: there is no module `{module}` in {root}{_or_in(src)}")
    try:
        file = project.file(path)
        found = _class_in(project, file, qualname)
    except (Unreadable, OSError):
        return
    if found is None:
        raise NoEntryPoint(f"`{written}`: {path} has no class `{qualname}`{_nearest(file, qualname)}")
    if not project.is_module(found):
        raise NoEntryPoint(f"`{written}`: `{qualname}` is no torch module")
    yield EntryPoint(absolute(found.file.path), found.qualname)


def absolute(path: str) -> str:
    """The one spelling of a path that entry points are compared by."""
    return os.path.abspath(path)


def _class_in(project: Project, file: ModuleFile, qualname: str) -> ClassDef | None:
    first, _, rest = qualname.partition(".")
    found = project.resolve(file, first)
    if not isinstance(found, ClassDef):
        return None
    if not rest:
        return found
    whole = project.file(found.file.path)
    return next((cls for cls in whole.classes if cls.qualname == f"{found.qualname}.{rest}"), None)


def _or_in(src: Sequence[str]) -> str:
    return "".join(f", {folder}" for folder in src)


def _nearest(file: ModuleFile, qualname: str) -> str:
    import difflib

    names = [cls.qualname for cls in file.classes]
    close = difflib.get_close_matches(qualname, names, n=1, cutoff=0.5)
    if close:
        return f"; did you mean `{close[0]}`?"
    return f"; classes there: {', '.join(names[:5])}" if names else ""
