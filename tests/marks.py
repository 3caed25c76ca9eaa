"""Marks: what a fixture expects of qatlint, written as comments on the fixture's own lines.

    self.relu(x)  # expect: QAT101[subject=relu, severity=warning, fix=safe]
    self.relu(x)  # ok: QAT101 the two calls stand in exclusive branches
    self.relu(x)  # todo: QAT101 we cannot follow this yet

`expect` wants one finding whose primary span starts on this line, `ok` wants silence and says why,
`todo` is a known miss. Several marks may stand in one comment. A comment that has a line to itself
belongs to the next line of code.

Options: `subject`, `severity` (note, warning, error), `least` and `most` (a number; `most=many` for no
bound), `on` (always, some-path, training), `fix` (safe, unsafe, none). On an `ok` mark, `subject` names
the module the mark speaks of where the line does not show it, and `runs=many` says that the executed
model does run it more than once and that the silence is meant.
"""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass, field

_MARK = re.compile(r"(?P<verb>expect|ok|todo):\s*(?P<code>QAT\d{3})(?:\[(?P<options>[^\]]*)\])?")
_LOOKS_LIKE_MARK = re.compile(r"#\s*(expect|ok|todo)\b", re.IGNORECASE)
_ALLOWED: dict[str, frozenset[str] | None] = {
    "subject": None,
    "severity": frozenset({"note", "warning", "error"}),
    "least": None,
    "most": None,
    "on": frozenset({"always", "some-path", "training"}),
    "fix": frozenset({"safe", "unsafe", "none"}),
    "runs": frozenset({"many"}),
}
_FOR_VERB = {
    "expect": frozenset(_ALLOWED) - {"runs"},
    "ok": frozenset({"subject", "runs"}),
    "todo": frozenset({"subject"}),
}


class MarkError(ValueError):
    """A comment that looks like a mark but is not a correct one."""


@dataclass(frozen=True)
class Mark:
    """One expectation. `reason` is the text after the mark."""

    verb: str
    code: str
    line: int
    options: dict[str, str] = field(default_factory=dict)
    reason: str = ""

    @property
    def subject(self) -> str:
        return self.options.get("subject", "")


def parse(text: str) -> list[Mark]:
    """All marks of a source text, by line. Raises `MarkError` on a malformed one."""
    tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    found: list[Mark] = []
    waiting: list[tuple[int, str]] = []
    for position, token in enumerate(tokens):
        if token.type == tokenize.COMMENT:
            alone = not token.line[: token.start[1]].strip()
            if alone:
                waiting.append((token.start[0], token.string))
            else:
                found += _marks(token.string, token.start[0], token.start[0])
        elif token.type not in _NOT_CODE and waiting:
            for written, comment in waiting:
                found += _marks(comment, written, tokens[position].start[0])
            waiting = []
    for written, comment in waiting:
        if _marks(comment, written, written):
            raise MarkError(f"line {written}: a mark with no line of code after it")
    return sorted(found, key=lambda m: (m.line, m.code, m.subject))


_NOT_CODE = frozenset(
    {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.COMMENT}
)


def _marks(comment: str, written: int, line: int) -> list[Mark]:
    hits = list(_MARK.finditer(comment))
    if not hits:
        if _LOOKS_LIKE_MARK.match(comment):
            raise MarkError(f"line {written}: not a correct mark: {comment}")
        return []
    marks = []
    for hit, following in zip(hits, [*hits[1:], None], strict=True):
        end = following.start() if following else len(comment)
        reason = comment[hit.end() : end].strip(" #;")
        verb = hit["verb"]
        if verb != "expect" and not reason:
            raise MarkError(f"line {written}: `{verb}` needs a reason")
        marks.append(Mark(verb, hit["code"], line, _options(hit, verb, written), reason))
    return marks


def _options(hit: re.Match[str], verb: str, written: int) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in (hit["options"] or "").split(","):
        if not part.strip():
            continue
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or key not in _FOR_VERB[verb]:
            raise MarkError(f"line {written}: `{verb}` has no option `{part.strip()}`")
        allowed = _ALLOWED[key]
        if allowed is not None and value not in allowed:
            raise MarkError(f"line {written}: `{key}` cannot be `{value}`")
        if key in ("least", "most") and not (value.isdigit() or (key == "most" and value == "many")):
            raise MarkError(f"line {written}: `{key}` must be a number")
        options[key] = value
    return options
