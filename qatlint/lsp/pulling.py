"""Diagnostics for clients that ask for them (`textDocument/diagnostic`, `workspace/diagnostic`).

Such a client is sent nothing unasked: it would show every finding twice. It is told to ask again when what it
was given has changed by other edits than its own to that file. A client that cannot be told so would go on to
show what is not true any more; it is not offered to ask, and is sent diagnostics like those that never ask.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from qatlint.finding import Finding
from qatlint.lsp.diagnostics import SOURCE, path_of

if TYPE_CHECKING:
    from qatlint.lsp.server import Server


class Report(NamedTuple):
    """What is to be shown of a file, in the text of this version (None: of the disk)."""

    version: int | None
    findings: list[Finding]
    diagnostics: list[types.Diagnostic]

    @property
    def result_id(self) -> str:
        """What tells these diagnostics from others."""
        return blake2b(repr(self.diagnostics).encode(), digest_size=12).hexdigest()


NOTHING = Report(None, [], [])


def is_supported(capabilities: types.ClientCapabilities) -> bool:
    """Whether a client asks for diagnostics, and can be told to ask again."""
    document, workspace = capabilities.text_document, capabilities.workspace
    refresh = workspace.diagnostics if workspace is not None else None
    return bool(
        document is not None and document.diagnostic is not None and refresh and refresh.refresh_support
    )


class Pulling:
    """Answers one client, and remembers what it was given."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._given: dict[str, tuple[int | None, str]] = {}
        """By path: version and result id that the client has, or has been told to ask for."""
        self._asking: Counter[str] = Counter()
        """Questions that are not answered yet, by path; "" for all files."""

        @server.feature(
            types.TEXT_DOCUMENT_DIAGNOSTIC,
            types.DiagnosticOptions(
                inter_file_dependencies=True, workspace_diagnostics=True, identifier=SOURCE
            ),
        )
        async def document(params: types.DocumentDiagnosticParams) -> types.DocumentDiagnosticReport:
            return await self._document(params)

        @server.feature(types.WORKSPACE_DIAGNOSTIC)
        async def workspace(params: types.WorkspaceDiagnosticParams) -> types.WorkspaceDiagnosticReport:
            return await self._workspace(params)

    async def _document(self, params: types.DocumentDiagnosticParams) -> types.DocumentDiagnosticReport:
        path = path_of(params.text_document.uri)
        report = NOTHING
        if path is not None:
            with self._asked(path):
                # A text that was typed meanwhile is the one to be spoken of.
                while await asyncio.wrap_future(
                    self._server.worker.examined(path)
                ) != self._server.versions.get(path):
                    pass
            report = self._report(path)
        if report.result_id == params.previous_result_id:
            return types.RelatedUnchangedDocumentDiagnosticReport(report.result_id)
        return types.RelatedFullDocumentDiagnosticReport(report.diagnostics, result_id=report.result_id)

    async def _workspace(self, params: types.WorkspaceDiagnosticParams) -> types.WorkspaceDiagnosticReport:
        """Files without findings of which the client knows nothing are left out: these are most."""
        with self._asked(""):
            await asyncio.wrap_future(self._server.worker.at_rest())
        known = {path: (p.uri, p.value) for p in params.previous_result_ids if (path := path_of(p.uri))}
        items: list[types.WorkspaceDocumentDiagnosticReport] = []
        for path in sorted({*self._server.reports, *known}):
            report = self._report(path)
            result_id, version = report.result_id, self._server.versions.get(path)
            uri, previous = known.get(path, (self._server.uri_of(path), ""))
            if result_id == previous:
                items.append(types.WorkspaceUnchangedDocumentDiagnosticReport(uri, result_id, version))
            elif report.diagnostics or previous:
                items.append(
                    types.WorkspaceFullDocumentDiagnosticReport(
                        uri, report.diagnostics, version, result_id=result_id
                    )
                )
        return types.WorkspaceDiagnosticReport(items)

    async def refresh(self) -> None:
        """Nothing waits any more: have the client ask again when what it was given is not right."""
        stale = [path for path in self._server.reports if self._is_stale(path)]
        if stale:
            for path in stale:
                self._report(path)
            # A client that cannot after all asks when the text is edited again.
            with contextlib.suppress(JsonRpcException):
                await self._server.workspace_diagnostic_refresh_async(None)

    def _is_stale(self, path: str) -> bool:
        current = self._server.versions.get(path)
        version, result_id = self._given.get(path, (None, NOTHING.result_id))
        if current is not None and current != version:
            return False  # Whoever opens or edits a text asks of it.
        is_asked = self._asking[path] or (current is None and self._asking[""])
        return not is_asked and self._server.report_of(path).result_id != result_id

    def _report(self, path: str) -> Report:
        """What is to be shown of a file, from now on known to the client."""
        report = self._server.report_of(path)
        self._given[path] = (self._server.versions.get(path), report.result_id)
        return report

    @contextlib.contextmanager
    def _asked(self, path: str) -> Iterator[None]:
        self._asking[path] += 1
        try:
            yield
        finally:
            self._asking[path] -= 1
            if not self._asking[path]:
                del self._asking[path]
