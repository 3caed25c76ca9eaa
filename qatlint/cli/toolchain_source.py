"""The source that a report of the toolchain is held against, as it is named on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

import click

from qatlint import engine
from qatlint.aim import Aim, EntryPoint
from qatlint.config import Finder
from qatlint.files import discover
from qatlint.linting import Linter
from qatlint.loader import Loader
from qatlint.static.entry import NoEntryPoint, absolute, find
from qatlint.trace import Flow


class Models(NamedTuple):
    """What the source has."""

    flows: list[Flow]
    """Of the models that the report may be about."""
    others: list[Flow]
    """Of all classes that may be parts of them, where source does not tell."""
    files: list[str]
    where: str
    """The folder (or file) that has these files: `qatlint check` of it gives the findings about them."""


def model(written: str, finder: Finder, loader: Loader) -> Models:
    """The class that was prepared, `pkg.mod:Class` or `path/to/file.py:Class`, with all that stands in its
    package, or in its folder. Raises `click.UsageError`."""
    point = _entry_point(written, loader)
    where = _package_of(os.path.relpath(point.path))
    files = files_below(where, finder)
    own, flows = engine.flows_with(point, files, loader, _aim(files, finder, loader))
    return Models(own, flows, files, where)


def folder(path: str, finder: Finder, loader: Loader) -> Models:
    """All models in a folder. Raises `click.UsageError`."""
    files = files_below(path, finder)
    flows = engine.flows(files, loader, _aim(files, finder, loader))
    return Models(flows, flows, files, path)


def around(files: Iterable[str], finder: Finder) -> list[str]:
    """The other files of the packages, or of the folders, that some files are in: what `model` reads for
    a class of them. What is typed in without a name has none."""
    named = [file for file in files if file != "-"]
    own = set(map(os.path.realpath, named))
    found = discover(list(dict.fromkeys(map(_package_of, named))), finder.for_folder).files
    return [file for file in found if os.path.realpath(file) not in own]


def _aim(files: list[str], finder: Finder, loader: Loader) -> Aim:
    """What the settings of the first file say of the project."""
    return Linter(finder, has_report=True).groups(files)[0].aim(loader)


def _package_of(path: str) -> str:
    """The folder of the outermost package that a file is in, or its own."""
    folder = os.path.dirname(path) or "."
    while os.path.isfile(os.path.join(folder, "__init__.py")) and os.path.dirname(folder):
        folder = os.path.dirname(folder)
    return folder


def files_below(folder: str, finder: Finder) -> list[str]:
    """The Python files of a folder, or the file itself. Raises `click.UsageError` when there are none."""
    found = discover([folder], finder.for_folder)
    if not found.files:
        raise click.UsageError(f"--src: {folder}: no Python files there")
    return list(found.files)


def _entry_point(model: str, loader: Loader) -> EntryPoint:
    path, colon, qualname = model.rpartition(":")
    if not colon or not path or not qualname:
        raise click.UsageError(f"--model: `{model}` is neither `pkg.mod:Class` nor `path/to/file.py:Class`")
    if path.endswith(".py") or os.path.isfile(path):
        known = _classes(path, loader)
        if qualname not in known:
            names = ", ".join(known) or "none"
            raise click.UsageError(
                f"--model: {path}: no module class `{qualname}`; module classes here: {names}"
            )
        return EntryPoint(absolute(path), qualname)
    try:
        found = list(find(model, loader, os.getcwd(), ()))
    except NoEntryPoint as error:
        raise click.UsageError(f"--model: {error}") from None
    if not found:
        raise click.UsageError(f"--model: the file of `{path}` cannot be read")
    return found[0]


def _classes(path: str, loader: Loader) -> list[str]:
    from qatlint.static.source import Unreadable

    try:
        return engine.module_classes(path, loader)
    except Unreadable as error:
        raise click.UsageError(f"--model: {path}:{error.line}:{error.column}: {error.message}") from None
    except OSError as error:
        raise click.UsageError(f"--model: {path}: {error.strerror or error}") from None
