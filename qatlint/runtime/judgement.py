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
from qatlint.outputs import Precision
from qatlint.runtime import counts, dequants, dtypes, fuse
from qatlint.runtime.counts import Count, Edge
from qatlint.runtime.edges import pattern
from qatlint.runtime.flow import Flow
from qatlint.runtime.fuse import Fusion, Reason, Trouble
from qatlint.runtime.point import Point
from qatlint.runtime.project import is_installed, shown
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


def sources(recording: Recording, folder: str) -> list[str]:
    """Where to lint: the files of the project in `folder` that define classes of the model which look into
    other modules."""
    found = {facts.source for facts in recording.modules if facts.source and not facts.leaf}
    return sorted(source for source in found if not is_installed(source, folder))


_Class = tuple[str, str]
"""File and name of a class: source and execution may know its module by different names."""


def _class(source: str, name: str) -> _Class:
    return os.path.realpath(source), name.rpartition(":")[2]


def _class_of(finding: Finding) -> _Class:
    return _class(finding.span.path, finding.owner)


def _grouped(shared: Sequence[_Shared]) -> list[str]:
    """One sentence for all that are run again by the same calls: a network repeats its blocks."""
    groups: dict[str, list[Count]] = {}
    for one in shared:
        groups.setdefault(one.why, []).append(one.leaf)
    said = []
    for why, counts_of in groups.items():
        times = sorted({count.times for count in counts_of})
        often = f"{times[0]} times" if len(times) == 1 else f"{times[0]} to {times[-1]} times"
        more = f" and {len(counts_of) - 1} more run" if len(counts_of) > 1 else " runs"
        said.append(f"{counts_of[0].path}{more} {often}: {why}")
    return said


class Forward(NamedTuple):
    """A forward that was recorded."""

    mode: str
    """`eval` or `train`."""
    sample: int
    """From 1."""


class _Shared(NamedTuple):
    """A module that runs more than once, and what can be done about it."""

    leaf: Count
    fixable: bool
    why: str
    installed: bool = False
    """It is run again by what is installed only."""


class Judge:
    """Compares two recordings. `known` are the findings in `sources(after)`; with `unsafe`, an unsafe fix
    is one that can be applied. What is installed, and not in `folder`, no fix can reach."""

    def __init__(
        self, before: Recording, after: Recording, known: Sequence[Known], unsafe: bool, folder: str
    ) -> None:
        self._known: dict[_Class, list[Known]] = {}
        for one in known:
            if one.finding.code in _SHARING:
                self._known.setdefault(_class_of(one.finding), []).append(one)
        self._unsafe = unsafe
        self._folder = folder
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
        left = [shared for shared in self._shared if not shared.fixable and not shared.installed]
        installed = [shared for shared in self._shared if shared.installed]
        if installed:
            summary += f", {len(installed)} in libraries, where qatlint fixes nothing"
        details = [
            f"{shared.leaf.path} runs {shared.leaf.times} times: {shared.why}" for shared in (*fixable, *left)
        ]
        details += _grouped(installed)
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
            if is_installed(self._classes[edge.owner].source, self._folder):
                continue
            subject = edge.child[len(edge.owner) + 1 :] if edge.owner else edge.child
            for known in self._findings_in(edge.owner):
                if known.finding.subject in (pattern(subject), subject):
                    verdict, why = self._verdict(known)
                    if verdict:
                        return _Shared(count, True, why)
                    reasons.append(why)
        if reasons:
            return _Shared(count, False, reasons[0])
        own = [edge for edge in count.edges if not self._is_outside(edge)]
        if count.edges and not own:
            edge = count.edges[0]
            owner = edge.owner_class.rpartition(":")[2]
            where = f" at {shown(edge.places[0].path)}:{edge.places[0].line}" if edge.places else ""
            said = f"`{owner}` does that{where}, outside the project"
            return _Shared(count, False, f"{said}: qatlint cannot fix it there, only in a copy", True)
        where = "".join(f" at {shown(p.path)}:{p.line}" for e in own[:1] for p in e.places[:1])
        if own and not count.generated and count.kind not in _WEIGHTED:
            if any(edge.child == count.path for edge in own):
                return _Shared(count, True, f"it is run again{where}, which no finding names")
        return _Shared(count, False, f"no finding names what runs it again{where}")

    def _is_outside(self, edge: Edge) -> bool:
        """Whether the calls stand in what is installed, which a class of the project may inherit."""
        return is_installed(self._classes[edge.owner].source, self._folder) or (
            bool(edge.places) and all(is_installed(place.path, self._folder) for place in edge.places)
        )

    def _findings_in(self, path: str) -> list[Known]:
        """The findings in the class of a module, or in one of its bases."""
        facts = self._classes[path]
        classes = zip((facts.class_name, *facts.mro), (facts.source, *facts.mro_sources), strict=False)
        return [known for name, source in classes for known in self._known.get(_class(source, name), ())]

    def _verdict(self, known: Known) -> tuple[bool, str]:
        """Whether the finding has a fix that may be applied, and what to say."""
        finding = known.finding
        name = f"{finding.code} at {shown(finding.span.path)}:{finding.span.line}"
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
        details += [f"can be fixed: {self._words(self._after, f)}" for f in waiting]
        told = [*(fusion for _, fusion in lost), *waiting]
        details += [self._words(self._after, f) for f in new if not f.whole and f not in told]
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
        outside = [p.after for p in dtypes.compare_outside(self._before, self._after).worse if p.after]
        for _, number in outside:
            details.append(
                f"new: {self._after.labels[number]} computes in float, outside of the quantised region"
            )
        worse = len(worse_in) + len(worse_out) + len(outside)
        if worse:
            summary += f"; {worse} worse than before"
        return Point("dtypes", title, not worse, summary, tuple(details))

    def _origin(self, origin: dtypes.Origin) -> str:
        op = self._after.ops[origin.op]
        place = f" at {shown(op.place.path)}:{op.place.line}" if op.place is not None else ""
        name = op.target or self._after.labels[origin.op]
        return f"{origin.kind.value} `{name}`{place}"


def joined(judged: Sequence[tuple[Sequence[Point], Sequence[Forward]]]) -> list[Point]:
    """One point of each kind from those of all forwards, saying which; it holds where all do."""
    found = []
    everywhere = [forward for _, forwards in judged for forward in forwards]
    for kind in range(len(judged[0][0])):
        samples: dict[Point, list[Forward]] = {}
        for points, forwards in judged:
            samples.setdefault(points[kind], []).extend(forwards)
        # What does not hold is what a person has to see first, and then where most was found.
        ordered = sorted(samples, key=lambda p: (p.holds, _in_training(samples[p]), -len(p.details)))
        first = ordered[0]
        alike = len({(point.holds, point.summary) for point in ordered}) == 1
        where = _where(samples[first], everywhere)
        summary = first.summary if alike or not where else f"{where}: {first.summary}"
        details: dict[str, set[str]] = {}
        for point, forwards in samples.items():
            for detail in point.details:
                details.setdefault(detail, set()).update(forward.mode for forward in forwards)
        # Samples have much in common; what is so in training only, nobody sees in the model that is deployed.
        told = dict.fromkeys(
            f"in training: {detail}" if details[detail] == {"train"} else detail
            for point in ordered
            for detail in point.details
        )
        found.append(first._replace(summary=summary, details=tuple(told)))
    return found


def _in_training(forwards: Sequence[Forward]) -> bool:
    return all(forward.mode == "train" for forward in forwards)


def _where(forwards: Sequence[Forward], everywhere: Sequence[Forward]) -> str:
    """Which forwards of all those that there are; "" for all of them."""
    modes = dict.fromkeys(forward.mode for forward in forwards)
    samples = sorted({forward.sample for forward in forwards})
    said = []
    if len(samples) < len({forward.sample for forward in everywhere}):
        said.append(f"sample{'' if len(samples) == 1 else 's'} {', '.join(map(str, samples))}")
    if len(modes) < len({forward.mode for forward in everywhere}):
        said.append(f"{' and '.join(modes)} mode")
    return " in ".join(said)


def _matters(count: Count) -> bool:
    """Whether the toolchain reports it as used several times, and a scale depends on it.

    What prepare makes of a line in a dynamic block runs at every entry: that is what the block is for.
    """
    meant = count.generated and not count.edges
    return count.shared and not meant and severity(count.kind, (), True) is not Severity.NOTE


def _chain(flow: Flow, fusion: Fusion) -> str:
    return " + ".join(flow.labels[m] for m in fusion.members)


def _number(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
