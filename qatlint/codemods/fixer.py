"""The loop around the codemods: apply fixes, look again, take back what did not help.

Nothing is written. A fix counts only when its finding is gone afterwards and no other one came up.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from qatlint.codemods.apply import Refused, apply_all
from qatlint.finding import (
    AddQuantStub,
    CloneInherited,
    CloneModule,
    Finding,
    Fix,
    MoveDequant,
    Safety,
    SeparateInstances,
    Severity,
)
from qatlint.loader import Loader, OverlayLoader

CheckFn = Callable[[Loader], list[Finding]]
"""Findings in the files to fix as a loader gives them, with selection and suppressions applied."""

MAX_PASSES = 100

_NUMBERED = re.compile(r"([._](\d+|\*)| \(\d+\))+$")
"""What tells subjects of one name apart."""

_Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class FixResult:
    """What the fixes come to."""

    texts: Mapping[str, bytes]
    """The files that change, with their new bytes."""
    applied: int
    findings: list[Finding]
    """What remains. A fix that was refused or taken back is None here, and `no_fix` says why."""
    problems: tuple[str, ...]
    """What was left alone and why, for people."""


def fix(paths: Sequence[str], loader: Loader, check: CheckFn, *, unsafe: bool) -> FixResult:
    """Apply the fixes of `paths` until nothing changes; the unsafe ones only if `unsafe`."""
    return _Fixer(paths, loader, check, unsafe).run()


@dataclass(frozen=True)
class _Wanted:
    """A finding with the fix to try."""

    finding: Finding
    fix: Fix

    @property
    def key(self) -> _Key:
        return _key(self.finding)

    @property
    def path(self) -> str:
        return self.fix.intent.path


class _Fixer:
    def __init__(self, paths: Sequence[str], loader: Loader, check: CheckFn, unsafe: bool) -> None:
        self._paths = frozenset(paths)
        self._loader = loader
        self._check = check
        self._unsafe = unsafe
        self._apply = cache(apply_all)
        """Of many files that are tried together, those without a suspect come again as they were."""
        self._texts: dict[str, bytes] = {}
        self._applied: Counter[str] = Counter()
        self._no_fix: dict[_Key, str] = {}
        self._problems: dict[str, None] = {}
        self._findings: list[Finding] = []

    def run(self) -> FixResult:
        self._findings = self._look(self._texts)
        for _ in range(MAX_PASSES):
            wanted = self._wanted()
            if not wanted:
                break
            self._settle([w.key for w in wanted])
        self._give_up_unsettled()
        remaining = [
            replace(f, fix=None, no_fix=self._no_fix[_key(f)]) if f.fix and _key(f) in self._no_fix else f
            for f in self._findings
        ]
        return FixResult(dict(self._texts), self._applied.total(), remaining, tuple(self._problems))

    def _look(self, texts: Mapping[str, bytes]) -> list[Finding]:
        return self._check(OverlayLoader(texts, self._loader))

    def _wanted(self) -> list[_Wanted]:
        found = []
        for finding in self._findings:
            if finding.fix is None or _key(finding) in self._no_fix:
                continue
            if finding.fix.safety is Safety.UNSAFE and not self._unsafe:
                continue
            if finding.fix.intent.path not in self._paths:
                self._no_fix[_key(finding)] = f"{finding.fix.intent.path} is not among the files to fix"
                continue
            found.append(_Wanted(finding, finding.fix))
        return _in_turn(found)

    def _settle(self, keys: list[_Key]) -> None:
        """Apply these fixes and keep those that help.

        Fixes that do not help when they are tried together are tried in halves, down to single ones.
        """
        groups = [keys]
        while groups:
            group = set(groups.pop(0))
            # The texts may have changed since: ask for the fixes as they are now.
            texts, done = self._carry_out([w for w in self._wanted() if w.key in group])
            if not done:
                continue
            found = self._look({**self._texts, **texts})
            suspects = _suspects(done, self._findings, found)
            if not suspects:
                self._texts.update(texts)
                self._applied.update(w.path for w in done)
                self._findings = found
            elif len(done) == 1:
                self._take_back(done[0], found)
            else:
                # Fixes that were put off come with the next pass, on the new text.
                others = [w.key for w in done if w.key not in suspects]
                blamed = [w.key for w in done if w.key in suspects]
                middle = (len(blamed) + 1) // 2
                groups = [g for g in (others, blamed[:middle], blamed[middle:]) if g] + groups

    def _carry_out(self, wanted: list[_Wanted]) -> tuple[dict[str, bytes], list[_Wanted]]:
        """New texts, and the fixes that are in them. Refusals are noted."""
        texts: dict[str, bytes] = {}
        done: list[_Wanted] = []
        for path in dict.fromkeys(w.path for w in wanted):
            here = [w for w in wanted if w.path == path]
            try:
                source = OverlayLoader(self._texts, self._loader).read(path)
                applied = self._apply(source, tuple(w.fix.intent for w in here))
            except (Refused, OSError, RecursionError) as error:
                reason = str(error) if isinstance(error, Refused) else "the file cannot be read"
                if isinstance(error, RecursionError):
                    reason = "its expressions are too deeply nested"
                self._problems[f"{path}: {reason}"] = None
                self._no_fix.update((w.key, reason) for w in here)
                continue
            for one, outcome in zip(here, applied.outcome, strict=True):
                if outcome is None:
                    done.append(one)
                elif outcome:
                    self._no_fix[one.key] = outcome
            if applied.source != source:
                texts[path] = applied.source
        return texts, done

    def _take_back(self, one: _Wanted, found: Sequence[Finding]) -> None:
        finding = one.finding
        if one.key in {_key(f) for f in found}:
            reason = "the finding would stay"
        else:
            other = _new_findings(self._findings, found)[0]
            reason = f"it would cause {other.code} {other.name} for `{other.subject}`"
        self._no_fix[one.key] = f"the fix was tried and taken back: {reason}"
        self._problems[
            f"{one.path}: the fix of {finding.code} for `{finding.subject}` was taken back: {reason}"
        ] = None

    def _give_up_unsettled(self) -> None:
        """Keep nothing of a file that still has fixes to apply after the last pass."""
        unsettled = {w.path for w in self._wanted()}
        for path in sorted(unsettled):
            self._texts.pop(path, None)
            del self._applied[path]
            self._problems[f"{path}: the fixes did not settle after {MAX_PASSES} passes, so none is kept"] = (
                None
            )
        if unsettled:
            self._findings = self._look(self._texts)


_SPLITS = (CloneModule, CloneInherited, SeparateInstances)


def _in_turn(wanted: list[_Wanted]) -> list[_Wanted]:
    """In the order in which they are to be tried. A DeQuantStub moves before it gets an instance per turn,
    which has no place of its own in the text; but where an op that it moves past runs elsewhere too, that
    gets an instance of its own first: the move may be safe then, or needed no more."""
    splitting = {w.finding.owner for w in wanted if isinstance(w.fix.intent, _SPLITS)}

    def is_put_off(one: _Wanted) -> bool:
        moves = isinstance(one.fix.intent, MoveDequant)
        return moves and one.fix.safety is Safety.UNSAFE and one.finding.owner in splitting

    kept = [w for w in wanted if not is_put_off(w)]
    return sorted(kept, key=lambda w: not isinstance(w.fix.intent, MoveDequant))


def _key(finding: Finding) -> _Key:
    return (finding.code, finding.owner, finding.subject, finding.span.path)


def _new_findings(before: Sequence[Finding], after: Sequence[Finding]) -> list[Finding]:
    """Findings that were not there before."""
    known = Counter(_key(f) for f in before)
    found = []
    for finding in after:
        known[_key(finding)] -= 1
        if known[_key(finding)] < 0:
            found.append(finding)
    return found


def _suspects(done: list[_Wanted], before: Sequence[Finding], after: Sequence[Finding]) -> set[_Key]:
    """The fixes that did not remove their finding, or may have caused a new one."""
    left = {_key(f) for f in after}
    suspects = {w.key for w in done if w.key in left}
    for finding in _new_findings(before, after):
        if _is_remainder(finding, done, before, after) or _is_uncovered(finding, done):
            continue
        same_class = [w for w in done if w.finding.owner == finding.owner]
        same_file = [w for w in done if w.path == finding.span.path]
        suspects.update(w.key for w in same_class or same_file or done)
    return suspects


def _is_uncovered(finding: Finding, done: list[_Wanted]) -> bool:
    """Whether `finding` was there all along, hidden: a stub brings what follows it into the quantised region,
    where more is asked of it. What shared modules do is asked everywhere."""
    intents = [w.fix.intent for w in done]
    begins = any(isinstance(intent, AddQuantStub) and intent.begins for intent in intents)
    return (begins and not finding.code.startswith("QAT1")) or _is_in_turns(finding, done)


def _is_in_turns(finding: Finding, done: list[_Wanted]) -> bool:
    """Whether it only notes that a DeQuantStub runs several times, which may have moved into a loop."""
    is_note = finding.code == "QAT101" and finding.severity is Severity.NOTE
    return is_note and any(
        isinstance(w.fix.intent, MoveDequant) and w.finding.owner == finding.owner for w in done
    )


def _is_remainder(
    finding: Finding, done: list[_Wanted], before: Sequence[Finding], after: Sequence[Finding]
) -> bool:
    """Whether `finding` is what remains of an old one under another name.

    When `self.a` and `self.b` stop being one instance, what was reported for `a` may now be about `b`; and
    what was reported for the second call of `a` is about `a_1` when that has an instance of its own.
    """
    intents = [w.fix.intent for w in done if w.finding.owner == finding.owner]
    cloned = {intent.attribute for intent in intents if isinstance(intent, (CloneModule, CloneInherited))}

    def number(findings: Sequence[Finding], base: str = "") -> int:
        same = [f for f in findings if f.code == finding.code and f.owner == finding.owner]
        return sum(not base or _base(f.subject) == base for f in same)

    if any(isinstance(intent, SeparateInstances) for intent in intents) and number(after) <= number(before):
        return True
    base = _base(finding.subject)
    return base in cloned and number(after, base) <= number(before, base)


def _base(subject: str) -> str:
    """`dequant` of `dequant_1`, `dequant (2)`, and of `dequant.*`, one per turn."""
    return _NUMBERED.sub("", subject)
