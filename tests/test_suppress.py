from __future__ import annotations

import pytest

from qatlint import catalogue
from qatlint.finding import Finding
from qatlint.suppress import apply
from tests import fakes

ALL = frozenset(("QAT000", "QAT001", "QAT101", "QAT102", "QAT201"))


@pytest.fixture(autouse=True)
def fake_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    fakes.install(monkeypatch)


class Text:
    def __init__(self, source: str) -> None:
        self.data = source.encode()

    def read(self, path: str) -> bytes:
        return self.data

    def exists(self, path: str) -> bool:
        return True


def left(source: str, codes: frozenset[str] = ALL) -> list[Finding]:
    """What remains of the findings of the fake engine: a word that names a rule is a finding."""
    found = fakes.findings("a.py", Text(source), codes)
    return apply(found, {"a.py": source.encode()}, lambda path: codes)


def lines(source: str) -> list[tuple[str, int]]:
    return [(f.code, f.span.line) for f in left(source)]


def complaints(source: str, codes: frozenset[str] = ALL) -> list[str]:
    return [f.message for f in left(source, codes) if f.code == "QAT001"]


@pytest.mark.parametrize(
    "comment",
    [
        "# qatlint: ignore[QAT101] the ranges are equal",
        "# qatlint: ignore[shared-module]",
        "# qatlint:ignore[ qat101 , QAT102 ]",
        "# qatlint: ignore",
        "# type: ignore  # qatlint: ignore[QAT101]",
    ],
)
def test_a_comment_switches_off_what_its_line_reports(comment: str) -> None:
    assert lines(f"f(shared_module, shared_instance)  {comment}\nshared_module\n")[-1] == ("QAT101", 2)
    assert ("QAT101", 1) not in lines(f"f(shared_module)  {comment}\n")


def test_other_codes_stay() -> None:
    assert lines("f(shared_module, shared_instance)  # qatlint: ignore[QAT101]\n") == [("QAT102", 1)]


def test_a_string_is_no_comment() -> None:
    assert lines('f(shared_module, "# qatlint: ignore")\n') == [("QAT101", 1)]
    assert lines('f(shared_module, """\n# qatlint: ignore\n""")\n') == [("QAT101", 1)]


@pytest.mark.parametrize("where", [1, 2, 3])
def test_a_comment_anywhere_in_a_statement_holds_for_all_of_it(where: int) -> None:
    rows = ["x = f(", "    shared_module,", ")", "shared_module"]
    rows[where - 1] += "  # qatlint: ignore[QAT101]"
    assert lines("\n".join(rows) + "\n") == [("QAT101", 4)]


def test_a_backslash_continues_the_statement() -> None:
    assert lines("x = shared_module + \\\n    1  # qatlint: ignore[QAT101]\n") == []


def test_on_a_def_line_it_holds_for_the_function() -> None:
    source = """\
class A:
    @decorated
    def f(  # nothing
        self,
    ):  # qatlint: ignore[QAT101] reason
        if True:
            shared_module

        # a comment
        shared_module

    def g(self):
        shared_module
"""
    assert lines(source) == [("QAT101", 13)]


def test_on_an_async_def_line_too() -> None:
    assert lines("async def f():  # qatlint: ignore\n    shared_module\nshared_module\n") == [("QAT101", 3)]


def test_on_a_class_line_it_holds_for_the_class() -> None:
    source = """\
class A(B):  # qatlint: ignore[QAT101]
    class C:
        def f(self):
            shared_module
    shared_module
shared_module
"""
    assert lines(source) == [("QAT101", 6)]


def test_on_other_blocks_it_holds_for_the_header_only() -> None:
    assert lines("for x in shared_module:  # qatlint: ignore\n    shared_module\n") == [("QAT101", 2)]


def test_a_one_line_function_does_not_reach_further() -> None:
    source = "def f(): shared_module  # qatlint: ignore\nif x:\n    shared_module\n"
    assert lines(source) == [("QAT101", 3)]


@pytest.mark.parametrize("comment", ["# qatlint: ignore-file[QAT101] why", "# qatlint: ignore-file"])
def test_a_file_can_be_switched_off_from_anywhere_in_it(comment: str) -> None:
    assert lines(f"shared_module\n\n{comment}\n\ndef f():\n    shared_module\n") == []
    assert lines(f"shared_module\nx = 1  {comment}\n") == []


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n"])
def test_line_ends_do_not_matter(end: str) -> None:
    source = end.join(["x = 1", "class A:  # qatlint: ignore[QAT101]", "    shared_module", ""])
    found = fakes.finding(line=3)
    assert apply([found], {"a.py": source.encode()}, lambda path: ALL) == []


def test_a_comment_that_ignores_nothing_is_reported_at_its_place() -> None:
    (unused,) = left("x = 1  # type: ignore # qatlint: ignore[QAT101] because\n")
    assert (unused.code, unused.span.column, unused.span.end_column) == ("QAT001", 23, 48)
    assert unused.message == "unused suppression: `QAT101` reports nothing here"
    assert unused.no_fix


def test_only_the_idle_codes_are_named() -> None:
    source = "shared_module  # qatlint: ignore[QAT101, shared-instance, QAT201]\n"
    assert complaints(source) == ["unused suppression: `shared-instance` and `QAT201` report nothing here"]


def test_comments_that_overlap_are_all_used() -> None:
    source = "class A:  # qatlint: ignore[QAT101]\n    shared_module  # qatlint: ignore\n"
    assert complaints(source) == []


def test_a_bare_comment_without_use_is_reported() -> None:
    assert complaints("x = 1  # qatlint: ignore\n") == ["unused suppression: no rule reports anything here"]


def test_codes_that_are_not_selected_are_left_alone() -> None:
    some = ALL - {"QAT101"}
    assert complaints("x  # qatlint: ignore[QAT101]\ny  # qatlint: ignore\n", some) == []
    assert len(complaints("x  # qatlint: ignore[QAT101]\ny  # qatlint: ignore\n")) == 2


def test_the_report_of_unused_comments_can_be_switched_off() -> None:
    assert left("x = 1  # qatlint: ignore\n", ALL - {"QAT001"}) == []


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# qatlint: ignore[QAT1O1]", "unknown rule `QAT1O1`; did you mean `QAT101`?"),
        ("# qatlint: ingore[QAT101]", "`ingore` is not known here; did you mean `ignore`?"),
        ("# qatlint: ignore-fil", "`ignore-fil` is not known here; did you mean `ignore-file`?"),
        ("# qatlint: ignore[QAT101 reason", "`]` is missing"),
        ("# qatlint: ignore[]", "the brackets are empty; leave them out to ignore every rule"),
    ],
)
def test_misspelt_comments_are_reported_and_hide_nothing(comment: str, expected: str) -> None:
    source = f"shared_module  {comment}\n"
    assert complaints(source) == [expected]
    assert ("QAT101", 1) in lines(source)


def test_prose_about_us_is_left_alone() -> None:
    assert complaints("x = 1  # qatlint: see the issue\n") == []


def test_a_comment_on_a_line_of_its_own_holds_for_nothing_and_says_so() -> None:
    source = "# qatlint: ignore[QAT101]\nshared_module\n"
    assert lines(source)[0] == ("QAT101", 2)
    assert complaints(source)[0].startswith("a suppression on a line of its own holds for nothing")


def test_a_file_that_is_not_python_keeps_its_finding() -> None:
    broken = fakes.finding(code=catalogue.UNREADABLE.code)
    for source in (
        b"x = (  # qatlint: ignore\n",
        b"# qatlint: ignore\n\xff",
        b"if x:\n  a\n b\n# qatlint: ignore",
    ):
        assert apply([broken], {"a.py": source}, lambda path: ALL) == [broken]


def test_an_unreadable_file_cannot_be_suppressed() -> None:
    broken = fakes.finding(code=catalogue.UNREADABLE.code)
    kept = apply([broken], {"a.py": b"x = 1  # qatlint: ignore\n"}, lambda path: ALL)
    assert broken in kept
