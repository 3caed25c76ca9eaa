"""Every code a finding can have: those of the rules, and the two that qatlint gives itself.

Selectors (`ALL`, a code, a name, a prefix such as `QAT1`) are turned into codes here.
"""

from __future__ import annotations

from typing import NamedTuple

from qatlint import registry
from qatlint.finding import Severity
from qatlint.rule import Rule


class BuiltIn(NamedTuple):
    """A code that no rule reports."""

    code: str
    name: str
    severity: Severity
    since: str
    doc: str
    fixable: bool = False

    @property
    def summary(self) -> str:
        return self.doc.partition("\n")[0]


Entry = BuiltIn | Rule
"""What is known about a code."""

UNREADABLE = BuiltIn(
    code="QAT000",
    name="unreadable-file",
    severity=Severity.ERROR,
    since="0.1.0",
    doc="""\
A file that cannot be read, decoded or parsed.

## What it flags

A file that does not exist, may not be read, is not in the encoding it declares, or is not valid Python
for the interpreter that runs qatlint.

## Why it matters

Nothing in such a file was checked, and classes of other files that inherit from it are known only in
part. All other files are linted as usual. This code cannot be ignored or suppressed; exclude the file
instead.
""",
)

UNUSED_SUPPRESSION = BuiltIn(
    code="QAT001",
    name="unused-suppression",
    severity=Severity.WARNING,
    since="0.1.0",
    doc="""\
A `# qatlint: ignore` comment that ignores nothing.

## What it flags

A suppression whose codes report nothing at its place, a code that no rule has, and a misspelt `ignore`.
Codes of rules that are not selected are left alone: they may well be needed in the next run.

## Why it matters

A comment that no longer hides anything will hide the next real finding on that line.

## The fix

None: the reason beside the code is yours. Delete the comment, or the one code.
""",
)

BUILT_IN: tuple[BuiltIn, ...] = (UNREADABLE, UNUSED_SUPPRESSION)


def entries() -> tuple[Entry, ...]:
    """All codes, in order."""
    return (*BUILT_IN, *registry.all_rules())


def find(name: str) -> Entry:
    """The entry with this code or name, in any case. Raises `registry.UnknownRule`."""
    wanted = name.strip().lower()
    for entry in BUILT_IN:
        if wanted in (entry.code.lower(), entry.name):
            return entry
    return registry.get(name)


def expand(selector: str) -> frozenset[str]:
    """The codes that a selector means. Raises `registry.UnknownRule` when it means none."""
    wanted = selector.strip().upper()
    own = {entry.code for entry in BUILT_IN if _means(wanted, entry)}
    try:
        return frozenset(own | {rule.code for rule in registry.expand(selector)})
    except registry.UnknownRule:
        if own:
            return frozenset(own)
        raise


def _means(wanted: str, entry: BuiltIn) -> bool:
    return wanted in ("ALL", entry.name.upper()) or (
        wanted.startswith("QAT") and entry.code.startswith(wanted)
    )
