"""What the toolchain's report means, for a person: ranked groups of rows, with the next step and lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from types import MappingProxyType
from typing import NamedTuple

from qatlint.finding import Finding
from qatlint.horizon.judging.judge import Group, grouped
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.horizon.report.lines import ALWAYS_GO_ON, HEADINGS
from qatlint.horizon.report.values import MOST_ROWS, Generation, ModelCheck, Section
from qatlint.report.formats import Lines
from qatlint.report.style import Style
from qatlint.report.width import one_line, text_width, wrap
from qatlint.resolve.linked import unexplained
from qatlint.resolve.located import Located, Place, Role
from qatlint.trace import Span

SHOWN = 8
"""Rows shown of one group where not all are asked for."""
_COLOURS = {Rank.FIRST: "red", Rank.CHECK: "yellow", Rank.KNOW: "cyan"}
_TITLES: dict[Topic, tuple[str, str]] = {
    Topic.QINT32: ("1 output is qint32", "{n} outputs are qint32"),
    Topic.FLOAT_INPUT: (
        "1 call inside of the stubs is given float",
        "{n} calls inside of the stubs are given float",
    ),
    Topic.MIXED: (
        "1 module mixes dtypes",
        "{n} modules mix dtypes",
    ),
    Topic.SHARED: ("1 module is called several times", "{n} modules are called several times"),
    Topic.UNFUSED: ("1 fusable sequence is not fused", "{n} fusable sequences are not fused"),
    Topic.NEVER: ("1 module is never called", "{n} modules are never called"),
    Topic.LOW_PRECISION: (
        "1 DeQuantStub is given a quantised tensor",
        "{n} DeQuantStubs are given quantised tensors",
    ),
    Topic.REDUNDANT_STUB: (
        "1 QuantStub is given a quantised tensor",
        "{n} QuantStubs are given quantised tensors",
    ),
    Topic.OTHER_DTYPE: ("1 output is int8 beside int16", "{n} outputs are int8 beside int16"),
    Topic.WEIGHT: ("1 weight is not qint8", "{n} weights are not qint8"),
    Topic.NO_QCONFIG: ("1 module that computes has no qconfig", "{n} modules that compute have no qconfig"),
    Topic.FROZEN: ("1 scale does not move", "{n} scales do not move"),
    Topic.FIXED: ("1 scale is fixed by hand", "{n} scales are fixed by hand"),
    Topic.NO_ACTIVATION: ("1 output is not quantised", "{n} outputs are not quantised"),
    Topic.UNUSUAL: ("1 computation is unusual", "{n} computations are unusual"),
    Topic.OTHER: ("1 row that the toolchain asks to check", "{n} rows that the toolchain asks to check"),
}


_ALWAYS = (Section.FUSION, Section.COUNTS, Section.INPUTS, Section.OUTPUTS, Section.LAYERS)
"""Parts that every report has."""


class Shown(NamedTuple):
    """All that is shown of one report."""

    files: tuple[str, ...]
    check: ModelCheck
    judgements: Sequence[Judgement]
    located: Mapping[Judgement, Located] = MappingProxyType({})
    """Empty where no source was given."""
    findings: Mapping[Judgement, tuple[Finding, ...]] = MappingProxyType({})
    hidden: Set[Finding] = frozenset()
    """Findings that `qatlint check` does not show, since they are below the threshold of their file."""
    checked: str = ""
    """The folder (or file) that the findings are those of."""
    has_source: bool = False
    model: str = ""
    """`package.module:Class` of the model that the rows were looked for in."""
    notes: tuple[str, ...] = ()


def render(shown: Shown, lines: Lines, style: Style, *, all_rows: bool = False) -> str:
    """The report as text, without a line end. `lines` gives the lines of a source file."""
    rows = list(_head(shown, style))
    writer = _Writer(shown, lines, style, all_rows)
    rank: Rank | None = None
    for group in grouped(shown.judgements):
        if group.rank is not rank:
            rank = group.rank
            rows += ["", style.paint(rank.label.upper(), _COLOURS[rank])]
        rows += ["", *writer.group(group)]
    if shown.has_source:
        rows += writer.unexplained()
    return "\n".join(rows)


def _head(shown: Shown, style: Style) -> Iterator[str]:
    check = shown.check
    parts = ", ".join(section.value for section in check.sections)
    form = "" if check.generation is Generation.UNKNOWN else f" ({check.generation.value} form)"
    full = f"; what stands behind {MOST_ROWS:,} rows is not read" if check.is_full else ""
    unread = (
        f"; {_number(check.unread_lines, 'line')} not understood (--unread shows them{full})"
        if check.unread_lines
        else ""
    )
    earlier = (
        f"; {_number(check.earlier, 'earlier report')} in the same text left out" if check.earlier else ""
    )
    yield from wrap(f"{', '.join(shown.files)}{form}: {parts}{unread}{earlier}", style.width)
    for note in missing_words(check):
        yield from (style.paint(line, "yellow") for line in wrap(f"warning: {note}", style.width))
    if not shown.judgements:
        without = _without(check)
        if check.rowless or check.cut_off:
            yield from wrap(f"nothing in what could be read asks for a look{without}", style.width)
        elif without:
            yield from wrap(f"nothing in it asks for a look{without}", style.width)
        else:
            yield style.paint("nothing in it asks for a look", "green")
        return
    counts = []
    for rank in Rank:
        rows = sum(j.named for j in shown.judgements if j.rank is rank)
        if rows:
            counts.append(style.paint(f"{rows} {_RANKS[rank]}", _COLOURS[rank]))
    others = sum(j.times for j in shown.judgements if not j.named)
    yield f"rows: {', '.join(counts) or 'none'}"
    if others:
        yield f"besides: {others} more by the statistics, whose rows are not in this text"
    if shown.model:
        yield f"model: {shown.model}"
    if shown.findings:
        yield from wrap(f"findings: those of `qatlint check {one_line(shown.checked)}`", style.width)
    for note in shown.notes:
        yield from (style.paint(line, "yellow") for line in wrap(f"warning: {note}", style.width))


def missing_words(check: ModelCheck) -> list[str]:
    """Of each part that begins and has no rows that could be read, or no end, that this is so."""
    return [
        *(
            f"no row below `{heading}` could be read: cut off, or changed on the way?"
            for heading in check.rowless
        ),
        *(
            f"the text ends below `{heading}`, where every report goes on: rows may be missing"
            if HEADINGS[heading] in ALWAYS_GO_ON
            else f"the table below `{heading}` has no end: rows may be missing"
            for heading in check.cut_off
        ),
    ]


def _without(check: ModelCheck) -> str:
    """Which parts that every report has are not in a text, in words; "" where none is missing."""
    missing = [section.value for section in _ALWAYS if section not in check.sections]
    return f"; it has no part about {', '.join(missing)}" if missing else ""


_RANKS = {Rank.FIRST: "to look at first", Rank.CHECK: "to check", Rank.KNOW: "good to know"}


class _Writer:
    def __init__(self, shown: Shown, lines: Lines, style: Style, all_rows: bool) -> None:
        self._shown = shown
        self._lines = lines
        self._style = style
        self._most = 10**9 if all_rows else SHOWN

    def group(self, group: Group) -> Iterator[str]:
        """One group: what, why, what next, and its rows."""
        style = self._style
        for number, text in enumerate(wrap(title(group), style.width - 2)):
            yield style.paint(text if number == 0 else f"  {text}", "bold")
        yield from self._labelled("why", group.reason)
        yield from self._labelled("next", group.step)
        yield from self._rows(group)

    def _labelled(self, label: str, text: str) -> Iterator[str]:
        lead = f"  {label:<5}"
        for number, line in enumerate(wrap(text, max(self._style.width - len(lead), 20))):
            yield (self._style.paint(lead, "dim") if number == 0 else " " * len(lead)) + line

    def _rows(self, group: Group) -> Iterator[str]:
        """Rows with the same lines of source stand together."""
        bundles: dict[tuple[object, ...], list[Judgement]] = {}
        for judgement in group.judgements:
            if judgement.named:
                bundles.setdefault(self._key(judgement), []).append(judgement)
        left = self._most
        elsewhere = 0
        for judgements in bundles.values():
            if left <= 0:
                elsewhere += len(judgements)
                continue
            for judgement in judgements[:left]:
                yield from self._row(judgement)
            if len(judgements) > left:
                yield f"    and {_number(len(judgements) - left, 'more row')} of this kind"
            yield from self._source(judgements[0])
            left -= len(judgements)
        if elsewhere:
            yield f"    and {_number(elsewhere, 'more row')}: --all shows them"
        rest = [j for j in group.judgements if not j.named]
        if rest:
            counted = ", ".join(f"{j.type} {j.times}" for j in rest)
            more = "more " if group.named else ""
            text = f"{more}by the statistics, whose rows are not in this text: {counted}"
            yield from (f"    {line}" for line in wrap(text, max(self._style.width - 4, 20)))

    def _key(self, judgement: Judgement) -> tuple[object, ...]:
        located = self._shown.located.get(judgement, Located())
        spans = tuple((p.span, p.role) for p in located.places)
        # Rows without any line have nothing in common but that.
        return (spans, located.why, self._shown.findings.get(judgement, ()))

    def _row(self, judgement: Judgement) -> Iterator[str]:
        names = [one_line(name) for name in judgement.names]
        told = f"{judgement.type}, {judgement.detail}" if judgement.type else judgement.detail
        width = max(self._style.width - 6, 20)
        text = " + ".join(names)
        if text_width(text) + text_width(told) + 6 <= self._style.width:
            yield f"    {text}  {self._style.paint(told, 'dim')}"
            return
        if text_width(text) + 4 > self._style.width:
            text = f"\n{' ' * 4}+ ".join(names)
        yield from f"    {text}".split("\n")
        for line in wrap(told, width):
            yield "      " + self._style.paint(line, "dim")

    def _source(self, judgement: Judgement) -> Iterator[str]:
        located = self._shown.located.get(judgement)
        if located is None:
            return
        once: dict[tuple[object, ...], Place] = {}
        for place in located.places:  # a line is shown once, also where two members of a row stand in it
            once.setdefault((place.span.path, place.span.line, place.owner, place.role), place)
        for place in once.values():
            if place.role is Role.RUNS:
                yield from self._place(place)
        ways = [place.span for place in once.values() if place.role is Role.THROUGH]
        if ways:
            text = f"{Role.THROUGH.value}: {_lines_of(ways)}"
            yield from (f"      {line}" for line in wrap(text, max(self._style.width - 6, 20)))
        if located.why:
            yield from (f"      {line}" for line in wrap(located.why, max(self._style.width - 6, 20)))
        for finding in self._shown.findings.get(judgement, ()):
            head = f"{finding.code} at {one_line(finding.span.path)}:{finding.span.line}"
            text = f"{head}: `{finding.subject}`" if finding.subject else head
            if finding in self._shown.hidden:
                text += f" (a {finding.severity.label}, which check hides)"
            for line in wrap(text, max(self._style.width - 6, 20)):
                yield "      " + self._style.paint(line, "bold")

    def _place(self, place: Place) -> Iterator[str]:
        span = place.span
        lines = self._lines(span.path)
        where = f"{one_line(span.path)}:{span.line}"
        owner = place.owner.rpartition(":")[2]
        yield f"      {self._style.paint(where, 'blue')} {owner}"
        if 0 < span.line <= len(lines):
            source = one_line(lines[span.line - 1].strip().expandtabs(4))
            yield "        " + _cut(source, max(self._style.width - 8, 20))

    def unexplained(self) -> Iterator[str]:
        """The last part: rows that no finding speaks of."""
        left = unexplained(self._shown.judgements, self._shown.findings)
        if not left:
            return
        style = self._style
        yield ""
        text = f"NOT EXPLAINED BY ANY FINDING: {_number(len(left), 'row')}"
        yield style.paint(text, "dim")
        by_topic: dict[Topic, list[Judgement]] = {}
        for judgement in left:
            by_topic.setdefault(judgement.topic, []).append(judgement)
        for topic, rows in by_topic.items():
            names = [" + ".join(j.names) for j in rows]
            shown = ", ".join(names[: self._most])
            more = f" and {len(names) - self._most} more" if len(names) > self._most else ""
            for number, line in enumerate(wrap(f"{topic.value}: {shown}{more}", max(style.width - 4, 20))):
                yield ("  " if number == 0 else "    ") + line


def title(group: Group) -> str:
    """What a group is about, counted."""
    one, many = _TITLES[group.topic]
    number = group.named or group.times
    text = one if number == 1 else many.format(n=number)
    dtypes = dict.fromkeys(judgement.dtype for judgement in group.judgements)
    if len(dtypes) == 1 and group.topic is Topic.LOW_PRECISION:
        text += f": {next(iter(dtypes))}"
    if group.times > group.named:
        text += f" ({group.times} by the statistics)" if group.named else " (by the statistics)"
    return text


def _lines_of(spans: Sequence[Span]) -> str:
    """`a.py:3, :7, b.py:2`"""
    words, path = [], ""
    for span in spans:
        words.append(f":{span.line}" if span.path == path else f"{one_line(span.path)}:{span.line}")
        path = span.path
    return ", ".join(words)


def _cut(text: str, width: int) -> str:
    return text if text_width(text) <= width else text[: max(width - 3, 1)] + "..."


def _number(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
