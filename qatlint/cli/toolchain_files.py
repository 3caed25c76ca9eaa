"""Files that the toolchain wrote, as they are named on the command line."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from glob import escape, glob
from io import BytesIO

import click

from qatlint.cli import base
from qatlint.horizon.plugin import GRAPHS, REPORTS
from qatlint.horizon.report import ModelCheck, Section, read_pieces
from qatlint.horizon.report.decoding import MOST_BYTES, NotText, pieces
from qatlint.horizon.report.values import merged

STDIN = "-"


def read_files(paths: Sequence[str]) -> tuple[ModelCheck, tuple[str, ...]]:
    """What the files say together, and which were read; a folder means the newest of each kind in it, and `-`
    standard input.

    Raises `click.UsageError` for what is no report.
    """
    files = tuple(file for path in paths for file in _files(path))
    checks = tuple(_read(file) for file in files)
    _refuse_two(checks, files)
    check = merged(checks)
    if not check.sections:
        raise click.UsageError(
            f"{', '.join(files)}: no part of a model_check_result.txt is in it, such as "
            "`Each layer out qconfig:`"
        )
    return check, files


def _refuse_two(checks: Sequence[ModelCheck], files: Sequence[str]) -> None:
    """Wrong usage where two files have what is in one report once, but for a graph, which may be in both."""
    seen: dict[Section, str] = {}
    for check, file in zip(checks, files, strict=True):
        for section in check.sections:
            if section in seen and section is not Section.GRAPH:
                raise click.UsageError(f"{seen[section]} and {file} are two reports: name one of them")
            seen.setdefault(section, file)


def _files(path: str) -> list[str]:
    if path == STDIN or not os.path.isdir(path):
        return [path]
    found = []
    for pattern in (REPORTS, GRAPHS):
        newest = max(glob(os.path.join(escape(path), pattern)), key=os.path.getmtime, default="")
        if newest:
            found.append(newest)
    if not found:
        raise click.UsageError(f"{path}: no {REPORTS} in this folder")
    return found


def _read(path: str) -> ModelCheck:
    try:
        if path == STDIN:
            return read_pieces(pieces(BytesIO(sys.stdin.buffer.read(MOST_BYTES + 1))))
        with open(path, "rb") as file:
            is_kept = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            return read_pieces(pieces(file if is_kept else BytesIO(file.read(MOST_BYTES + 1))))
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror or error}") from None
    except NotText as error:
        raise click.UsageError(f"{path}: {error}") from None


def show_unread(check: ModelCheck) -> None:
    """The lines that nobody understood."""
    if not check.unread_lines:
        base.out("every line was understood")
    for line in check.unread:
        base.out(line)
    if check.unread_lines > len(check.unread):
        base.out(f"and {check.unread_lines - len(check.unread)} more")
