"""An editor that talks to a server process, message by message, and what it shows."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lsprotocol import types
from pytest_lsp import LanguageClient, client_capabilities

ROOT = Path(__file__).resolve().parents[2]
LONGEST_WAIT = 60.0
"""Seconds; only a test that fails waits so long."""


class Editor:
    """Opens, edits and saves files of a folder, and remembers what the server says of them."""

    def __init__(self, client: LanguageClient, folder: Path) -> None:
        self.client = client
        self.folder = folder
        self.published: list[types.PublishDiagnosticsParams] = []
        self.messages: list[str] = []
        self.versions: dict[str, int] = {}
        self.texts: dict[str, str] = {}
        self.pulls = False
        """Whether the server wants to be asked for diagnostics."""
        self.refreshes = 0
        """How often the server said that diagnostics should be asked for again."""
        self._news = asyncio.Event()

        @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)  # type: ignore[untyped-decorator]
        def published(_: LanguageClient, params: types.PublishDiagnosticsParams) -> None:
            self.published.append(params)
            self._news.set()

        @client.feature(types.WINDOW_SHOW_MESSAGE)  # type: ignore[untyped-decorator]
        def message(_: LanguageClient, params: types.ShowMessageParams) -> None:
            self.messages.append(params.message)
            self._news.set()

        @client.feature(types.WORKSPACE_DIAGNOSTIC_REFRESH)  # type: ignore[untyped-decorator]
        def refresh(_: LanguageClient, params: None) -> None:
            self.refreshes += 1
            self._news.set()

        @client.feature(types.CLIENT_REGISTER_CAPABILITY)  # type: ignore[untyped-decorator]
        def register(_: LanguageClient, params: types.RegistrationParams) -> None:
            self.messages.append(f"registered {params.registrations[0].method}")
            self._news.set()

    def uri(self, name: str) -> str:
        return (self.folder / name).as_uri()

    def open(self, name: str, text: str | None = None) -> None:
        """Open a file with its text on disk, or with this one."""
        self.texts[name] = (self.folder / name).read_text() if text is None else text
        self.versions[name] = 1
        item = types.TextDocumentItem(self.uri(name), "python", 1, self.texts[name])
        self.client.text_document_did_open(types.DidOpenTextDocumentParams(item))

    def edit(self, name: str, text: str) -> int:
        """Replace the text of an open file, which is not saved; gives the new version."""
        self.texts[name] = text
        self.versions[name] += 1
        document = types.VersionedTextDocumentIdentifier(self.versions[name], self.uri(name))
        change = types.TextDocumentContentChangeWholeDocument(text)
        self.client.text_document_did_change(types.DidChangeTextDocumentParams(document, [change]))
        return self.versions[name]

    def save(self, name: str) -> None:
        (self.folder / name).write_text(self.texts[name])
        document = types.TextDocumentIdentifier(self.uri(name))
        self.client.text_document_did_save(types.DidSaveTextDocumentParams(document))

    def close(self, name: str) -> None:
        del self.versions[name], self.texts[name]
        document = types.TextDocumentIdentifier(self.uri(name))
        self.client.text_document_did_close(types.DidCloseTextDocumentParams(document))

    def changed_on_disk(self, name: str, kind: types.FileChangeType = types.FileChangeType.Changed) -> None:
        event = types.FileEvent(self.uri(name), kind)
        self.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))

    def last(self, name: str) -> types.PublishDiagnosticsParams | None:
        """What was published last of a file."""
        return next((p for p in reversed(self.published) if p.uri == self.uri(name)), None)

    def codes(self, name: str) -> list[str]:
        last = self.last(name)
        return [str(d.code) for d in last.diagnostics] if last is not None else []

    async def until(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds, looking again whenever the server has said something."""
        while not holds():
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), LONGEST_WAIT)

    async def diagnostics(self, name: str, version: int | None = None) -> list[types.Diagnostic]:
        """Of the text of this version (the current one)."""
        wanted = self.versions.get(name) if version is None else version
        await self.until(lambda: (last := self.last(name)) is not None and last.version == wanted)
        last = self.last(name)
        assert last is not None
        return list(last.diagnostics)

    async def pull(self, name: str, previous: str | None = None) -> types.DocumentDiagnosticReport:
        document = types.TextDocumentIdentifier(self.uri(name))
        params = types.DocumentDiagnosticParams(document, previous_result_id=previous)
        return await self.client.text_document_diagnostic_async(params)

    async def pull_all(
        self, previous: Mapping[str, str] | None = None
    ) -> dict[str, types.WorkspaceDocumentDiagnosticReport]:
        """By name of file; `previous` are the result ids that are known."""
        known = [types.PreviousResultId(self.uri(name), value) for name, value in (previous or {}).items()]
        answer = await self.client.workspace_diagnostic_async(types.WorkspaceDiagnosticParams(known))
        return {report.uri.removeprefix(f"{self.folder.as_uri()}/"): report for report in answer.items}

    async def actions(
        self, name: str, diagnostics: list[types.Diagnostic], only: list[str] | None = None
    ) -> list[types.CodeAction]:
        place = (
            diagnostics[0].range if diagnostics else types.Range(types.Position(0, 0), types.Position(0, 0))
        )
        context = types.CodeActionContext(diagnostics, only=only)
        document = types.TextDocumentIdentifier(self.uri(name))
        params = types.CodeActionParams(document, place, context)
        found = await self.client.text_document_code_action_async(params)
        return [action for action in found or () if isinstance(action, types.CodeAction)]

    async def apply(self, action: types.CodeAction) -> None:
        """What an editor does when an action is chosen, edits of one open file."""
        if action.edit is None:
            action = await self.client.code_action_resolve_async(action)
        assert action.edit is not None
        assert action.edit.document_changes is not None
        (change,) = action.edit.document_changes
        assert isinstance(change, types.TextDocumentEdit)
        (name,) = [name for name in self.versions if self.uri(name) == change.text_document.uri]
        assert change.text_document.version == self.versions[name]
        lines = [*self.texts[name].splitlines(keepends=True), ""]
        for edit in sorted(change.edits, key=lambda e: e.range.start.line, reverse=True):
            assert isinstance(edit, types.TextEdit)
            assert edit.range.start.character == edit.range.end.character == 0
            lines[edit.range.start.line : edit.range.end.line] = [edit.new_text]
        self.edit(name, "".join(lines))

    async def hover(self, name: str, line: int, character: int) -> str:
        """Markdown at a place that counts from 0."""
        document = types.TextDocumentIdentifier(self.uri(name))
        params = types.HoverParams(document, types.Position(line, character))
        shown = await self.client.text_document_hover_async(params)
        if shown is None:
            return ""
        assert isinstance(shown.contents, types.MarkupContent)
        return shown.contents.value

    async def hints(self, name: str) -> list[types.InlayHint]:
        whole = types.Range(types.Position(0, 0), types.Position(10_000, 0))
        params = types.InlayHintParams(types.TextDocumentIdentifier(self.uri(name)), whole)
        return list(await self.client.text_document_inlay_hint_async(params) or ())


@asynccontextmanager
async def editor(
    folder: Path, settings: Any = None, *, client: str = "visual-studio-code", pulls: bool = False
) -> AsyncIterator[Editor]:
    """A client that is like this one, connected to a new server over the folder.

    One that `pulls` is like those of today, which ask for diagnostics and can be told to ask again.
    """
    language_client = LanguageClient()
    opened = Editor(language_client, folder)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    await language_client.start_io(sys.executable, "-m", "qatlint", "server", "--stdio", env=environment)
    try:
        capabilities = client_capabilities(client)
        if pulls:
            assert capabilities.text_document is not None
            assert capabilities.workspace is not None
            capabilities.text_document.diagnostic = types.DiagnosticClientCapabilities()
            refresh = types.DiagnosticWorkspaceClientCapabilities(refresh_support=True)
            capabilities.workspace.diagnostics = refresh
        began = await language_client.initialize_session(
            types.InitializeParams(
                capabilities=capabilities,
                workspace_folders=[types.WorkspaceFolder(folder.as_uri(), folder.name)],
                root_uri=folder.as_uri(),
                initialization_options={"settings": {"debounce": 0, "isolated": True, **(settings or {})}},
            )
        )
        opened.pulls = began.capabilities.diagnostic_provider is not None
        yield opened
        await language_client.shutdown_session()
    finally:
        # A test that failed has not said goodbye, and the server would wait for it.
        process = language_client._server
        if process is not None and process.returncode is None:
            process.kill()
        await language_client.stop()  # type: ignore[no-untyped-call]
