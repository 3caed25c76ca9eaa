"""What the formats for programs say in words, where they have one text for all of it."""

from __future__ import annotations

from qatlint.finding import Finding, Safety
from qatlint.report.width import one_line


def remedy(finding: Finding) -> str:
    """The fix and how safe it is, or why there is none; "" where nothing is known of either."""
    if finding.fix is None:
        return f"no fix: {one_line(finding.no_fix)}" if finding.no_fix else ""
    how = "safe" if finding.fix.safety is Safety.SAFE else "unsafe"
    reason = f": {finding.fix.reason}" if finding.fix.reason else ""
    return one_line(f"fix: {finding.fix.title} ({how}{reason})")


def subject(finding: Finding) -> str:
    """What a finding is about: `relu of Block`; "" where it is about a place only."""
    owner = finding.owner.rpartition(":")[2]
    return f"{finding.subject} of {owner}" if owner and finding.subject else finding.subject or owner
