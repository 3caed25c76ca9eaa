"""The documentation of a rule in the languages there are.

English is the docstring of the rule's file, Chinese the file `zh/` has beside it: the engineers who use the
toolchain read Chinese first. `tests/test_languages.py` keeps the two alike.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping

from qatlint.catalogue import Entry
from qatlint.finding import Severity

LANGUAGES = ("en", "zh")

HEADINGS_IN_CHINESE: Mapping[str, str] = {
    "What it flags": "检查内容",
    "Why it matters": "为什么重要",
    "Bad": "错误写法",
    "Good": "正确写法",
    "The fix": "自动修复",
    "Source": "依据",
}
"""English heading -> the same in Chinese."""

_SEVERITIES_IN_CHINESE = {Severity.ERROR: "错误", Severity.WARNING: "警告", Severity.NOTE: "提示"}


def doc_of(entry: Entry, language: str) -> str:
    """The documentation in a language: a summary, and headings with text below them.

    In English where there is no other; a rule of a checkout may have none yet.
    """
    if language == "zh":
        try:
            with open(path_in_chinese(entry), encoding="utf-8") as file:
                return file.read().strip()
        except FileNotFoundError:
            pass
    return entry.doc.strip()


def path_in_chinese(entry: Entry) -> str:
    """Where the Chinese documentation of an entry is."""
    (folder,) = importlib.import_module("qatlint.rules").__path__
    return os.path.join(folder, "zh", f"{entry.code.lower()}_{entry.name.replace('-', '_')}.md")


def page_of(entry: Entry, language: str) -> str:
    """The documentation with its title and what is known of the rule, as Markdown."""
    if language == "zh":
        fixable = "可自动修复" if entry.fixable else "无自动修复"
        facts = f"{severity_in(language, entry.severity)}，{fixable}，自 {entry.since} 起"
    else:
        facts = f"{entry.severity.label}, {'fixable' if entry.fixable else 'no fix'}, since {entry.since}"
    return f"# {entry.code} {entry.name}\n\n*{facts}*\n\n{doc_of(entry, language)}"


def severity_in(language: str, severity: Severity) -> str:
    """The word for a severity."""
    return _SEVERITIES_IN_CHINESE[severity] if language == "zh" else severity.label


def preferred(environment: Mapping[str, str], encoding: str | None) -> str:
    """The language of a person, by their locale, if what shows it has the characters."""
    said = next(filter(None, (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    if said.partition(".")[0] in ("", "C", "POSIX"):
        return "en"
    # GNU's list of languages goes before a locale that is one; those that we do not speak are passed over.
    wanted = (environment.get("LANGUAGE") or said).lower().split(":")
    if next((name[:2] for name in wanted if name[:2] in LANGUAGES), "en") != "zh":
        return "en"
    try:
        "中".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "en"
    return "zh"
