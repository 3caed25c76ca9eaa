"""What `qatlint ranges` measured, weighed into findings: sharing that hurts weighs more, other sharing less.

    evidence = read("ranges.json")
    finding = evidence.weigh(finding)

A finding is met by what was measured of the same class (or a subclass), file and child.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from qatlint.finding import Finding, Severity

_KIND, _VERSION = "qatlint-ranges", 1
_VERDICTS = ("stay", "look", "split")
_CODES = frozenset(["QAT101", "QAT102"])
"""Rules about shared instances: what was measured says nothing of others."""


class EvidenceError(Exception):
    """A file that is no evidence; the text says why."""


class _Entry(NamedTuple):
    verdict: str
    gain: float


class Evidence(NamedTuple):
    """The measured edges of one file, by (file, class, child)."""

    format: str
    samples: int
    files: frozenset[str]
    """Files with classes of which anything was measured."""
    entries: dict[tuple[str, str, str], _Entry]

    def is_about(self, path: str) -> bool:
        """Whether anything was measured of classes in a file."""
        return os.path.realpath(path) in self.files

    def weigh(self, finding: Finding) -> Finding:
        """The finding with the severity and the words that were measured; the same one where nothing was.

        From a loss that is worth a split, one level more; where nothing is lost, a note.
        """
        if finding.code not in _CODES:
            return finding
        owner = finding.owner.rpartition(":")[2]
        entry = self.entries.get((os.path.realpath(finding.span.path), owner, finding.subject))
        if entry is None:
            return finding
        severity = finding.severity
        if entry.verdict == "split":
            severity = Severity(min(severity + 1, Severity.ERROR))
        elif entry.verdict == "stay":
            severity = Severity.NOTE
        samples = "1 sample" if self.samples == 1 else f"{self.samples} samples"
        said = f"measured on {samples} at {self.format}, a split gives {max(entry.gain, 0.0):.1f} dB back"
        return replace(finding, severity=severity, message=f"{finding.message}; {said}")


def read(path: str) -> Evidence:
    """The evidence in a file that `qatlint ranges` wrote. Raises `EvidenceError`."""
    try:
        raw = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise EvidenceError(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise EvidenceError(f"{path}: not a JSON document") from None
    if not isinstance(raw, dict) or raw.get("kind") != _KIND:
        raise EvidenceError(f"{path}: not written by `qatlint ranges`")
    if raw.get("version") != _VERSION:
        raise EvidenceError(f"{path}: written by another version of qatlint: measure again")
    try:
        return _evidence(raw)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise EvidenceError(f"{path}: damaged: measure again") from None


def _evidence(raw: dict[str, Any]) -> Evidence:
    form = str(raw["format"])
    entries: dict[tuple[str, str, str], _Entry] = {}
    for edge in raw["evidence"]:
        found = _Entry(edge["verdict"][form], float(edge["gain"][form]))
        _VERDICTS.index(found.verdict)
        if not math.isfinite(found.gain):
            raise ValueError
        owners = [owner.rpartition(":")[2] for owner in edge["owners"]]
        for file in edge["files"]:
            for owner in owners:
                for subject in edge["subjects"]:
                    key = (os.path.realpath(file), owner, subject)
                    # Two subclasses may run what their base holds: the worse one counts.
                    entries[key] = max(entries.get(key, found), found, key=_weight)
    files = frozenset(file for file, _, _ in entries)
    return Evidence(form, int(raw["samples"]), files, entries)


def _weight(entry: _Entry) -> tuple[int, float]:
    return _VERDICTS.index(entry.verdict), entry.gain
