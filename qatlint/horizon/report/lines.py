"""The lines of a report as the toolchain wrote them, whatever they went through since."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from qatlint.horizon.report.values import Section

HEADINGS = {
    "Fusable modules are listed below": Section.FUSION,
    "All fusable modules are fused in model": Section.FUSION,
    "Do not find any fusable modules": Section.FUSION,
    "All modules in the model run exactly once": Section.COUNTS,
    "Modules below are not used": Section.COUNTS,
    "Modules below are used multi times": Section.COUNTS,
    "Each module called times": Section.COUNTS,
    "input dtype statistics": Section.INPUTS,
    "output dtype statistics": Section.OUTPUTS,
    "Each layer out qconfig": Section.LAYERS,
    "Weight qconfig": Section.WEIGHTS,
    "Please check if these OPs qconfigs are expected": Section.SUSPICIOUS,
    "Please check these modules qconfig if expected": Section.SUSPICIOUS,
    "Graph": Section.GRAPH,
}
"""As the file and the log have them. What stands behind one is punctuation."""
ALWAYS_GO_ON = (Section.FUSION, Section.COUNTS)
"""Parts behind which every report has more."""
_BY_SMALL_LETTERS = {heading.lower(): heading for heading in HEADINGS if heading != "Graph"}
"""Also in capitals, as some type it, but for one that is a common word."""
_A_WORD = re.compile(r"\b(?i:used|times|fusable|once|statistics|qconfigs?|expected|graph)\b")
"""One word of each heading at least."""
_LAST_WORDS = frozenset(heading.rpartition(" ")[2].lower() for heading in HEADINGS)
_BEHIND = " :.!*`\uff1a\u3002"
_BEFORE = "]:>|#*-.)`+"
"""What a log, a quotation, a list or a diff puts in front of a line ends with one of these."""
_NUMBERED = re.compile(r"^\d{1,9}(?:[:-]|\s*$|\s)\s*")
"""What `grep -n`, `cat -n` and `nl` put in front of each line: never the same twice."""
_LONGEST = 300
"""Characters of a line with a heading, with what stands in front."""
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_TYPED = {
    **dict.fromkeys("\xa0\u3000\u2002\u2003\u2009", " "),
    **dict.fromkeys("\ufeff\u200b\x0b\x0c", ""),
    **dict.fromkeys("\u2018\u2019", "'"),
    **dict.fromkeys("\u2502\u2503\uff5c", "|"),
    **dict.fromkeys("\u2500\u2501\u2212", "-"),
    **dict.fromkeys("\u250c\u2510\u2514\u2518\u251c\u2524\u252c\u2534\u253c", "+"),
}
_AS_TYPED = str.maketrans(_TYPED)


def lines_of(text: str) -> Iterator[str]:
    """Lines without colours and what stands around them, with plain blanks, quotes and bars."""
    start, length = 0, len(text)
    while start <= length:
        end = text.find("\n", start)
        end = length if end < 0 else end
        for line in text[start:end].split("\r"):
            yield _plain(line)
        start = end + 1


def _plain(line: str) -> str:
    if "\x1b" in line:
        line = _COLOUR.sub("", line)
    if not line.isascii():
        line = line.translate(_AS_TYPED)
    if "&" in line:
        line = html.unescape(line).translate(_AS_TYPED)
    if "\\_" in line:  # Markdown
        line = line.replace("\\_", "_")
    return line.strip(" \t\x0b\x0c")


def may_have_heading(text: str) -> bool:
    """Whether a word of a heading stands in a text."""
    return _A_WORD.search(text) is not None


def heading_of(line: str) -> tuple[str, str]:
    """(the heading that a line is, what stands in front of it); ("", "") for other lines."""
    if len(line) > _LONGEST:
        return "", ""
    plain = line.rstrip(_BEHIND)
    small = plain.lower()
    if small.rpartition(" ")[2] not in _LAST_WORDS:
        return "", ""
    if plain == "Graph":
        # One word is a heading only with the colon that belongs to it.
        return (plain, "") if ":" in line or "\uff1a" in line else ("", "")
    for words, heading in _BY_SMALL_LETTERS.items():
        if small.endswith(words):
            before = plain[: -len(words)]
            if not before or before.rstrip()[-1:] in _BEFORE or _NUMBERED.fullmatch(before):
                return heading, before
    return "", ""


def without_mark(line: str, mark: str) -> str:
    """A line without what stands in front of each, of which `mark` stood in front of a heading."""
    if _NUMBERED.fullmatch(mark):
        return _NUMBERED.sub("", line, count=1) if line[:1].isdecimal() else line
    return line[len(mark) :].strip() if line.startswith(mark) else line
