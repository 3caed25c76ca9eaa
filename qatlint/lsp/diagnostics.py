"""Findings as diagnostics."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from lsprotocol import types

from qatlint import catalogue, explaining
from qatlint.files import normal
from qatlint.finding import Finding, Severity
from qatlint.lsp.places import Places
from qatlint.registry import UnknownRule

SOURCE = "qatlint"

_SEVERITIES: Mapping[Severity, types.DiagnosticSeverity] = {
    Severity.ERROR: types.DiagnosticSeverity.Error,
    Severity.WARNING: types.DiagnosticSeverity.Warning,
    Severity.NOTE: types.DiagnosticSeverity.Information,
}
_TAGS: Mapping[str, types.DiagnosticTag] = {
    "QAT001": types.DiagnosticTag.Unnecessary,
    "QAT103": types.DiagnosticTag.Unnecessary,
}
"""An editor shows what these are about as something that may go."""


def diagnostic(
    finding: Finding, places_of: Callable[[str], Places], *, related: bool, language: str
) -> types.Diagnostic:
    """A finding for a client; `related` says whether it shows other places than the finding's own."""
    message = finding.message
    if finding.no_fix:
        message += f"\nno fix: {finding.no_fix}"
    elif finding.fix is not None and finding.fix.reason:
        message += f"\nunsafe fix: {finding.fix.reason}"
    return types.Diagnostic(
        range=places_of(finding.span.path).range(finding.span),
        message=message,
        severity=_SEVERITIES[finding.severity],
        code=finding.code,
        code_description=_description(finding.code, language),
        source=SOURCE,
        tags=[_TAGS[finding.code]] if finding.code in _TAGS else None,
        related_information=[
            types.DiagnosticRelatedInformation(
                types.Location(uri_of(other.span.path), places_of(other.span.path).range(other.span)),
                other.message,
            )
            for other in finding.related
        ]
        if related
        else None,
        data=key_of(finding),
    )


def key_of(finding: Finding) -> list[str]:
    """What tells a finding from the others of a file, whichever lines move."""
    return [finding.code, finding.owner, finding.subject]


def uri_of(path: str) -> str:
    """The URI of an absolute path."""
    return Path(path).as_uri()


def path_of(uri: str) -> str | None:
    """The path of a file URI, as the linter writes paths; None for a text that is no file."""
    parts = urlsplit(uri)
    if parts.scheme != "file":
        return None
    return normal(os.path.abspath(url2pathname(parts.path)))


def _description(code: str, language: str) -> types.CodeDescription | None:
    """Where the documentation of a rule is: in the file of the rule, which every installation has."""
    try:
        entry = catalogue.find(code)
    except UnknownRule:
        return None
    if isinstance(entry, catalogue.BuiltIn):
        return None
    path = explaining.path_in_chinese(entry) if language == "zh" else ""
    if not path or not Path(path).is_file():
        path = sys.modules[entry.check.__module__].__file__ or ""
    return types.CodeDescription(uri_of(str(Path(path).resolve()))) if path else None
