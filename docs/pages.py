"""Pages that MkDocs makes from what is written elsewhere, and the navigation.

The rules are documented in their own files, in English and Chinese; README, ARCHITECTURE, CONTRIBUTING and
CHANGELOG stand at the root, where people look for them. Nothing is written twice, so nothing differs.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from qatlint import catalogue  # noqa: E402
from qatlint.explaining import LANGUAGES, doc_of, page_of, severity_in  # noqa: E402

MOVED = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""File at the root -> page."""

_LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")

_LISTS = {
    "en": ("Rules", "| rule | severity | fix | |\n|---|---|---|---|", "yes", "no"),
    "zh": ("规则", "| 规则 | 级别 | 自动修复 | |\n|---|---|---|---|", "有", "无"),
}
"""Language -> title of the list of rules, head of its table, and what it says of a fix."""


def on_config(config: Any) -> Any:
    """The navigation: a new rule is in it because it is there."""
    rules = {
        language: [{entry.code: _page(entry, language)} for entry in catalogue.entries()]
        for language in LANGUAGES
    }
    config.nav = [
        {"qatlint": "index.md"},
        {"Guides": _written("")},
        {"Rules": ["rules/index.md", *rules["en"]]},
        {"中文": [*_written("zh/"), "zh/rules/index.md", *rules["zh"]]},
        {"Project": ["architecture.md", "contributing.md", "changelog.md"]},
    ]
    return config


def _written(folder: str) -> list[str]:
    """The pages that are files of this folder."""
    return [folder + path.name for path in sorted((ROOT / "docs" / folder).glob("*.md"))]


def on_files(files: Files, config: Any) -> Files:
    """Add the pages."""
    for path, text in pages():
        files.append(File.generated(config, path, content=text))
    return files


def pages() -> Iterator[tuple[str, str]]:
    """(page, its text) of all pages that are made."""
    for name, page in MOVED.items():
        yield page, _LINK.sub(_moved, (ROOT / name).read_text(encoding="utf-8"))
    for language in LANGUAGES:
        yield _place("index.md", language), _list(language)
        for entry in catalogue.entries():
            yield _page(entry, language), page_of(entry, language) + "\n"


def _page(entry: catalogue.Entry, language: str) -> str:
    return _place(f"{entry.code}.md", language)


def _place(name: str, language: str) -> str:
    return f"rules/{name}" if language == "en" else f"{language}/rules/{name}"


def _list(language: str) -> str:
    title, head, fixable, not_fixable = _LISTS[language]
    rows = [
        f"| [{entry.code}]({entry.code}.md) `{entry.name}` | {severity_in(language, entry.severity)} "
        f"| {fixable if entry.fixable else not_fixable} | {doc_of(entry, language).partition(chr(10))[0]} |"
        for entry in catalogue.entries()
    ]
    return "\n".join([f"# {title}", "", head, *rows, ""])


def _moved(link: re.Match[str]) -> str:
    """A link of a file at the root, from the page that it became."""
    target = posixpath.normpath(link[2]) if "://" not in link[2] else link[2]
    return link[1] + MOVED.get(target, target.removeprefix("docs/")) + link[3]
