"""The server: what a client says goes to the worker, what the worker finds goes to the client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.protocol import LanguageServerProtocol

import qatlint
from qatlint.files import DiskLoader
from qatlint.lsp import actions, options, pulling, showing
from qatlint.lsp.diagnostics import SOURCE, diagnostic, path_of, uri_of
from qatlint.lsp.options import Options
from qatlint.lsp.places import Encoding, Places, lines_of
from qatlint.lsp.project import Project, Setup
from qatlint.lsp.pulling import NOTHING, Pulling, Report
from qatlint.lsp.texts import Texts
from qatlint.lsp.worker import Shown, Worker
from qatlint.static.source import Unreadable, decode

T = TypeVar("T")

SETTINGS_FILES = ("pyproject.toml", "qatlint.toml", ".gitignore")


class Protocol(LanguageServerProtocol):
    """That of pygls, which would keep what it made for every text that was opened, changed or saved."""

    def _check_handler_result(self, future: Future[Any]) -> None:
        super()._check_handler_result(future)
        for number, known in list(self._request_futures.items()):
            if known is future:
                del self._request_futures[number]


class Server(LanguageServer):
    """Diagnostics, code actions, hover and inlay hints over standard input and output."""

    def __init__(self) -> None:
        # Whole texts: they are small beside what is done with them, and a text cannot get out of step.
        super().__init__(SOURCE, qatlint.__version__, types.TextDocumentSyncKind.Full, protocol_cls=Protocol)
        self.options = Options()
        self.early_problems: list[str] = []
        """What was wrong with the settings, before anything could be told."""
        self.folders: list[str] = []
        self.texts = Texts(DiskLoader())
        """As the client has them. The worker takes its own over when it gets to them."""
        self.versions: dict[str, int] = {}
        self.reports: dict[str, Report] = {}
        self.pulling: Pulling | None = None
        """Of a client that asks for diagnostics; others are sent them."""
        self.uris: dict[str, str] = {}
        """By path: what the client calls an open file."""
        self.worker = Worker(Texts(DiskLoader()), self._show, self._complain, self._at_rest)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Future[None]] = set()
        # One at a time: two fixes of one text would not go together.
        self._fixing = ThreadPoolExecutor(1, "qatlint-fix")

    # --- from the worker's thread --------------------------------------------------------------------

    def _show(self, fresh: list[Shown]) -> None:
        known: dict[str, Places] = {}
        texts = self.worker.texts

        def places_of(path: str) -> Places:
            if path not in known:
                known[path] = Places(_lines(texts, path), self.encoding)
            return known[path]

        ready = {one.path: Report(*one[1:], self._diagnostics(one, places_of)) for one in fresh}
        self._from_thread(lambda: self._take(ready))

    def _at_rest(self) -> None:
        if self.pulling is not None:
            refresh = self.pulling.refresh
            self._from_thread(lambda: self.begin_task(refresh()))

    def _complain(self, text: str) -> None:
        self._from_thread(lambda: self.complain(text))

    def _from_thread(self, call: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)

    # --- from the loop's thread ----------------------------------------------------------------------

    @property
    def encoding(self) -> Encoding:
        """The units the client counts columns in."""
        return self.protocol.workspace.position_encoding or types.PositionEncodingKind.Utf16

    def begin(self) -> None:
        """The client is ready."""
        self._loop = asyncio.get_running_loop()
        self.worker.start(self.setup)

    @property
    def setup(self) -> Setup:
        return Setup(tuple(self.folders), self.options)

    def take_settings(self, values: object) -> None:
        """Settings of the client; wrong ones are told and left out."""
        self.options, problems = options.read(values)
        for problem in problems:
            self.complain(problem)

    def begin_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside everything else."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)  # The loop itself would let it be collected.
        task.add_done_callback(self._tasks.discard)

    def complain(self, text: str) -> None:
        """Tell the person in front of the editor."""
        self.window_show_message(types.ShowMessageParams(types.MessageType.Warning, f"{SOURCE}: {text}"))

    def take_text(self, uri: str, text: str, version: int, *, wait: float) -> None:
        """An open file has this text."""
        path = path_of(uri)
        if path is not None:
            self.uris[path] = uri
            self.versions[path] = version
            self.texts.put(path, text)
            self.worker.edit(path, text, version, wait=wait)

    def close(self, uri: str) -> None:
        """A file is closed: what is on the disk counts again."""
        path = path_of(uri)
        if path is not None:
            self.uris.pop(path, None)
            self.versions.pop(path, None)
            self.texts.put(path, None)
            self.worker.edit(path, None, None)

    async def ask(self, question: Callable[[Project], T]) -> T:
        """The worker's answer; a question that is cancelled is never put."""
        return await asyncio.wrap_future(self.worker.ask(question))

    async def in_other_thread(self, work: Callable[[], T]) -> T:
        """The result of work that would hold up everything else."""
        return await asyncio.get_running_loop().run_in_executor(self._fixing, work)

    def uri_of(self, path: str) -> str:
        """What the client calls a file."""
        return self.uris.get(path) or uri_of(path)

    def places(self, path: str) -> Places:
        """Places in a text as the client has it."""
        return Places(_lines(self.texts, path), self.encoding)

    def _diagnostics(self, one: Shown, places_of: Callable[[str], Places]) -> list[types.Diagnostic]:
        capabilities = self.client_capabilities.text_document
        published = capabilities.publish_diagnostics if capabilities is not None else None
        asked = capabilities.diagnostic if capabilities is not None else None
        related = any(way is not None and way.related_information for way in (published, asked))
        return [
            diagnostic(finding, places_of, related=related, language=self.options.language)
            for finding in one.findings
        ]

    def _take(self, ready: Mapping[str, Report]) -> None:
        for path, report in ready.items():
            if report.version != self.versions.get(path):
                continue  # The next text is on its way to the worker.
            self.reports[path] = report
            if self.pulling is None:
                diagnostics = self.report_of(path).diagnostics
                self.text_document_publish_diagnostics(
                    types.PublishDiagnosticsParams(self.uri_of(path), diagnostics, report.version)
                )

    def report_of(self, path: str) -> Report:
        """What the client is to show of a file."""
        if self.options.open_files_only and path not in self.versions:
            return NOTHING
        return self.reports.get(path, NOTHING)


def _lines(texts: Texts, path: str) -> list[str]:
    try:
        return lines_of(decode(texts.read(path)))
    except (Unreadable, OSError):
        return []


def create() -> Server:
    """A server with all its features, not started."""
    server = Server()

    @server.feature(types.INITIALIZE)
    def initialize(ls: Server, params: types.InitializeParams) -> None:
        folders = [folder.uri for folder in params.workspace_folders or ()]
        if not folders and params.root_uri:
            folders = [params.root_uri]
        ls.folders = [path for path in map(path_of, folders) if path is not None]
        given = params.initialization_options
        if isinstance(given, Mapping) and "settings" in given:
            given = given["settings"]
        ls.options, ls.early_problems = options.read(given)
        if pulling.is_supported(params.capabilities):
            ls.pulling = Pulling(ls)

    @server.feature(types.INITIALIZED)
    async def initialized(ls: Server, _: types.InitializedParams) -> None:
        for problem in ls.early_problems:
            ls.complain(problem)
        ls.begin()
        capabilities = ls.client_capabilities.workspace
        watched = capabilities.did_change_watched_files if capabilities is not None else None
        if watched is not None and watched.dynamic_registration:
            patterns = ("**/*.py", *(f"**/{name}" for name in SETTINGS_FILES))
            watchers = [types.FileSystemWatcher(pattern) for pattern in patterns]
            register = types.DidChangeWatchedFilesRegistrationOptions(watchers)
            registration = types.Registration("watch", types.WORKSPACE_DID_CHANGE_WATCHED_FILES, register)
            # A client that cannot after all is one that saves files and opens others, which is enough.
            with contextlib.suppress(JsonRpcException):
                await ls.client_register_capability_async(types.RegistrationParams([registration]))

    @server.feature(types.SHUTDOWN)
    def shutdown(ls: Server, _: None) -> None:
        ls.worker.end()

    @server.feature(types.TEXT_DOCUMENT_DID_OPEN)
    def did_open(ls: Server, params: types.DidOpenTextDocumentParams) -> None:
        opened = params.text_document
        ls.take_text(opened.uri, opened.text, opened.version, wait=0)

    @server.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    def did_change(ls: Server, params: types.DidChangeTextDocumentParams) -> None:
        if params.content_changes:
            changed = params.text_document
            text = params.content_changes[-1].text
            ls.take_text(changed.uri, text, changed.version, wait=ls.options.debounce)

    @server.feature(types.TEXT_DOCUMENT_DID_SAVE)
    def did_save(ls: Server, params: types.DidSaveTextDocumentParams) -> None:
        path = path_of(params.text_document.uri)
        if path is None:
            return
        if os.path.basename(path) in SETTINGS_FILES:
            ls.worker.set_up()
        elif path in ls.versions:
            ls.worker.hurry(path)
        else:
            ls.worker.touch(path)

    @server.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def did_close(ls: Server, params: types.DidCloseTextDocumentParams) -> None:
        ls.close(params.text_document.uri)

    @server.feature(types.WORKSPACE_DID_CHANGE_WATCHED_FILES)
    def did_change_files(ls: Server, params: types.DidChangeWatchedFilesParams) -> None:
        for change in params.changes:
            path = path_of(change.uri)
            if path is None:
                continue
            if os.path.basename(path) in SETTINGS_FILES or change.type != types.FileChangeType.Changed:
                ls.worker.set_up()
            elif path not in ls.versions:
                ls.worker.touch(path)

    @server.feature(types.WORKSPACE_DID_CHANGE_CONFIGURATION)
    def did_change_configuration(ls: Server, params: types.DidChangeConfigurationParams) -> None:
        values = params.settings
        if isinstance(values, Mapping) and SOURCE in values:
            values = values[SOURCE]
        if values is not None:
            ls.take_settings(values)
            ls.worker.set_up(ls.setup)

    @server.feature(types.WORKSPACE_DID_CHANGE_WORKSPACE_FOLDERS)
    def did_change_folders(ls: Server, params: types.DidChangeWorkspaceFoldersParams) -> None:
        gone = {path_of(folder.uri) for folder in params.event.removed}
        new = [path_of(folder.uri) for folder in params.event.added]
        kept = [folder for folder in ls.folders if folder not in gone]
        ls.folders = list(dict.fromkeys([*kept, *(path for path in new if path is not None)]))
        ls.worker.set_up(ls.setup)

    @server.feature(
        types.TEXT_DOCUMENT_CODE_ACTION,
        types.CodeActionOptions(code_action_kinds=actions.KINDS, resolve_provider=True),
    )
    async def code_action(ls: Server, params: types.CodeActionParams) -> list[types.CodeAction]:
        path = path_of(params.text_document.uri)
        report = ls.reports.get(path) if path is not None else None
        if path is None or report is None or report.version != ls.versions.get(path):
            return []
        only = [str(getattr(kind, "value", kind)) for kind in params.context.only or ()]
        found = actions.offered(path, report.version, report.findings, params.context.diagnostics, only)
        if _resolves_edits(ls):
            return found
        return [action for action in [await _resolved(ls, action) for action in found] if action.edit]

    @server.feature(types.CODE_ACTION_RESOLVE)
    async def code_action_resolve(ls: Server, action: types.CodeAction) -> types.CodeAction:
        return await _resolved(ls, action)

    @server.feature(types.TEXT_DOCUMENT_HOVER)
    async def hover(ls: Server, params: types.HoverParams) -> types.Hover | None:
        path = path_of(params.text_document.uri)
        if path is None:
            return None
        lines = _lines(ls.texts, path)
        line, column = Places(lines, ls.encoding).character(params.position)
        text = lines[line - 1] if line <= len(lines) else ""
        shown = showing.code_at(text, column, ls.options.language)
        if shown is None:
            shown = await ls.ask(
                lambda project: showing.module_at(project.traces(path), path, line, column, text)
            )
        return types.Hover(types.MarkupContent(types.MarkupKind.Markdown, shown)) if shown else None

    @server.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    async def inlay_hint(ls: Server, params: types.InlayHintParams) -> list[types.InlayHint]:
        path = path_of(params.text_document.uri)
        if path is None or not ls.options.inlay_hints:
            return []
        first, last = params.range.start.line + 1, params.range.end.line + 1
        places = ls.places(path)
        return await ls.ask(lambda project: showing.hints(project.traces(path), path, first, last, places))

    return server


def _resolves_edits(ls: Server) -> bool:
    """Whether the client asks for the edits of an action when it is chosen."""
    capabilities = ls.client_capabilities.text_document
    action = capabilities.code_action if capabilities is not None else None
    support = action.resolve_support if action is not None else None
    return support is not None and "edit" in support.properties


async def _resolved(ls: Server, action: types.CodeAction) -> types.CodeAction:
    """The action with its edits; without, when the text has changed since, or nothing could be done."""
    data: Any = action.data
    if not isinstance(data, Mapping) or action.edit is not None:
        return action
    path = str(data.get("path"))
    version = ls.versions.get(path)
    report = ls.reports.get(path)
    if report is None or data.get("version") != version or report.version != version:
        return action
    old = ls.texts.copy()
    project = await ls.ask(lambda project: project.still())
    texts = await ls.in_other_thread(lambda: actions.carried_out(data, project, report.findings))
    if ls.versions.get(path) != version:
        return action
    documents: list[Any] = []
    for other, new in texts.items():
        changed = actions.text_edits(old.read(other), new, ls.encoding)
        documents.append((ls.uri_of(other), ls.versions.get(other), changed))
    if not any(changed for _, _, changed in documents):
        return action
    action.edit = _workspace_edit(ls, documents)
    return action


def _workspace_edit(
    ls: Server, documents: list[tuple[str, int | None, list[types.TextEdit]]]
) -> types.WorkspaceEdit:
    """Edits that hold for these versions only, where the client knows such."""
    capabilities = ls.client_capabilities.workspace
    support = capabilities.workspace_edit if capabilities is not None else None
    if support is None or not support.document_changes:
        return types.WorkspaceEdit(changes={uri: changed for uri, _, changed in documents})
    return types.WorkspaceEdit(
        document_changes=[
            types.TextDocumentEdit(types.OptionalVersionedTextDocumentIdentifier(uri, version), list(changed))
            for uri, version, changed in documents
        ]
    )


def serve() -> None:
    """Serve one client over standard input and output, until it says goodbye or goes away."""
    # What anything prints must not get between the messages, so they have a stream of their own.
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    create().start_io(stdout=ours)
