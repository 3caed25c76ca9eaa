"""What every rule's file must have: complete documentation, one voice, a code of its own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from qatlint import catalogue, registry
from qatlint.rule import HEADINGS, Rule
from tests.static.sources import findings_in

ROOT = Path(__file__).resolve().parents[1]
RULES = registry.all_rules()
FILES = sorted(file for file in (ROOT / "rules").glob("*.py") if file.name != "__init__.py")

each_rule = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


def sections(doc: str) -> dict[str, str]:
    """Heading -> text below it, in order."""
    parts = re.split(r"^## +(.+?) *$", doc, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (text.strip() for text in parts[2::2]), strict=True))


def test_there_are_rules() -> None:
    assert RULES


def test_one_file_holds_one_rule_and_is_called_after_it() -> None:
    expected = [f"{rule.code.lower()}_{rule.name.replace('-', '_')}.py" for rule in RULES]
    assert [file.name for file in FILES] == expected


def test_codes_and_names_are_unique_even_beside_the_built_in_ones() -> None:
    words = [word for entry in catalogue.entries() for word in (entry.code, entry.name)]
    assert len(words) == len(set(words))


@each_rule
def test_code_and_name_are_well_formed(rule: Rule) -> None:
    assert re.fullmatch(r"QAT[1-9]\d\d", rule.code)
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
    assert re.fullmatch(r"\d+\.\d+\.\d+", rule.since)


@each_rule
def test_the_documentation_has_a_summary_and_every_heading_once_in_order(rule: Rule) -> None:
    summary, _, rest = rule.doc.strip().partition("\n")
    assert summary == rule.summary and summary.endswith(".") and len(summary) <= 100
    assert rest.startswith("\n"), "a blank line follows the summary"
    assert re.findall(r"^## +(.+?) *$", rule.doc, flags=re.MULTILINE) == list(HEADINGS)
    assert [heading for heading, text in sections(rule.doc).items() if not text] == []


@each_rule
def test_the_examples_are_python(rule: Rule) -> None:
    for heading in ("Bad", "Good"):
        blocks = re.findall(r"```python\n(.*?)```", sections(rule.doc)[heading], flags=re.DOTALL)
        assert blocks, f"`{heading}` has no python block"
        for block in blocks:
            ast.parse(block)


@each_rule
def test_the_examples_trigger_and_do_not(rule: Rule) -> None:
    for heading, expected in (("Bad", True), ("Good", False)):
        for block in re.findall(r"```python\n(.*?)```", sections(rule.doc)[heading], flags=re.DOTALL):
            codes = {f.code for f in findings_in({"model.py": block})}
            assert (rule.code in codes) is expected, f"{heading}: {codes}"


@each_rule
def test_a_fix_is_documented_as_what_it_is(rule: Rule) -> None:
    text = sections(rule.doc)["The fix"].lower()
    if rule.fixable:
        assert "safe" in text, "say how safe the fix is"
    else:
        assert text.startswith(("none", "there is no", "no ")), "say at once that there is no fix"


def messages(file: Path) -> list[tuple[int, str, str]]:
    """(line, beginning, end) of every literal text given to `message=`, `no_fix=` or `Related(_, text)`."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        values = [k.value for k in node.keywords if k.arg in ("message", "no_fix", "title", "reason")]
        if isinstance(node.func, ast.Name) and node.func.id == "Related":
            values += node.args[1:2]
        for value in values:
            text = literal(value)
            if text:
                found.append((value.lineno, text[:1], text[-1:]))
    return found


def literal(value: ast.expr) -> str:
    """A string as far as it is written out; `\0` stands for what is filled in."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    if isinstance(value, ast.JoinedStr):
        return "".join(literal(part) if isinstance(part, ast.Constant) else "\0" for part in value.values)
    return ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_messages_begin_small_and_end_without_a_period(file: Path) -> None:
    wrong = [line for line, first, last in messages(file) if first.isupper() or last in ".!"]
    assert wrong == [], f"{file.name}: messages at lines {wrong}"


def test_the_style_check_sees_a_wrong_message(tmp_path: Path) -> None:
    file = tmp_path / "rule.py"
    file.write_text('f(message="Wrong.")\nRelated(span, f"the {loop}.")\nf(no_fix=f"{x} is fine")\n')
    assert messages(file) == [(1, "W", "."), (2, "t", "."), (3, "\0", "e")]
