"""The server as an editor meets it: a process, and messages in the order in which editors send them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("pytest_lsp")

from lsprotocol import types

from qatlint.config import Finder, Overrides
from qatlint.files import DiskLoader
from qatlint.finding import Finding
from qatlint.linting import Linter
from tests.lsp.editing import ROOT, Editor, editor

pytestmark = pytest.mark.asyncio

HEAD = "from torch import nn\n\n\n"
MODEL = """\
class {name}({base}):
    def __init__(self):
        super().__init__()
        self.{act} = {made}

    def forward(self, x):
        {before}return self.{act}(self.{act}(x))
"""


def model(
    name: str = "A", base: str = "nn.Module", act: str = "act", made: str = "nn.Sigmoid()", before: str = ""
) -> str:
    """A class that runs one module twice."""
    return MODEL.format(name=name, base=base, act=act, made=made, before=before)


async def test_what_is_typed_is_what_is_linted(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD)
    async with editor(tmp_path) as ed:
        ed.open("a.py")
        version = ed.edit("a.py", HEAD + model())
        (found,) = await ed.diagnostics("a.py", version)
        assert (found.code, found.source, found.severity) == (
            "QAT101",
            "qatlint",
            types.DiagnosticSeverity.Warning,
        )
        assert found.message.startswith("`act` (Sigmoid) runs twice in one forward")
        assert found.range == types.Range(types.Position(9, 15), types.Position(9, 36))
        related = found.related_information or ()
        assert [(r.location.uri, r.location.range.start.line) for r in related] == [
            (ed.uri("a.py"), 9),
            (ed.uri("a.py"), 6),
        ]
        assert found.code_description is not None
        assert found.code_description.href.endswith("/qat101_shared_module.py")
        assert await ed.diagnostics("a.py", ed.edit("a.py", HEAD)) == []
        assert (tmp_path / "a.py").read_text() == HEAD


async def test_columns_are_those_of_utf_16(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("")
    async with editor(tmp_path) as ed:
        ed.open("a.py", HEAD + model(before='"中文 😀"; '))
        (found,) = await ed.diagnostics("a.py")
        # Quotes, semicolon and blanks are six units, 中文 two, the emoji two.
        start = 8 + 1 + 2 + 1 + 2 + 1 + 2 + len("return ")
        assert found.range.start == types.Position(9, start)
        assert found.range.end == types.Position(9, start + len("self.act(self.act(x))"))
        assert "**shared**: ×2 in one forward of `A`" in await ed.hover("a.py", 9, start + 12)


async def test_what_depends_on_a_text_follows_it(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text(HEAD + "class Base(nn.Module):\n    pass\n")
    (tmp_path / "sub.py").write_text("from torch import nn\nfrom base import Base\n\n" + model(base="Base"))
    (tmp_path / "other.py").write_text(HEAD + model("Other"))
    async with editor(tmp_path) as ed:
        await ed.until(lambda: ed.codes("sub.py") and ed.codes("other.py"))
        ed.open("base.py")
        await ed.diagnostics("base.py")
        count = len(ed.published)
        ed.edit("base.py", "class Base:\n    pass\n")
        await ed.until(lambda: not ed.codes("sub.py"))
        assert ed.codes("other.py") == ["QAT101"]
        assert {p.uri for p in ed.published[count:]} == {ed.uri("base.py"), ed.uri("sub.py")}


async def test_a_syntax_error_keeps_the_findings_of_other_classes(tmp_path: Path) -> None:
    text = HEAD + model("A", act="a") + "\n\n" + model("B", act="b")
    (tmp_path / "a.py").write_text(text)
    async with editor(tmp_path) as ed:
        ed.open("a.py")
        assert [d.range.start.line for d in await ed.diagnostics("a.py")] == [9, 18]
        ed.edit("a.py", text.replace("return self.a(", "x = (\n        return self.a("))
        found = await ed.diagnostics("a.py")
        assert [(d.code, d.range.start.line) for d in found] == [
            ("QAT000", 9),
            ("QAT101", 10),
            ("QAT101", 19),
        ]


async def test_fixes_and_suppressions(tmp_path: Path) -> None:
    text = HEAD + model("A") + "\n\n" + model("B", made="nn.Linear(3, 3)") + "\n\n" + model("C")
    (tmp_path / "a.py").write_text(text)
    async with editor(tmp_path) as ed:
        ed.open("a.py")
        first, second, third = await ed.diagnostics("a.py")
        fix, ignore, fix_all = await ed.actions("a.py", [first])
        assert fix.title == "qatlint: give each call of `act` its own instance"
        assert (fix.kind, fix.is_preferred) == (types.CodeActionKind.QuickFix, True)
        assert ignore.title == "qatlint: ignore QAT101 here"
        assert fix_all.kind == "source.fixAll.qatlint"
        unsafe = (await ed.actions("a.py", [second]))[0]
        assert unsafe.title.startswith("qatlint: give each call of `act` its own instance (unsafe: ")
        assert unsafe.is_preferred is None

        await ed.apply(fix)
        assert "return self.act_1(self.act(x))" in ed.texts["a.py"].partition("class B")[0]
        assert ed.texts["a.py"].partition("class B")[2] == text.partition("class B")[2]
        second, third = await ed.diagnostics("a.py")
        await ed.apply((await ed.actions("a.py", [second]))[1])
        assert "# qatlint: ignore[QAT101] TODO: say why\n" in ed.texts["a.py"].partition("class B")[2]
        assert [d.range.start.line for d in await ed.diagnostics("a.py")] == [third.range.start.line]
        (fix_all,) = await ed.actions("a.py", [], only=["source.fixAll"])
        await ed.apply(fix_all)
        assert await ed.diagnostics("a.py") == []
        assert (tmp_path / "a.py").read_text() == text


async def test_an_action_on_a_text_that_has_changed_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD + model())
    async with editor(tmp_path) as ed:
        ed.open("a.py")
        found = await ed.diagnostics("a.py")
        fix = (await ed.actions("a.py", found))[0]
        ed.edit("a.py", "# one more line\n" + HEAD + model())
        assert (await ed.client.code_action_resolve_async(fix)).edit is None
        assert [a.title for a in await ed.actions("a.py", found, only=["refactor"])] == []


async def test_a_client_that_cannot_ask_again_gets_the_edits_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD + model())
    async with editor(tmp_path, client="emacs") as ed:
        ed.open("a.py")
        fix, ignore, _ = await ed.actions("a.py", await ed.diagnostics("a.py"))
        assert fix.edit is not None
        assert ignore.edit is not None


async def test_hover_and_hints(tmp_path: Path) -> None:
    loop = "class L(nn.Module):\n    def __init__(self):\n        super().__init__()\n        self.norm = nn.LayerNorm(4)\n"
    loop += "    def forward(self, x):\n        for i in range(6):\n            x = self.norm(x)  # qatlint: ignore[QAT101] why\n        return x\n"
    (tmp_path / "a.py").write_text(HEAD + loop)
    async with editor(tmp_path, {"inlayHints": True}) as ed:
        ed.open("a.py")
        assert await ed.diagnostics("a.py") == []
        for line, column in ((6, 12), (9, 18)):
            about = await ed.hover("a.py", line, column)
            assert about.startswith("`norm` — LayerNorm\n\n**shared**: ×6 in one forward of `L`\n")
            assert "* a.py:10 in `forward`, in a loop over `range(6)`" in about
        assert (await ed.hover("a.py", 9, 50)).startswith("# QAT101 shared-module")
        assert await ed.hover("a.py", 0, 0) == ""
        (hint,) = await ed.hints("a.py")
        assert (hint.label, hint.position) == ("×6", types.Position(9, 25))
        ed.client.workspace_did_change_configuration(
            types.DidChangeConfigurationParams({"qatlint": {"isolated": True, "debounce": 0}})
        )
        assert await ed.hints("a.py") == []


async def test_hover_shows_quant_states_through_other_files(tmp_path: Path) -> None:
    """The class is made by a model in another file, whose unsaved text says what it is given."""
    part = HEAD + model("Part")
    (tmp_path / "part.py").write_text(part)
    plugin = "from horizon_plugin_pytorch.quantization import QuantStub\nfrom part import Part\n" + HEAD
    whole = plugin + (
        "class Whole(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.part = Part()\n        self.quant = QuantStub()\n"
        "    def forward(self, x):\n        return self.part(self.quant(x))\n"
    )
    (tmp_path / "whole.py").write_text(whole)
    async with editor(tmp_path, {"isolated": True}) as ed:
        ed.open("part.py")
        about = await ed.hover("part.py", 9, 24)
        assert "\n\nquant state: quantised → quantised\n\n* part.py:10 in `forward`" in about
        ed.open("whole.py", whole.replace("self.quant(x))", "x) + self.quant(x)"))
        assert "\n\nquant state: float (input `x`) → float\n" in await ed.hover("part.py", 9, 24)


async def test_settings_of_files_and_of_the_client(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD + model())
    async with editor(tmp_path, {"isolated": False, "minSeverty": "note", "select": "QAT101"}) as ed:
        ed.open("a.py")
        await ed.diagnostics("a.py")
        assert ed.messages[:2] == [
            "qatlint: unknown setting `minSeverty`; did you mean `minSeverity`?",
            "qatlint: setting `select` must be a list of codes or names of rules",
        ]
        assert "registered workspace/didChangeWatchedFiles" in ed.messages
        (tmp_path / "qatlint.toml").write_text('ignore = ["QAT101"]\n')
        ed.changed_on_disk("qatlint.toml", types.FileChangeType.Created)
        await ed.until(lambda: ed.codes("a.py") == [])
        (tmp_path / "qatlint.toml").write_text("ignored = []\n")
        ed.changed_on_disk("qatlint.toml")
        await ed.until(lambda: ed.codes("a.py") == ["QAT101"])
        assert ed.messages[-1].endswith("qatlint.toml:1: unknown key `ignored`; did you mean `ignore`?")


async def test_files_come_and_go(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD + model())
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "b.py").write_text(HEAD + model())
    async with editor(tmp_path) as ed:
        await ed.until(lambda: ed.codes("a.py"))
        (tmp_path / "c.py").write_text(HEAD + model())
        ed.changed_on_disk("c.py", types.FileChangeType.Created)
        await ed.until(lambda: ed.codes("c.py"))
        (tmp_path / "c.py").unlink()
        ed.changed_on_disk("c.py", types.FileChangeType.Deleted)
        await ed.until(lambda: not ed.codes("c.py"))
        (tmp_path / "a.py").write_text(HEAD)
        ed.changed_on_disk("a.py")
        await ed.until(lambda: not ed.codes("a.py"))
        ed.open("new.py", HEAD + model())  # not saved yet
        assert len(await ed.diagnostics("new.py")) == 1
        ed.close("new.py")
        await ed.until(lambda: not ed.codes("new.py"))
        ed.open(os.path.join("build", "b.py"))  # left out by the settings
        ed.open("d.py", "x = 1\n" + HEAD + model())
        await ed.diagnostics("d.py")
        assert ed.last(os.path.join("build", "b.py")) is None


async def test_a_text_that_is_typed_over_is_never_examined(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(HEAD)
    async with editor(tmp_path, {"debounce": 300}) as ed:
        ed.open("a.py")
        for number in range(50):
            ed.edit("a.py", HEAD + model() + f"# {number}\n")
        await ed.diagnostics("a.py")
        assert len([p for p in ed.published if p.uri == ed.uri("a.py")]) <= 3
        ed.edit("a.py", HEAD + model() + "# more\n")
        ed.save("a.py")  # nobody waits after this
        await ed.diagnostics("a.py")


def found_by_a_new_run(folder: Path, texts: dict[str, str]) -> set[tuple[str, str, int, str]]:
    """What the command finds once everything is saved."""
    for name, text in texts.items():
        (folder / name).write_text(text)
    linter = Linter(Finder(Overrides(), isolated=True))
    found = linter.check([str(folder / name) for name in sorted(texts)], DiskLoader())
    return {_told(f) for f in found if linter.is_shown(f)}


def _told(finding: Finding) -> tuple[str, str, int, str]:
    return Path(finding.span.path).name, finding.code, finding.span.line, finding.message


def shown(ed: Editor, names: list[str]) -> set[tuple[str, str, int, str]]:
    """What the editor shows."""
    return {
        (name, str(d.code), d.range.start.line + 1, d.message.partition("\n")[0])
        for name in names
        if (last := ed.last(name)) is not None
        for d in last.diagnostics
    }


def _resident(pid: int) -> int:
    """Pages of memory that a process holds; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return 0


async def test_a_thousand_edits(tmp_path: Path) -> None:
    """In 3,000 lines over 20 files that import each other: nothing breaks, nothing grows, nothing is stale."""
    chance = random.Random(7)
    names = [f"m{number}.py" for number in range(20)]

    def text_of(number: int) -> str:
        above = chance.randrange(number) if number else None
        lines = [HEAD, f"from m{above} import C{above}\n\n" if above is not None else ""]
        for part in range(17):
            name = f"C{number}" if part == 0 else f"C{number}_{part}"
            base = f"C{above}" if above is not None and part == 0 else "nn.Module"
            made = chance.choice(["nn.Sigmoid()", "nn.Conv2d(1, 1, 1)", "nn.Dropout()", "None"])
            lines.append("\n\n" + model(name, base, chance.choice(["a", "b"]), made))
        return "".join(lines)

    texts = {name: text_of(number) for number, name in enumerate(names)}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    assert sum(text.count("\n") for text in texts.values()) > 3000
    async with editor(tmp_path) as ed:
        for name in names:
            ed.open(name)
        process = ed.client._server
        assert process is not None
        memory = 0
        for number in range(1000):
            name = chance.choice(names)
            text = ed.texts[name]
            kind = chance.randrange(4)
            if kind == 0:
                text = text_of(names.index(name))
            elif kind == 1:
                at = chance.randrange(len(text))
                text = (
                    text[:at] + chance.choice(["(", "\n", "中😀", "    ", "class", "\f", "\r\n"]) + text[at:]
                )
            elif kind == 2:
                at = chance.randrange(len(text))
                text = text[:at] + text[at + chance.randrange(30) :]
            else:
                text = text.replace("Sigmoid", "Dropout", chance.randrange(3))
            ed.edit(name, text)
            if number % 50 == 0:
                await ed.diagnostics(name)
            if number == 500:
                # All of it is examined, so that what is held from here on is the same again and again.
                await ed.diagnostics(name)
                memory = _resident(process.pid)
        for number, name in enumerate(names):
            ed.edit(name, text_of(number))
        for name in names:
            await ed.diagnostics(name)
        right = found_by_a_new_run(tmp_path, ed.texts)
        await ed.until(lambda: shown(ed, names) == right)
        assert len(right) > 50
        assert _resident(process.pid) < 1.5 * memory + 5_000
        assert not [message for message in ed.messages if "error" in message]


async def test_a_server_without_an_editor_ends(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qatlint", "server"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
        check=False,
    )
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr
