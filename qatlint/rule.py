"""How a rule is written: a function from a Trace to findings, with a decorator that names it.

    @rule("QAT101", "shared-module", severity=Severity.WARNING)
    def check(trace: Trace) -> Iterator[Finding]: ...

The module's docstring is the rule's only documentation; its headings are fixed (see `HEADINGS`)
and a test keeps them complete.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from qatlint.finding import Finding, Severity
from qatlint.trace import Trace

Check = Callable[[Trace], Iterator[Finding]]

HEADINGS = ("What it flags", "Why it matters", "Bad", "Good", "The fix", "Source")


@dataclass(frozen=True, slots=True)
class Rule:
    """A registered rule. `severity` is the highest it reports; single findings may be lower."""

    code: str
    name: str
    severity: Severity
    fixable: bool
    since: str
    summary: str
    doc: str
    check: Check


def rule(code: str, name: str, *, severity: Severity, fixable: bool, since: str) -> Callable[[Check], Rule]:
    """Turn a check function into a `Rule`; code and name are both accepted wherever a rule is named."""

    def register(check: Check) -> Rule:
        doc = sys.modules[check.__module__].__doc__ or ""
        summary = doc.strip().partition("\n")[0]
        return Rule(code, name, severity, fixable, since, summary, doc, check)

    return register
