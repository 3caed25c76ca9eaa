"""The reader of marks, which everything in `test_fixtures.py` trusts."""

from __future__ import annotations

import pytest

from tests.marks import Mark, MarkError, parse


def test_options_and_reason_are_read() -> None:
    text = "x = 1  # expect: QAT101[subject=relu, least=2, most=many] twice # ok: QAT102 one name\n"
    assert parse(text) == [
        Mark("expect", "QAT101", 1, {"subject": "relu", "least": "2", "most": "many"}, "twice"),
        Mark("ok", "QAT102", 1, {}, "one name"),
    ]


def test_a_comment_of_its_own_belongs_to_the_next_code() -> None:
    text = "def f():\n    # expect: QAT101\n    # why it matters\n\n    # ok: QAT103 used below\n    return g()\n"
    assert [(m.verb, m.line) for m in parse(text)] == [("expect", 6), ("ok", 6)]


def test_words_in_strings_are_not_marks() -> None:
    assert parse('"""# expect: QAT101"""\nx = "# ok: QAT101 no"\n') == []


@pytest.mark.parametrize(
    "comment",
    [
        "# expect QAT101",
        "# expect: QAT1",
        "# ok: QAT101",
        "# todo: QAT101",
        "# expect: QAT101[colour=red]",
        "# expect: QAT101[severity=fatal]",
        "# expect: QAT101[most=often]",
        "# ok: QAT101[severity=note] reason",
    ],
)
def test_malformed_marks_are_refused(comment: str) -> None:
    with pytest.raises(MarkError):
        parse(f"x = 1  {comment}\n")


def test_a_mark_without_code_after_it_is_refused() -> None:
    with pytest.raises(MarkError):
        parse("x = 1\n# expect: QAT101\n")
