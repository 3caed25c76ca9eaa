"""Which files are the project's, and which belong to what is installed."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

_PACKAGES = ("site-packages", "dist-packages")
_STANDARD = tuple(
    os.path.realpath(folder)
    for folder in {
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("platstdlib"),
        os.path.dirname(os.__file__),
    }
)


def is_standard(path: str) -> bool:
    """Whether a real path is that of a file of Python itself."""
    below = any(path.startswith(folder + os.sep) for folder in _STANDARD)
    return below and not any(name in Path(path).parts for name in _PACKAGES)


def is_installed(path: str, folder: str) -> bool:
    """Whether a file belongs to an installed library or Python: for a project in `folder`, nobody changes it.

    What is installed in a place of its own, so that it can be changed, is no such library.
    """
    path, folder = os.path.realpath(path), os.path.realpath(folder)
    if path.startswith(folder + os.sep):
        path = os.path.relpath(path, folder)
    return any(name in Path(path).parts for name in _PACKAGES) or is_standard(path)


def shown(path: str) -> str:
    """A path as a person would write it here: below the current folder, or as a part of its library."""
    here = os.getcwd() + os.sep
    if path.startswith(here) and not is_installed(path, here):
        return path.removeprefix(here)
    for name in _PACKAGES:
        _, found, after = path.rpartition(f"{os.sep}{name}{os.sep}")
        if found:
            return after
    return path
