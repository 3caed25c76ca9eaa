"""Puts a run's findings on the screen, in the format that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import NamedTuple

import click

from qatlint.cli import base
from qatlint.files import named_from, repository_of, write_new
from qatlint.finding import Finding, Replacement
from qatlint.loader import Loader
from qatlint.report import summary as counts
from qatlint.report.formats import FORMATS, Report, Toolchain, document
from qatlint.report.style import Style
from qatlint.report.width import one_line
from qatlint.static.source import Unreadable, decode

_WIDTH_IN_FILES = 100


class Shown(NamedTuple):
    """What a run comes to, for the screen."""

    findings: Sequence[Finding]
    hidden: Sequence[Finding]
    """Those below the threshold."""
    checked: Sequence[str]
    """The files that were linted."""
    fixed: int | None = None
    """How many fixes were applied, None when none was asked for."""
    replacements: Mapping[Finding, Sequence[Replacement]] = {}
    notes: Sequence[str] = ()
    """What was left out, in words."""
    unknown: Mapping[str, int] = {}
    """Ops that no rule knows anything of, and how often each was met."""
    toolchain: Toolchain | None = None


def print_findings(
    shown: Shown,
    loader: Loader,
    *,
    output: str,
    file: str | None,
    statistics: bool,
    colour: str,
    unsafe: bool,
    err: bool,
) -> None:
    """Print findings (or their counts) and the summary, all to standard error when `err` is set.

    With `file` the findings go there, and only the summary is printed. Raises `CannotWrite`.
    """
    kind = FORMATS[output]
    style = base.style_for(colour, sys.stderr if err else sys.stdout)
    summary = counts.summary(shown.findings, shown.hidden, shown.notes, fixed=shown.fixed, unsafe=unsafe)
    plain = style._replace(colour=colour == "always", width=_WIDTH_IN_FILES) if file is not None else style
    body = _statistics(shown, output) if statistics else document(output, _report(shown, loader, plain))
    if file is not None:
        _write(file, body + "\n" * bool(body))
        if shown.checked:
            base.out(summary, err=err)
    elif kind.for_people:
        base.out("\n".join(filter(None, (body, summary))), err=err, colour=style.colour)
    else:
        if body:
            base.out(body, err=err)
        if shown.fixed is not None or shown.notes:  # what such a document has no place for
            base.out(summary, err=True)


class CannotWrite(click.ClickException):
    """The file for the report cannot be written."""

    exit_code = 2


def _write(path: str, text: str) -> None:
    try:
        write_new(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise CannotWrite(f"{path}: cannot be written: {error.strerror or error}") from None


def _statistics(shown: Shown, output: str) -> str:
    rows = counts.statistics(shown.findings)
    if output != "json":
        return counts.render_statistics(rows)
    from qatlint.report import as_json

    return as_json.render_statistics(rows, shown.unknown)


def _report(shown: Shown, loader: Loader, style: Style) -> Report:
    lines = cache(partial(read_lines, loader=loader))
    root = repository_of(".") or "."
    place = cache(lambda path: one_line(named_from(root, path)))
    return Report(shown.findings, shown.checked, lines, style, place, shown.replacements, shown.toolchain)


def read_lines(path: str, loader: Loader) -> list[str]:
    """Lines as the parser counts them; of a file nobody can decode, what can be shown of it."""
    try:
        data = loader.read(path)
    except OSError:
        return []
    try:
        text = decode(data)
    except Unreadable:
        text = data.decode("utf-8", "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def print_diff(texts: Mapping[str, bytes], loader: Loader, colour: str) -> None:
    """A unified diff of the new texts, in the files' own bytes, so that it can be applied."""
    import difflib

    paint = base.style_for(colour, sys.stdout).colour
    for path in sorted(texts):
        name = path.encode("utf-8", "surrogateescape")
        before, after = loader.read(path), texts[path]
        lines = difflib.diff_bytes(difflib.unified_diff, _split(before), _split(after), name, name)
        base.out(b"".join(_painted(line) if paint else _whole(line) for line in lines), colour=paint)


def _split(data: bytes) -> list[bytes]:
    """Lines with their ends; only a newline ends one."""
    return [line + b"\n" for line in data.split(b"\n")[:-1]] + (
        [last] if (last := data.split(b"\n")[-1]) else []
    )


def _whole(line: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + b"\n\\ No newline at end of file\n"


_DIFF_COLOURS = ((b"---", b"1"), (b"+++", b"1"), (b"@@", b"36"), (b"-", b"31"), (b"+", b"32"))


def _painted(line: bytes) -> bytes:
    for start, code in _DIFF_COLOURS:
        if line.startswith(start):
            return b"\x1b[" + code + b"m" + _whole(line).rstrip(b"\n") + b"\x1b[0m\n"
    return _whole(line)
