"""The last lines of a run, and the counts per rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from qatlint.finding import Finding, Safety, Severity


def plural(number: int, word: str) -> str:
    """`1 finding`, `2 findings`."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def summary(
    findings: Sequence[Finding],
    hidden: Sequence[Finding],
    notes: Sequence[str] = (),
    *,
    fixed: int | None,
    unsafe: bool,
) -> str:
    """What was found and what can be done about it. `fixed` is None when nothing was asked to be fixed.

    `notes` say what else was left out.
    """
    return "\n".join(filter(None, (_found(findings, fixed, unsafe), _hidden(hidden), *notes)))


def _found(findings: Sequence[Finding], fixed: int | None, unsafe: bool) -> str:
    if not findings:
        return "All checks passed." if not fixed else f"Fixed {plural(fixed, 'finding')}; none remains."
    head = f"Found {plural(len(findings), 'finding')}"
    if fixed:
        verb = "remains" if len(findings) == 1 else "remain"
        head = f"Fixed {plural(fixed, 'finding')}, {len(findings)} {verb}"
    hint = _hint(findings, fixed is not None, unsafe)
    return f"{head} ({hint})." if hint else f"{head}."


def _hint(findings: Sequence[Finding], fixing: bool, unsafe: bool) -> str:
    """Which option would fix how many. What a fix run left over, the same options do not fix."""
    safe = count(findings, Safety.SAFE)
    risky = count(findings, Safety.UNSAFE)
    if fixing:
        return f"{risky} more fixable with --unsafe-fixes" if risky and not unsafe else ""
    if unsafe:
        return f"{safe + risky} fixable with --fix --unsafe-fixes" if safe + risky else ""
    if safe and risky:
        return f"{safe} fixable with --fix, {risky} more with --unsafe-fixes"
    if safe:
        return f"{safe} fixable with --fix"
    return f"{risky} fixable with --fix --unsafe-fixes" if risky else ""


def _hidden(hidden: Sequence[Finding]) -> str:
    if not hidden:
        return ""
    counts = Counter(finding.severity for finding in hidden)
    listed = " and ".join(
        plural(counts[severity], severity.label) for severity in Severity if counts[severity]
    )
    lowest = min(counts).label
    return f"{listed} hidden; --min-severity {lowest} shows {'it' if len(hidden) == 1 else 'them'}."


def count(findings: Sequence[Finding], safety: Safety) -> int:
    """How many findings have a fix of this safety."""
    return sum(finding.fix is not None and finding.fix.safety is safety for finding in findings)


class RuleCount(NamedTuple):
    """How often one rule reported."""

    code: str
    name: str
    found: int
    safe: int
    unsafe: int


def statistics(findings: Sequence[Finding]) -> list[RuleCount]:
    """Counts per rule, the most frequent first."""
    by_code: dict[str, list[Finding]] = {}
    for finding in findings:
        by_code.setdefault(finding.code, []).append(finding)
    counts = [
        RuleCount(code, group[0].name, len(group), count(group, Safety.SAFE), count(group, Safety.UNSAFE))
        for code, group in by_code.items()
    ]
    return sorted(counts, key=lambda c: (-c.found, c.code))


def render_statistics(counts: Sequence[RuleCount]) -> str:
    """The counts as aligned text, without a line end."""
    digits = max((len(str(c.found)) for c in counts), default=0)
    name = max((len(c.name) for c in counts), default=0)
    return "\n".join(
        f"{c.found:>{digits}}  {c.code}  {c.name:<{name}}  {_fixable(c)}".rstrip() for c in counts
    )


def _fixable(rule: RuleCount) -> str:
    parts = [f"{n} {word}" for n, word in ((rule.safe, "safe"), (rule.unsafe, "unsafe")) if n]
    return f"fixable: {', '.join(parts)}" if parts else "no fix"
