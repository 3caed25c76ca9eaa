"""What is to be run: `pkg.mod:callable` or `path/to/file.py:callable`, as people write it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

FORMS = "`pkg.mod:callable` or `path/to/file.py:callable`"


class TargetError(Exception):
    """A target that cannot be meant; the text says what is wrong with it."""


class Target(NamedTuple):
    """A callable of the user's, not looked up yet."""

    text: str
    """As written."""
    file: str
    """Absolute path of the file that defines it; "" when a module name was given."""
    module: str
    """Dotted module name; "" when a file was given."""
    name: str
    """Name of the callable in it, dotted for a nested one."""


def parse(text: str, folder: str) -> Target:
    """The target that `text` names; relative paths are below `folder`. Raises `TargetError`."""
    where, colon, name = text.rpartition(":")
    if not colon or not where:
        raise TargetError(f"`{text}` names no callable: write {FORMS}")
    if not all(part.isidentifier() for part in name.split(".")):
        raise TargetError(f"`{name}` in `{text}` is not a name: write {FORMS}")
    if where.endswith(".py") or "/" in where or os.sep in where:
        path = os.path.normpath(os.path.join(folder, where))
        if not os.path.isfile(path):
            raise TargetError(f"`{where}` in `{text}` is not a file")
        return Target(text, path, "", name)
    if not all(part.isidentifier() for part in where.split(".")):
        raise TargetError(f"`{where}` in `{text}` is neither a module nor a Python file: write {FORMS}")
    return Target(text, "", where, name)


def files_of(target: Target, folders: Sequence[str]) -> list[str]:
    """The file of a target, or those that may be its module in `folders`, there or not."""
    if target.file:
        return [target.file]
    stem = os.path.join(*target.module.split("."))
    return [
        os.path.join(folder, path) for folder in folders for path in (f"{stem}.py", f"{stem}/__init__.py")
    ]
