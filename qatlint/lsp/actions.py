"""Code actions: what can be done about a finding, and the edits that do it.

An action is offered without its edits, which are computed when it is chosen (`codeAction/resolve`): running
the codemods takes longer than an editor that asks at every movement of the cursor should wait.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lsprotocol import types

from qatlint.finding import Finding, Safety
from qatlint.lsp.diagnostics import SOURCE, key_of
from qatlint.lsp.places import Encoding, edits
from qatlint.lsp.project import Still
from qatlint.static.source import Unreadable, decode

FIX_ALL = f"{types.CodeActionKind.SourceFixAll.value}.{SOURCE}"
KINDS = [types.CodeActionKind.QuickFix, FIX_ALL]
REASON = "TODO: say why"
"""What stands behind a new suppression: a reason that nobody has given is easy to find."""


class Outdated(Exception):
    """The text has changed since the action was offered."""


def offered(
    path: str,
    version: int | None,
    findings: Sequence[Finding],
    diagnostics: Sequence[types.Diagnostic],
    only: Collection[str],
) -> list[types.CodeAction]:
    """What can be done about these diagnostics of ours, and about the whole file.

    `findings` are those that are shown of the file, `only` the kinds that are asked for (all when empty).
    """
    actions = []
    by_key = {tuple(key_of(finding)): finding for finding in findings}
    if _is_asked(types.CodeActionKind.QuickFix.value, only):
        for one in diagnostics:
            finding = by_key.get(tuple(one.data)) if isinstance(one.data, list) else None
            if finding is None or one.source != SOURCE:
                continue
            data = {"path": path, "version": version, "key": key_of(finding)}
            if finding.fix is not None:
                safe = finding.fix.safety is Safety.SAFE
                title = f"{SOURCE}: {finding.fix.title}" + (
                    "" if safe else f" (unsafe: {finding.fix.reason})"
                )
                what = {**data, "do": "fix" if safe else "fix-unsafe"}
                actions.append(_action(title, types.CodeActionKind.QuickFix, what, one, preferred=safe))
            if finding.code not in ("QAT000", "QAT001"):
                title = f"{SOURCE}: ignore {finding.code} here"
                actions.append(_action(title, types.CodeActionKind.QuickFix, {**data, "do": "suppress"}, one))
    fixable = any(f.fix is not None and f.fix.safety is Safety.SAFE for f in findings)
    if fixable and _is_asked(FIX_ALL, only):
        what = {"path": path, "version": version, "do": "fix-all"}
        actions.append(_action(f"{SOURCE}: apply all safe fixes in this file", FIX_ALL, what))
    return actions


def carried_out(data: Mapping[str, Any], project: Still, findings: Sequence[Finding]) -> Mapping[str, bytes]:
    """The new texts that an action comes to; none when its finding is gone or its fix does not help."""
    path = str(data["path"])
    if data["do"] == "fix-all":
        return project.fixed(path, None, unsafe=False)
    key = tuple(data["key"])
    finding = next((one for one in findings if tuple(key_of(one)) == key), None)
    if finding is None:
        return {}
    if data["do"] == "suppress":
        return {path: project.suppressed(path, finding, REASON)}
    return project.fixed(path, [key], unsafe=data["do"] == "fix-unsafe")


def text_edits(old: bytes, new: bytes, encoding: Encoding) -> list[types.TextEdit]:
    """The edits between two texts. Raises `Outdated` for a text that cannot be decoded."""
    try:
        return edits(decode(old), decode(new), encoding)
    except Unreadable as error:
        raise Outdated(error.message) from None


def _action(
    title: str,
    kind: types.CodeActionKind | str,
    data: Mapping[str, Any],
    diagnostic: types.Diagnostic | None = None,
    *,
    preferred: bool = False,
) -> types.CodeAction:
    return types.CodeAction(
        title,
        kind=kind,
        diagnostics=[diagnostic] if diagnostic is not None else None,
        is_preferred=True if preferred else None,
        data=dict(data),
    )


def _is_asked(kind: str, only: Collection[str]) -> bool:
    """Whether a kind, or one above it (`source` stands for `source.fixAll`), is asked for."""
    return not only or any(kind == asked or kind.startswith(f"{asked}.") for asked in only)
