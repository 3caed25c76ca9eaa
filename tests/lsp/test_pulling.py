"""Diagnostics that a client asks for: of one text, of all files, and when it is told to ask again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

pytest.importorskip("pytest_lsp")

from lsprotocol import types

from tests.lsp.editing import Editor, editor
from tests.lsp.test_server import HEAD, model

pytestmark = pytest.mark.asyncio


def full(report: object) -> list[int]:
    """The lines of the findings of a report that is a full one."""
    kinds = (types.RelatedFullDocumentDiagnosticReport, types.WorkspaceFullDocumentDiagnosticReport)
    assert isinstance(report, kinds)
    assert report.result_id
    return [item.range.start.line + 1 for item in report.items]


def id_of(report: types.DocumentDiagnosticReport | types.WorkspaceDocumentDiagnosticReport) -> str:
    assert report.result_id is not None
    return report.result_id


async def test_what_is_typed_is_what_is_told_and_nothing_is_sent_unasked(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD)
    (tmp_path / "b.py").write_text(HEAD + model())
    async with editor(tmp_path, {"debounce": 10_000}, pulls=True) as ed:
        ed.open("a.py")
        assert full(await ed.pull("a.py")) == []
        ed.edit("a.py", HEAD + model())  # who asks need not wait until nobody types
        assert full(await ed.pull("a.py")) == [10]
        ed.edit("a.py", "# one more line\n" + HEAD + model())
        assert full(await ed.pull("a.py")) == [11]
        assert full((await ed.pull_all())["b.py"]) == [10]
        assert ed.published == []


async def test_what_is_known_is_not_told_again(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD + model())
    async with editor(tmp_path, pulls=True) as ed:
        ed.open("a.py")
        first = await ed.pull("a.py")
        again = await ed.pull("a.py", id_of(first))
        assert isinstance(again, types.RelatedUnchangedDocumentDiagnosticReport)
        ed.edit("a.py", HEAD + model() + "# at the end\n")
        assert isinstance(await ed.pull("a.py", id_of(again)), type(again))
        ed.edit("a.py", '"中 😀"; ' + HEAD + model())
        assert isinstance(await ed.pull("a.py", id_of(again)), type(again))
        ed.edit("a.py", HEAD + model(before='"中 😀"; '))
        assert full(await ed.pull("a.py", id_of(again))) == [10]


async def test_all_files(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD + model())
    (tmp_path / "clean.py").write_text(HEAD)
    (tmp_path / "b c.py").write_text(HEAD + model())
    async with editor(tmp_path, pulls=True) as ed:
        found = await ed.pull_all()
        assert sorted(found) == ["a.py", "b%20c.py"]
        ed.open("a.py", HEAD)
        (tmp_path / "b c.py").unlink()
        ed.changed_on_disk("b c.py", types.FileChangeType.Deleted)
        (tmp_path / "new.py").write_text(HEAD + model())
        ed.changed_on_disk("new.py", types.FileChangeType.Created)
        known = {"a.py": id_of(found["a.py"]), "b c.py": id_of(found["b%20c.py"])}
        after = await ed.pull_all(known)
        assert {name: full(report) for name, report in after.items()} == {
            "a.py": [],
            "b%20c.py": [],
            "new.py": [10],
        }
        assert after["a.py"].version == 1
        ids = {"a.py": id_of(after["a.py"]), "new.py": id_of(after["new.py"])}
        last = await ed.pull_all(ids)
        assert {type(report) for report in last.values()} == {
            types.WorkspaceUnchangedDocumentDiagnosticReport
        }


async def test_a_client_is_told_to_ask_again_when_another_file_was_edited(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text(HEAD + "class Base(nn.Module):\n    pass\n")
    (tmp_path / "sub.py").write_text("from torch import nn\nfrom base import Base\n\n" + model(base="Base"))
    async with editor(tmp_path, pulls=True) as ed:
        ed.open("base.py")
        ed.open("sub.py")
        sub = await ed.pull("sub.py")
        assert full(sub) == [10]
        assert full(await ed.pull("base.py")) == []
        told = await settled(ed)
        ed.edit("base.py", "class Base:\n    pass\n")
        assert full(await ed.pull("base.py")) == []
        await ed.until(lambda: ed.refreshes == told + 1)
        assert full(await ed.pull("sub.py", id_of(sub))) == []
        # Its own edit is no reason: the client asks of that text anyway.
        ed.edit("sub.py", HEAD + model())
        assert full(await ed.pull("sub.py")) == [10]
        assert await settled(ed) == told + 1


async def settled(ed: Editor) -> int:
    """How often the client was told, once nothing waits any more."""
    await ed.pull_all()
    await asyncio.sleep(0.1)
    return ed.refreshes


async def test_settings_that_change_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD + model())
    (tmp_path / "b.py").write_text(HEAD + model())
    async with editor(tmp_path, pulls=True) as ed:
        ed.open("a.py")
        await ed.pull("a.py")
        told = await settled(ed)
        settings = {"isolated": True, "debounce": 0, "ignore": ["QAT101"]}
        change = types.DidChangeConfigurationParams({"qatlint": settings})
        ed.client.workspace_did_change_configuration(change)
        await ed.until(lambda: ed.refreshes == told + 1)
        assert full(await ed.pull("a.py")) == []
        assert await ed.pull_all() == {}
        settings = {"isolated": True, "debounce": 0, "openFilesOnly": True}
        ed.client.workspace_did_change_configuration(
            types.DidChangeConfigurationParams({"qatlint": settings})
        )
        await ed.until(lambda: ed.refreshes == told + 2)
        assert list(await ed.pull_all()) == ["a.py"]


async def test_a_question_that_is_cancelled_leaves_the_others_alone(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD + model())
    async with editor(tmp_path, pulls=True) as ed:
        ed.open("a.py")
        params = types.DocumentDiagnosticParams(types.TextDocumentIdentifier(ed.uri("a.py")))
        for number in range(30):
            ed.edit("a.py", HEAD + model() + f"# {number}\n")
            request = ed.client.protocol.send_request(types.TEXT_DOCUMENT_DIAGNOSTIC, params)
            (message_id,) = [
                key for key, future in ed.client.protocol._request_futures.items() if future is request
            ]
            ed.client.cancel_request(types.CancelParams(message_id))
        assert full(await ed.pull("a.py")) == [10]


async def test_a_client_that_cannot_be_told_is_sent_diagnostics(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD + model())
    async with editor(tmp_path, client="neovim") as ed:
        assert not ed.pulls
        ed.open("a.py")
        assert len(await ed.diagnostics("a.py")) == 1


async def test_files_that_are_not_linted_have_none(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "a.py").write_text(HEAD + model())
    async with editor(tmp_path, pulls=True) as ed:
        ed.open("build/a.py")
        assert full(await ed.pull("build/a.py")) == []
        params = types.DocumentDiagnosticParams(types.TextDocumentIdentifier("untitled:Untitled-1"))
        assert full(await ed.client.text_document_diagnostic_async(params)) == []
