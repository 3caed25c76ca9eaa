"""What single fixes would change, for reports that can carry a change.

Each fix is carried out alone by the fixer, which lints the result and takes it back when it does not help:
what is suggested is what `--fix` would write. This costs far more than linting, so it is done on request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from qatlint.codemods.encoded import decode
from qatlint.codemods.fixer import CheckFn, fix
from qatlint.finding import Finding, Replacement
from qatlint.loader import Loader
from qatlint.trace import Span

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
"""A line with its end; only these characters end one."""


def suggest(
    findings: Sequence[Finding], paths: Sequence[str], loader: Loader, check: CheckFn, *, unsafe: bool
) -> dict[Finding, tuple[Replacement, ...]]:
    """The changes of each finding whose fix holds; of unsafe fixes only if `unsafe`.

    `paths` are the files that may change, `check` finds what is to be fixed in them.
    """
    found = {}
    for finding in findings:
        if finding.fix is None:
            continue
        only = _Only(finding, check)
        result = fix(paths, loader, only.check, unsafe=unsafe)
        changes = tuple(
            change
            for path, new in result.texts.items()
            for change in changes_of(path, decode(loader.read(path)).text, decode(new).text)
        )
        if changes:
            found[finding] = changes
    return found


class _Only:
    """Offers the fix of one finding, as often as it takes."""

    def __init__(self, finding: Finding, check: CheckFn) -> None:
        self._key = (finding.code, finding.owner, finding.subject, finding.span.path)
        self._check = check

    def check(self, loader: Loader) -> list[Finding]:
        return [
            f if (f.code, f.owner, f.subject, f.span.path) == self._key else replace(f, fix=None)
            for f in self._check(loader)
        ]


def changes_of(path: str, old: str, new: str) -> Iterator[Replacement]:
    """The stretches of `old` that are another text in `new`, from top to bottom, as short as they can be."""
    before, after = _LINE.findall(old), _LINE.findall(new)
    starts = [0]
    for line in before:
        starts.append(starts[-1] + len(line))
    for kind, first, last, start, end in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        gone, come = "".join(before[first:last]), "".join(after[start:end])
        same = _common(gone, come)
        tail = _common(gone[same:][::-1], come[same:][::-1])
        stretch = starts[first] + same, starts[last] - tail
        yield Replacement(_span(path, old, *stretch), come[same : len(come) - tail])


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with together."""
    pairs = zip(one, other, strict=False)
    return next((number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _span(path: str, text: str, start: int, end: int) -> Span:
    return Span(path, *_position(text, start), *_position(text, end))


def _position(text: str, offset: int) -> tuple[int, int]:
    """Line and column of a place, both from 1, as the parser counts lines."""
    above = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    return above.count("\n") + 1, len(above) - (above.rfind("\n") + 1) + 1
