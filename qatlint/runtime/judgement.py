"""Points three to five of a proof: calls, fusion and dtypes of two recordings, in sentences.

What the toolchain does with each version is judged by its documented rules (`counts`, `fuse`, `dtypes`,
`dequants`); what can still be fixed, by what linting finds in the newer version.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from qatlint.finding import Finding, Safety, Severity
from qatlint.horizon.ops import Confidence
from qatlint.horizon.sharing import severity
from qatlint.runtime import counts, dequants, dtypes, fuse
from qatlint.runtime.counts import Count
from qatlint.runtime.dequants import Precision
from qatlint.runtime.edges import pattern
from qatlint.runtime.flow import Flow
from qatlint.runtime.fuse import Fusion, Reason, Trouble
from qatlint.runtime.point import Point
from qatlint.runtime.recording import Recording
from qatlint.trace import Kind


class Known(NamedTuple):
    """A finding in the newer version."""

    finding: Finding
    suppressed: bool
    """By a comment or the settings: accepted, so not to be fixed."""


_SHARING = ("QAT101", "QAT102")
_WEIGHTED = frozenset(
    {Kind.GEMM, Kind.NORM, Kind.BATCH_NORM, Kind.EMBEDDING, Kind.RECURRENT, Kind.ATTENTION, Kind.UNKNOWN}
)


def sources(recording: Recording) -> list[str]:
    """The files that define the classes of the model which look into other modules: where to lint."""
    return sorted({facts.source for facts in recording.modules if facts.source and not facts.leaf})


class _Shared(NamedTuple):
    """A module that runs more than once, and what can be done about it."""

    leaf: Count
    fixable: bool
    why: str


class Judge:
    """Compares two recordings. `known` are the findings in `sources(after)`; with `unsafe`, an unsafe fix
    is one that can be applied."""

    def __init__(self, before: Recording, after: Recording, known: Sequence[Known], unsafe: bool) -> None:
        self._known = [k for k in known if k.finding.code in _SHARING]
        self._unsafe = unsafe
        self._before, self._after = Flow(before), Flow(after)
        self._classes = {facts.path: facts for facts in after.modules}
        self._old_counts, self._new_counts = counts.counts(self._before), counts.counts(self._after)
        self._shared = [self._judged(count) for count in self._new_counts if _matters(count)]

    def points(self) -> tuple[Point, Point, Point]:
        """The three points, in their order."""
        old, new = fuse.fusions(self._before), fuse.fusions(self._after)
        return self._calls(), self._fusion(old, new), self._dtypes(old, new)

    # 3

    def _calls(self) -> Point:
        shared_before = sum(_matters(count) for count in self._old_counts)
        summary = (
            f"{_number(shared_before, 'module')} ran more than once before, {len(self._shared)} now"
            if shared_before or self._shared
            else "no module that matters ran more than once, before or now"
        )
        fixable = [shared for shared in self._shared if shared.fixable]
        if fixable:
            summary += f", {len(fixable)} of which can be fixed"
        left = [shared for shared in self._shared if not shared.fixable]
        details = [
            f"{shared.leaf.path} runs {shared.leaf.times} times: {shared.why}" for shared in (*fixable, *left)
        ]
        split = [count for count in self._old_counts if _matters(count) and self._times(count.path) <= 1]
        details += [f"{c.path} ran {c.times} times, {self._now(c.path)}" for c in split]
        return Point("calls", "one call per module", not fixable, summary, tuple(details))

    def _now(self, path: str) -> str:
        if path not in {count.path for count in self._new_counts}:
            return "others run in its place now"
        return "now once" if self._times(path) else "and does not run any more"

    def _times(self, path: str) -> int:
        return next((count.times for count in self._new_counts if count.path == path), 0)

    def _judged(self, count: Count) -> _Shared:
        reasons = []
        for edge in count.edges:
            classes = self._names_of(edge.owner)
            subject = edge.child[len(edge.owner) + 1 :] if edge.owner else edge.child
            for known in self._known:
                finding = known.finding
                named = finding.owner.rpartition(":")[2] in classes
                if named and finding.subject in (pattern(subject), subject):
                    verdict, why = self._verdict(known)
                    if verdict:
                        return _Shared(count, True, why)
                    reasons.append(why)
        if reasons:
            return _Shared(count, False, reasons[0])
        where = "".join(f" at {_shown(p.path)}:{p.line}" for e in count.edges[:1] for p in e.places[:1])
        if count.edges and not count.generated and count.kind not in _WEIGHTED:
            if any(edge.child == count.path for edge in count.edges):
                return _Shared(count, True, f"it is run again{where}, which no finding names")
        return _Shared(count, False, f"no finding names what runs it again{where}")

    def _names_of(self, path: str) -> set[str]:
        facts = self._classes[path]
        return {name.rpartition(":")[2] for name in (facts.class_name, *facts.mro)}

    def _verdict(self, known: Known) -> tuple[bool, str]:
        """Whether the finding has a fix that may be applied, and what to say."""
        finding = known.finding
        name = f"{finding.code} at {_shown(finding.span.path)}:{finding.span.line}"
        if known.suppressed:
            return False, f"{name} is suppressed"
        if finding.fix is None:
            return False, f"{name}, no fix: {finding.no_fix}"
        if finding.fix.safety is Safety.SAFE:
            return True, f"{name} has a safe fix"
        return self._unsafe, f"{name} has an unsafe fix"

    # 4

    def _fusion(self, old: Sequence[Fusion], new: Sequence[Fusion]) -> Point:
        found = fuse.compare(self._before, old, self._after, new)
        fixable = {shared.leaf.path for shared in self._shared if shared.fixable}
        lost = [pair.after for pair in found.worse if pair.after is not None]
        waiting = [f for f in new if not f.whole and f.reason is Reason.SHARED and self._touches(f, fixable)]
        holds = not lost and not waiting
        was, now = sum(f.whole for f in old), sum(f.whole for f in new)
        summary = f"{was} of {len(old)} fusable sequences were fused before, {now} of {len(new)} now"
        if not old and not new:
            summary = "no fusable sequence ran"
        details = [f"lost: {self._words(self._after, fusion)}" for _, fusion in lost]
        details += [self._words(self._after, f) for f in new if not f.whole and f not in [x for _, x in lost]]
        details += [
            f"fused now: {_chain(*pair.after)}" for pair in found.better if pair.after and pair.after[1].whole
        ]
        return Point("fusion", "fusable sequences fuse", holds, summary, tuple(details))

    def _touches(self, fusion: Fusion, paths: set[str]) -> bool:
        return any((unit := self._after.units[m]) is not None and unit.path in paths for m in fusion.members)

    def _words(self, flow: Flow, fusion: Fusion) -> str:
        reason = f"{fusion.reason.value}: {fusion.why}" if fusion.reason is not None else fusion.why
        trouble = f" ({fusion.trouble.value})" if fusion.trouble is not Trouble.NONE else ""
        part = "" if not fusion.fused else f", only the first {fusion.fused}"
        sure = "" if fusion.confidence is Confidence.READ else " [deduced, not documented]"
        return f"not fused: {_chain(flow, fusion)}{part}: {reason}{trouble}{sure}"

    # 5

    def _dtypes(self, old: Sequence[Fusion], new: Sequence[Fusion]) -> Point:
        title = "quantised inputs and precise outputs"
        if not self._after.has_stubs and not self._before.has_stubs:
            return Point("dtypes", title, True, "the model has no QuantStub yet: nothing is quantised")
        floats = dtypes.float_inputs(self._after)
        by_input = dtypes.compare(self._before, dtypes.float_inputs(self._before), self._after, floats)
        feeds = dequants.feeds(self._after, new)
        by_feed = dequants.compare(self._before, dequants.feeds(self._before, old), self._after, feeds)
        rows = dtypes.rows(self._after)
        high = sum(feed.precision is Precision.HIGH for feed in feeds)
        summary = (
            f"{_number(len(floats), 'float input')} of {_number(len(rows), 'op')} in the quantised region, "
            f"{high} of {_number(len(feeds), 'output')} with high precision"
        )
        worse_in = [p.after for p in by_input.worse if p.after]
        worse_out = [p.after for p in by_feed.worse if p.after]
        details = []
        for found in floats:
            new_one = any(found == other for _, other in worse_in)
            origins = ", ".join(self._origin(o) for o in found.origins) or "nobody knows where"
            label = self._after.labels[found.op]
            details.append(f"{'new: ' if new_one else ''}{label} is given a float tensor, from {origins}")
        for feed in feeds:
            if feed.precision in (Precision.HIGH, Precision.VERSION):
                continue
            new_one = any(feed == other for _, other in worse_out)
            label, feeder = self._after.labels[feed.dequant], self._after.labels[feed.feeder]
            details.append(f"{'new: ' if new_one else ''}{label} is fed by {feeder}: {feed.precision.value}")
        if worse_in or worse_out:
            summary += f"; {len(worse_in) + len(worse_out)} worse than before"
        return Point("dtypes", title, not worse_in and not worse_out, summary, tuple(details))

    def _origin(self, origin: dtypes.Origin) -> str:
        op = self._after.ops[origin.op]
        place = f" at {_shown(op.place.path)}:{op.place.line}" if op.place is not None else ""
        name = op.target or self._after.labels[origin.op]
        return f"{origin.kind.value} `{name}`{place}"


def joined(judged: Sequence[tuple[Sequence[Point], Sequence[int]]]) -> list[Point]:
    """One point of each kind from those of all samples, with their numbers; it holds where all do."""
    found = []
    for kind in range(len(judged[0][0])):
        samples: dict[Point, list[int]] = {}
        for points, numbers in judged:
            samples.setdefault(points[kind], []).extend(numbers)
        # What does not hold is what a person has to see first, and then where most was found.
        ordered = sorted(samples, key=lambda point: (point.holds, -len(point.details)))
        first = ordered[0]
        alike = len({(point.holds, point.summary) for point in ordered}) == 1
        summary = first.summary if alike else f"{_samples(samples[first])}: {first.summary}"
        details = dict.fromkeys(detail for point in ordered for detail in point.details)
        found.append(first._replace(summary=summary, details=tuple(details)))
    return found


def _samples(numbers: Sequence[int]) -> str:
    return f"sample{'' if len(numbers) == 1 else 's'} {', '.join(map(str, sorted(numbers)))}"


def _matters(count: Count) -> bool:
    """Whether the toolchain reports it as used several times, and a scale depends on it."""
    return count.shared and severity(count.kind, (), True) is not Severity.NOTE


def _chain(flow: Flow, fusion: Fusion) -> str:
    return " + ".join(flow.labels[m] for m in fusion.members)


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _shown(path: str) -> str:
    """A path as a person would write it here."""
    here = os.getcwd() + os.sep
    return path.removeprefix(here)
