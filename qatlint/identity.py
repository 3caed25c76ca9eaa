"""What makes a finding the same finding in another version of the source.

Its file, its code, its class and what it is about there, and the text of the line it stands at, whatever
blanks are in it. Not the number of the line, which changes with every edit above it; not the message, which
counts and may be worded anew.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from qatlint.finding import Finding


class Identity(NamedTuple):
    """The parts of it, in the order in which a list of them is sorted."""

    path: str
    code: str
    owner: str
    """The qualified name of the class in its file; that of the module depends on the import roots."""
    subject: str
    line: str
    """A digest of the line's text."""

    @property
    def digest(self) -> str:
        """All of it as 32 hexadecimal digits."""
        return _digest("\0".join(self), 32)


def identity(
    finding: Finding, lines: Callable[[str], Sequence[str]], place: Callable[[str], str]
) -> Identity:
    """The identity of a finding; `lines` gives the text of a file, `place` the name by which it is known."""
    text = lines(finding.span.path)
    number = finding.span.line
    line = text[number - 1] if number <= len(text) else ""
    owner = finding.owner.rpartition(":")[2]
    normal = _digest("".join(line.split()), 16)
    return Identity(place(finding.span.path), finding.code, owner, finding.subject, normal)


def fingerprints(
    findings: Sequence[Finding], lines: Callable[[str], Sequence[str]], place: Callable[[str], str]
) -> list[str]:
    """A digest for each finding. Of those with one identity, each has its number in it, in order of place."""
    seen: Counter[Identity] = Counter()
    marks = []
    for finding in findings:
        this = identity(finding, lines, place)
        seen[this] += 1
        marks.append(this.digest if seen[this] == 1 else _digest(f"{this.digest} {seen[this]}", 32))
    return marks


def _digest(text: str, digits: int) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
