"""The documentation in Chinese: there for every rule, built like the English one, with the same code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qatlint import catalogue
from qatlint.catalogue import Entry
from qatlint.cli.run import run as main
from qatlint.explaining import HEADINGS_IN_CHINESE, doc_of, page_of, path_in_chinese, preferred
from qatlint.report.markdown import render
from qatlint.report.style import Style
from qatlint.report.width import text_width
from qatlint.rule import HEADINGS

ENTRIES = catalogue.entries()
each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.code)

CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
WIDE = re.compile(r"[\u4e00-\u9fff]")


def headings(doc: str) -> list[str]:
    return re.findall(r"^## +(.+?) *$", CODE.sub("", doc), flags=re.MULTILINE)


def literals(doc: str) -> set[str]:
    """What is written as code in prose and holds a name of Python or of a file."""
    return set(re.findall(r"`([^`\n]+)`", CODE.sub("", doc)))


@each_entry
def test_it_is_there(entry: Entry) -> None:
    assert Path(path_in_chinese(entry)).is_file(), f"write {path_in_chinese(entry)}"
    assert WIDE.search(doc_of(entry, "zh"))


def test_no_text_is_left_over() -> None:
    there = set(Path(path_in_chinese(ENTRIES[0])).parent.iterdir())
    assert there == {Path(path_in_chinese(entry)) for entry in ENTRIES}


def test_every_heading_has_its_chinese() -> None:
    assert set(HEADINGS) == set(HEADINGS_IN_CHINESE)


@each_entry
def test_headings_are_the_same(entry: Entry) -> None:
    assert headings(doc_of(entry, "zh")) == [HEADINGS_IN_CHINESE[name] for name in headings(entry.doc)]


@each_entry
def test_the_code_is_the_same(entry: Entry) -> None:
    assert CODE.findall(doc_of(entry, "zh")) == CODE.findall(entry.doc)


@each_entry
def test_no_name_of_the_english_text_is_lost(entry: Entry) -> None:
    """What stands in backticks is code: it has no translation."""
    assert literals(entry.doc) - literals(doc_of(entry, "zh")) == set()


@each_entry
def test_the_form_of_the_text(entry: Entry) -> None:
    """A summary that ends, paragraphs on one line (a line end would become a space), Chinese marks."""
    doc = doc_of(entry, "zh")
    summary, _, rest = doc.partition("\n")
    assert summary.endswith("。") and text_width(summary) <= 100 and rest.startswith("\n")
    prose = CODE.sub("", doc)
    paragraphs = [text for text in prose.split("\n\n") if text.strip()]
    assert [
        text for text in paragraphs if "\n" in text.strip() and not text.lstrip().startswith(("*", "-"))
    ] == []
    spoken = re.sub(r"`[^`]*`|\"[^\"]*\"", "", prose)
    assert re.findall(r"[\u4e00-\u9fff][,;:?!()]|[,;:?!()][\u4e00-\u9fff]", spoken) == []
    assert all(WIDE.search(text) for text in paragraphs)


@each_entry
@pytest.mark.parametrize("width", [24, 40, 80])
@pytest.mark.parametrize("colour", [False, True])
def test_it_fits_a_terminal(entry: Entry, width: int, colour: bool) -> None:
    shown = re.sub(r"\x1b\[[0-9;]*m", "", render(page_of(entry, "zh"), Style(colour, width)))
    for code in re.findall(r"```python\n(.*?)```", entry.doc, re.DOTALL):
        assert code.rstrip() in shown
        shown = shown.replace(code.rstrip(), "")
    words = [line for line in shown.splitlines() if text_width(line) > width]
    assert [line for line in words if WIDE.search(line)] == []
    assert not [line for line in shown.splitlines() if line[:1] and line[0] in "，。、；：）”》"]
    assert re.findall(WIDE, shown) == re.findall(WIDE, page_of(entry, "zh"))


@pytest.mark.parametrize(
    ("environment", "encoding", "expected"),
    [
        ({}, "utf-8", "en"),
        ({"LANG": "zh_CN.UTF-8"}, "utf-8", "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "ascii", "en"),
        ({"LANG": "zh_CN.GB18030"}, "gb18030", "zh"),
        ({"LANG": "zh_CN.UTF-8"}, None, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, "utf-8", "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_TW.UTF-8"}, "utf-8", "zh"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "utf-8", "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh"}, "utf-8", "en"),
        ({"LANG": "fr_FR.UTF-8", "LANGUAGE": "fr:zh:en"}, "utf-8", "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "fr"}, "utf-8", "en"),
        ({"LC_ALL": "C.UTF-8", "LANG": "zh_CN.UTF-8", "LANGUAGE": "zh"}, "utf-8", "en"),
    ],
)
def test_the_locale_chooses(environment: dict[str, str], encoding: str | None, expected: str) -> None:
    assert preferred(environment, encoding) == expected


def test_explain_speaks_both(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["explain", "QAT101", "--lang", "zh"]) == 0
    assert capsys.readouterr().out.startswith("# QAT101 shared-module\n\n*错误，可自动修复，自 0.1.0 起*\n")
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert main(["explain", "unused-module"]) == 0
    assert "## 检查内容" in capsys.readouterr().out
    assert main(["explain", "unused-module", "--lang", "en"]) == 0
    assert "## What it flags" in capsys.readouterr().out
    assert main(["explain", "QAT101", "--lang", "de"]) == 2


def test_a_rule_without_chinese_is_explained_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qatlint.explaining.path_in_chinese", lambda entry: "gone.md")
    assert doc_of(ENTRIES[0], "zh") == ENTRIES[0].doc.strip()
