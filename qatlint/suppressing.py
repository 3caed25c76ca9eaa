"""Writes the comments that `suppress` reads: `# qatlint: ignore[QAT101] reason` where findings stand.

A comment holds for the statement that it ends or stands in. It goes to the line of the finding where that
line can bear one, else (inside of a string, before a backslash) to the last line of the statement. Comments
that are there are kept: an `ignore` is extended, any other gets ours behind it.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from qatlint.finding import Finding
from qatlint.static.source import Unreadable, decode, quiet_parse

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_OURS = re.compile(r"#\s*qatlint:\s*ignore\s*\[([^\]#]*)\]\s*", re.IGNORECASE)


class CannotSuppress(Exception):
    """A file that gets no comments. The message says why."""


class _Statement(NamedTuple):
    """A logical line: its lines, those whose end can bear a comment, and the comments in it."""

    first: int
    last: int
    bearing: frozenset[int]
    comments: Mapping[int, tokenize.TokenInfo]


def add(source: bytes, findings: Sequence[Finding], reason: str) -> bytes:
    """The source with a comment for each finding. Raises `CannotSuppress`, and then nothing is lost.

    Nothing but comments changes: the new text parses to the same tree.
    """
    try:
        text = decode(source)
        statements = list(_statements(text))
    except (Unreadable, tokenize.TokenError, SyntaxError):
        raise CannotSuppress("the file cannot be read as Python") from None
    lines = _LINE.findall(text)
    left = {id(finding): finding for finding in findings}
    for statement in statements:
        here = [f for f in left.values() if statement.first <= f.span.line <= statement.last]
        if here:
            _write(lines, statement, here, reason)
        for finding in here:
            del left[id(finding)]
    if left:
        line = next(iter(left.values())).span.line
        raise CannotSuppress(f"no statement stands at line {line}")
    new = "".join(lines)
    _check_same(text, new)
    return _encoded(source, new)


def _write(lines: list[str], statement: _Statement, findings: Sequence[Finding], reason: str) -> None:
    codes = sorted({finding.code for finding in findings})
    for number, comment in statement.comments.items():
        ours = _OURS.search(comment.string)
        if ours is not None:
            start = comment.start[1]
            line = lines[number - 1]
            extended = _extended(comment.string, ours, codes, reason)
            lines[number - 1] = line[:start] + extended + line[start + len(comment.string) :]
            return
    number = min(finding.span.line for finding in findings)
    if number not in statement.bearing:
        number = max(statement.bearing)
    line = lines[number - 1]
    body = line.rstrip("\r\n")
    lines[number - 1] = f"{body.rstrip()}  # qatlint: ignore[{', '.join(codes)}] {reason}{line[len(body) :]}"


def _extended(comment: str, ours: re.Match[str], codes: Iterable[str], reason: str) -> str:
    """A comment that ignores these codes, too, and has this reason beside its own."""
    there = [word.strip() for word in ours[1].split(",") if word.strip()]
    listed = ", ".join([*there, *(code for code in codes if code not in there)])
    old, sign, behind = comment[ours.end() :].partition("#")
    old = old.rstrip()
    reasons = old if reason in old else f"{old}; {reason}" if old else reason
    others = f"  {sign}{behind}" if sign else ""
    return f"{comment[: ours.start()]}# qatlint: ignore[{listed}] {reasons}{others}"


def _statements(text: str) -> Iterator[_Statement]:
    """The logical lines of a file, in order. Raises `TokenError` or `SyntaxError`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    first = 0
    bearing: set[int] = set()
    comments: dict[int, tokenize.TokenInfo] = {}
    inside = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        # From Python 3.12 on, a string with fields is several tokens, and lines may end between them.
        inside += kind.endswith("STRING_START") - kind.endswith("STRING_END")
        if kind == "COMMENT":
            if first and not inside:
                comments[token.start[0]] = token
        elif kind in ("NL", "NEWLINE"):
            if first and not inside:
                bearing.add(token.start[0])
            if kind == "NEWLINE":
                yield _Statement(first, token.start[0], frozenset(bearing), comments)
                first, bearing, comments = 0, set(), {}
        elif kind not in ("INDENT", "DEDENT", "ENDMARKER") and not first:
            first = token.start[0]


def _check_same(old: str, new: str) -> None:
    try:
        with quiet_parse():
            same = ast.dump(ast.parse(old)) == ast.dump(ast.parse(new))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise CannotSuppress("the file cannot be read as Python") from None
    if not same:
        raise CannotSuppress("a comment there would change what the file means")


def _encoded(source: bytes, text: str) -> bytes:
    """Bytes in the encoding of the old ones."""
    encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        raise CannotSuppress(f"the reason cannot be written in the file's encoding {encoding}") from None
