from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from qatlint.finding import Finding, Related, Safety, Severity
from qatlint.report import as_json, concise, full, summary
from qatlint.report.style import Style
from qatlint.report.width import one_line, text_width, wrap
from qatlint.trace import On, Times
from tests.fakes import finding, fix, span

SOURCES = {
    "a.py": ["self.relu = nn.ReLU()", "x = self.relu(x)", "", "", "return self.relu(x)"],
    "b.py": ["class B(A): pass"],
}


def lines(path: str) -> Sequence[str]:
    return SOURCES.get(path, [])


def rendered(found: Finding, width: int = 80) -> str:
    return full.render(found, lines, Style(width=width))


def test_full_shows_message_places_and_fix() -> None:
    found = finding(
        line=5,
        column=8,
        span=span("a.py", 5, 8, 9),
        related=(
            Related(span("b.py", 1, 7, 1), "inherited here"),
            Related(span("a.py", 2, 5, 9), "first call"),
            Related(span("a.py", 1, 13, 9), "made here"),
        ),
        fix=fix(),
    )
    assert rendered(found).split("\n") == [
        "warning[QAT101]: `relu` runs twice",
        " --> a.py:5:8",
        "  |",
        "1 | self.relu = nn.ReLU()",
        "  |             --------- made here",
        "2 | x = self.relu(x)",
        "  |     --------- first call",
        "...",
        "5 | return self.relu(x)",
        "  |        ^^^^^^^^^",
        "  |",
        " ::: b.py:1:7",
        "  |",
        "1 | class B(A): pass",
        "  |       - inherited here",
        "  |",
        "  = fix: use one instance per call (safe)",
    ]


def test_a_related_place_that_is_the_finding_itself_labels_it() -> None:
    place = span("a.py", 2, 5, 9)
    text = rendered(finding(span=place, related=(Related(place, "second call"),)))
    assert text.count("x = self.relu(x)") == 1
    assert "^^^^^^^^^ second call" in text


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fix": fix(Safety.UNSAFE, "keys grow")}, "= fix: use one instance per call (unsafe: keys grow)"),
        ({"no_fix": "the number of turns is unknown"}, "= no fix: the number of turns is unknown"),
    ],
)
def test_full_says_how_safe_a_fix_is_or_why_there_is_none(changes: dict[str, Any], expected: str) -> None:
    assert rendered(replace(finding(), **changes)).endswith(expected)


def test_everything_but_paths_fits_the_width() -> None:
    found = finding(
        message="`relu` " + "runs very often " * 12,
        related=(Related(span("a.py", 2, 5, 9), "a label " * 20),),
        fix=fix(Safety.UNSAFE, "a reason " * 20),
    )
    for width in (40, 80):
        assert all(text_width(row) <= width for row in rendered(found, width).split("\n"))


def test_a_file_that_cannot_be_read_any_more_still_gives_the_message() -> None:
    text = rendered(finding("gone.py", related=(Related(span("gone.py", 9, 1), "x"),)))
    assert "`relu` runs twice" in text and "gone.py:1:1" in text


def test_concise_is_one_line() -> None:
    found = finding("a b.py", 3, 7, message="two\nlines")
    assert concise.render(found, Style()) == "a b.py:3:7: QAT101 warning two\N{REPLACEMENT CHARACTER}lines"


def test_json_has_exactly_the_promised_keys() -> None:
    found = finding(
        related=(Related(span("b.py", 1, 7), "inherited"),),
        fix=fix(Safety.UNSAFE, "keys grow"),
        on=On.SOME_PATH,
        times=Times(2, None),
    )
    assert json.loads(as_json.render([found])) == [
        {
            "code": "QAT101",
            "name": "shared-module",
            "severity": "warning",
            "message": "`relu` runs twice",
            "path": "a.py",
            "line": 1,
            "column": 1,
            "end_line": 1,
            "end_column": 2,
            "owner": "a:Block",
            "subject": "relu",
            "times": {"least": 2, "most": None},
            "on": "some-path",
            "related": [{"path": "b.py", "line": 1, "column": 7, "message": "inherited"}],
            "fix": {"title": "use one instance per call", "safety": "unsafe", "reason": "keys grow"},
        }
    ]


def test_json_says_why_there_is_no_fix_in_a_related_item() -> None:
    (item,) = json.loads(as_json.render([finding(no_fix="unknown turns")]))
    assert item["fix"] is None
    assert item["related"] == [
        {"path": "a.py", "line": 1, "column": 1, "message": "no automatic fix: unknown turns"}
    ]


def test_json_of_a_finding_that_counts_nothing() -> None:
    (item,) = json.loads(as_json.render([finding(times=None)]))
    assert item["times"] == {"least": 0, "most": None}


def test_json_of_nothing_is_an_empty_array() -> None:
    assert json.loads(as_json.render([])) == []


SAFE, UNSAFE, NONE = finding(fix=fix()), finding(fix=fix(Safety.UNSAFE, "r")), finding()
NOTE, ERROR = finding(severity=Severity.NOTE), finding(severity=Severity.ERROR)


@pytest.mark.parametrize(
    ("shown", "fixed", "unsafe", "expected"),
    [
        ([], None, False, "All checks passed."),
        ([NONE], None, False, "Found 1 finding."),
        (
            [SAFE, SAFE, UNSAFE],
            None,
            False,
            "Found 3 findings (2 fixable with --fix, 1 more with --unsafe-fixes).",
        ),
        ([SAFE, NONE], None, False, "Found 2 findings (1 fixable with --fix)."),
        ([UNSAFE], None, False, "Found 1 finding (1 fixable with --fix --unsafe-fixes)."),
        ([SAFE, UNSAFE], None, True, "Found 2 findings (2 fixable with --fix --unsafe-fixes)."),
        ([], 0, False, "All checks passed."),
        ([], 3, False, "Fixed 3 findings; none remains."),
        ([UNSAFE, NONE], 3, False, "Fixed 3 findings, 2 remain (1 more fixable with --unsafe-fixes)."),
        ([NONE], 1, True, "Fixed 1 finding, 1 remains."),
        ([NONE], 0, False, "Found 1 finding."),
    ],
)
def test_the_summary_says_what_can_be_done(
    shown: list[Finding], fixed: int | None, unsafe: bool, expected: str
) -> None:
    assert summary.summary(shown, [], fixed=fixed, unsafe=unsafe) == expected


def test_the_summary_counts_what_is_hidden() -> None:
    text = summary.summary([], [NOTE, NOTE, SAFE], fixed=None, unsafe=False)
    assert text == "All checks passed.\n2 notes and 1 warning hidden; --min-severity note shows them."
    text = summary.summary([], [SAFE], fixed=None, unsafe=False)
    assert text.endswith("1 warning hidden; --min-severity warning shows it.")


def test_statistics_count_per_rule_most_frequent_first() -> None:
    other = finding(code="QAT102", name="shared-instance")
    counts = summary.statistics([other, SAFE, UNSAFE, SAFE])
    assert summary.render_statistics(counts).split("\n") == [
        "3  QAT101  shared-module    fixable: 2 safe, 1 unsafe",
        "1  QAT102  shared-instance  no fix",
    ]
    assert json.loads(as_json.render_statistics(counts, {}))[0] == {
        "code": "QAT101",
        "name": "shared-module",
        "count": 3,
        "fixable": {"safe": 2, "unsafe": 1},
    }
    assert summary.render_statistics([]) == ""


def test_text_is_broken_at_spaces_and_between_wide_characters_by_columns() -> None:
    assert wrap("aa bb cc", 5) == ["aa bb", "cc"]
    assert wrap("aa bb cc", 5, first=3) == ["aa", "bb cc"]
    assert wrap("字字 字字", 5) == ["字字", "字字"]
    assert wrap("字字字。字", 6) == ["字字", "字。字"]
    assert wrap("字（字字）relu字", 8) == ["字（字", "字）relu", "字"]
    assert wrap("toolongword x", 5) == ["toolongword", "x"]


def test_messages_and_paths_carry_no_control_characters() -> None:
    assert one_line("a\x1b[31m\u2028b") == "a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}b"
    assert one_line("a\u202eb") == "a\N{REPLACEMENT CHARACTER}b", "what would turn the rest of the line"
    assert one_line("plain 字") == "plain 字"
