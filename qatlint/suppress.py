"""Comments that switch findings off: `# qatlint: ignore[QAT101] reason`.

At the end of a line a comment holds for the whole statement on that line; on a `def` or `class` line for its
whole body; `ignore-file` holds for the file. Without brackets it means every rule. Comments are found by
tokenizing, so a string that looks like one does nothing; files without the word are not tokenized at all.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from qatlint import catalogue
from qatlint.finding import Finding
from qatlint.registry import UnknownRule
from qatlint.static.source import Unreadable, decode
from qatlint.trace import Span

_COMMENT = re.compile(r"#\s*qatlint:\s*(?P<verb>[A-Za-z-]+)\s*(?:\[(?P<codes>[^\]#]*)(?P<closed>\])?)?")
_VERBS = ("ignore", "ignore-file")
_FOR_ALL = "*"


@dataclass
class Suppression:
    """One comment. `first` and `last` are the lines it holds for; `codes` maps what is written to a code."""

    span: Span
    first: int
    last: int
    codes: dict[str, str]
    alone: bool
    """It stands on a line of its own, so it holds for nothing."""
    complaints: list[str] = field(default_factory=list)
    used: set[str] = field(default_factory=set)

    def takes(self, finding: Finding) -> bool:
        """Whether it switches the finding off; remembers that it did."""
        if finding.code == catalogue.UNREADABLE.code or not self.first <= finding.span.line <= self.last:
            return False
        for code in (finding.code, _FOR_ALL):
            if code in self.codes.values():
                self.used.add(code)
                return True
        return False


def apply(
    findings: Sequence[Finding],
    texts: Mapping[str, bytes],
    codes_in: Callable[[str], frozenset[str]],
) -> list[Finding]:
    """`findings` less those that a comment in `texts` (by path) switches off, plus the useless comments.

    `codes_in(path)` are the codes that are reported in a file: a comment for another code is left alone.
    """
    by_path = {path: parse(path, data) for path, data in texts.items()}
    kept = [f for f in findings if not _suppressed(f, by_path.get(f.span.path, ()))]
    for path, suppressions in by_path.items():
        reported = codes_in(path)
        if catalogue.UNUSED_SUPPRESSION.code not in reported:
            continue
        everything = reported >= {entry.code for entry in catalogue.entries()}
        kept.extend(_unused(s, message) for s in suppressions for message in _faults(s, reported, everything))
    return kept


def parse(path: str, data: bytes) -> list[Suppression]:
    """The comments of one file, in order. A file that is not Python has none."""
    try:
        return _Reader(path).read(decode(data))
    except (Unreadable, tokenize.TokenError, SyntaxError):
        return []  # The engine reports the file as a whole.


def _suppressed(finding: Finding, suppressions: Sequence[Suppression]) -> bool:
    """Every comment that fits is asked, so that each counts as used."""
    takers = [suppression for suppression in suppressions if suppression.takes(finding)]
    return bool(takers)


class _Reader:
    """Goes through the tokens of a file once, keeping the open blocks and the comments of each."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._done: list[Suppression] = []
        self._line_start: int | None = None
        self._first_word = ""
        self._comments: list[tuple[tokenize.TokenInfo, re.Match[str]]] = []
        self._header: list[Suppression] | None = None
        self._blocks: list[list[Suppression]] = []
        self._last_line = 1

    def read(self, text: str) -> list[Suppression]:
        """All suppressions. Raises `TokenError` or `SyntaxError`."""
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                for match in _COMMENT.finditer(token.string):
                    self._comment(token, match)
            elif token.type == tokenize.INDENT:
                self._blocks.append(self._header or [])
                self._header = None
            elif token.type == tokenize.DEDENT:
                for suppression in self._blocks.pop():
                    suppression.last = self._last_line
            elif token.type == tokenize.NEWLINE:
                self._end_of_statement(token.start[0])
            elif token.type not in (tokenize.NL, tokenize.ENDMARKER):
                self._word(token)
        return sorted(self._done, key=lambda s: (s.span.line, s.span.column))

    def _word(self, token: tokenize.TokenInfo) -> None:
        if self._line_start is None:
            self._line_start = token.start[0]
            self._first_word = token.string
        elif self._first_word == "async":
            self._first_word = token.string
        self._last_line = token.end[0]

    def _comment(self, token: tokenize.TokenInfo, match: re.Match[str]) -> None:
        alone = self._line_start is None
        if alone or match["verb"].lower() == "ignore-file":
            self._add(token, match, token.start[0], token.start[0], alone)
        else:
            self._comments.append((token, match))

    def _end_of_statement(self, line: int) -> None:
        """A comment inside a statement holds from its first line to its last."""
        start = self._line_start or line
        here = [self._add(token, match, start, line, False) for token, match in self._comments]
        self._header = [s for s in here if s is not None] if self._first_word in ("def", "class") else None
        self._comments = []
        self._line_start = None
        self._first_word = ""

    def _add(
        self, token: tokenize.TokenInfo, match: re.Match[str], first: int, last: int, alone: bool
    ) -> Suppression | None:
        verb = match["verb"].lower()
        complaints: list[str] = []
        if verb not in _VERBS:
            hint = _near_verb(verb)
            if hint is None:
                return None  # Prose that happens to begin with our name.
            complaints.append(f"`{verb}` is not known here; did you mean `{hint}`?")
        if verb == "ignore-file":
            first, last, alone = 1, 2**31, False
        line = token.start[0]
        column = token.start[1] + match.start() + 1
        span = Span(self._path, line, column, line, column + len(match[0].rstrip()))
        suppression = Suppression(span, first, last, {}, alone, complaints)
        if match["codes"] is None:
            suppression.codes[_FOR_ALL] = _FOR_ALL
        elif match["closed"] is None:
            complaints.append("`]` is missing")
        else:
            _read_codes(suppression, match["codes"])
        if complaints and verb not in _VERBS:
            suppression.codes.clear()
        self._done.append(suppression)
        return suppression


def _near_verb(verb: str) -> str | None:
    import difflib

    close = difflib.get_close_matches(verb, _VERBS, n=1, cutoff=0.7)
    return close[0] if close else None


def _read_codes(suppression: Suppression, text: str) -> None:
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        suppression.complaints.append("the brackets are empty; leave them out to ignore every rule")
    for word in words:
        try:
            suppression.codes[word] = catalogue.find(word).code
        except UnknownRule as error:
            suppression.complaints.append(str(error))


def _faults(suppression: Suppression, reported: frozenset[str], everything: bool) -> list[str]:
    """What is wrong with a comment, in words; nothing when it did its work."""
    faults = list(suppression.complaints)
    idle = [
        word
        for word, code in suppression.codes.items()
        if code not in suppression.used and (everything if code == _FOR_ALL else code in reported)
    ]
    if suppression.alone and suppression.codes:
        faults.append(
            "a suppression on a line of its own holds for nothing: put it at the end of the line it is for"
        )
    elif _FOR_ALL in idle:
        faults.append("unused suppression: no rule reports anything here")
    elif idle:
        faults.append(
            f"unused suppression: {_listed(idle)} {'reports' if len(idle) == 1 else 'report'} nothing here"
        )
    return faults


def _listed(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(f"`{w}`" for w in words[:-1]), f"`{words[-1]}`")))


def _unused(suppression: Suppression, message: str) -> Finding:
    return Finding(
        code=catalogue.UNUSED_SUPPRESSION.code,
        name=catalogue.UNUSED_SUPPRESSION.name,
        severity=catalogue.UNUSED_SUPPRESSION.severity,
        message=message,
        span=suppression.span,
        no_fix="the reason beside a code is yours to keep or to delete",
    )
