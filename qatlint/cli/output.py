"""Puts a run's findings on the screen, in the format that was asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from qatlint.cli import base
from qatlint.finding import Finding
from qatlint.loader import Loader
from qatlint.report import summary as counts
from qatlint.report.style import Style
from qatlint.static.source import Unreadable, decode


def print_findings(
    shown: Sequence[Finding],
    hidden: Sequence[Finding],
    loader: Loader,
    *,
    output: str,
    statistics: bool,
    colour: str,
    fixed: int | None,
    unsafe: bool,
    err: bool,
) -> None:
    """Print findings (or their counts) and the summary, all to standard error when `err` is set."""
    style = base.style_for(colour, sys.stderr if err else sys.stdout)
    summary = counts.summary(shown, hidden, fixed=fixed, unsafe=unsafe)
    if output == "json":
        base.out(_json(shown, statistics), err=err)
        if fixed is not None:
            base.out(summary, err=True)
        return
    if statistics:
        body = [counts.render_statistics(counts.statistics(shown))] if shown else []
    elif output == "concise":
        from qatlint.report.concise import render as concise

        body = [concise(finding, style) for finding in shown]
    else:
        body = _full(shown, loader, style) if shown else []
    base.out("\n".join([*body, summary]), err=err, colour=style.colour)


def _json(findings: Sequence[Finding], statistics: bool) -> str:
    from qatlint.report import as_json

    return as_json.render_statistics(counts.statistics(findings)) if statistics else as_json.render(findings)


def _full(findings: Sequence[Finding], loader: Loader, style: Style) -> list[str]:
    from qatlint.report.full import render

    known: dict[str, list[str]] = {}

    def lines(path: str) -> Sequence[str]:
        if path not in known:
            known[path] = _read_lines(path, loader)
        return known[path]

    return [render(finding, lines, style) + "\n" for finding in findings]


def _read_lines(path: str, loader: Loader) -> list[str]:
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
