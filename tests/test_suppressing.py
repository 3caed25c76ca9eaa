"""Comments that are written: where they go, what they keep, and that they hold."""

from __future__ import annotations

import sys

import pytest

from qatlint import suppressing
from qatlint.suppress import parse
from tests.fakes import finding


def added(text: str, *places: tuple[int, str], reason: str = "why") -> str:
    findings = [finding("a.py", line, code=code) for line, code in places]
    new = suppressing.add(text.encode(), findings, reason)
    suppressions = parse("a.py", new)
    for found in findings:
        assert any(s.takes(found) and not s.complaints for s in suppressions), "it does not hold"
    return new.decode()


Q = "# qatlint: ignore[QAT101]"


@pytest.mark.parametrize(
    ("before", "line", "after"),
    [
        ("x = f(a)\n", 1, f"x = f(a)  {Q} why\n"),
        ("x = f(a)", 1, f"x = f(a)  {Q} why"),
        ("x = f(a)   \r\ny\r\n", 1, f"x = f(a)  {Q} why\r\ny\r\n"),
        ("x = f(a)\ry\r", 2, f"x = f(a)\ry  {Q} why\r"),
        ("x = f(a)  # noqa: E501\n", 1, f"x = f(a)  # noqa: E501  {Q} why\n"),
        (
            "x = f(a)  # qatlint: ignore-file[QAT103] made\n",
            1,
            f"x = f(a)  # qatlint: ignore-file[QAT103] made  {Q} why\n",
        ),
        (
            "# qatlint: ignore[QAT102]\nx = f(a)\n",
            2,
            f"# qatlint: ignore[QAT102]\nx = f(a)  {Q} why\n",
        ),
        (
            "y\n\n# qatlint: ignore[QAT102]\nx = f(a)\n",
            4,
            f"y\n\n# qatlint: ignore[QAT102]\nx = f(a)  {Q} why\n",
        ),
        ("x = f(  # one\n    a,\n)\n", 2, f"x = f(  # one\n    a,  {Q} why\n)\n"),
        ("x = f(a) + \\\n    f(b)\n", 1, f"x = f(a) + \\\n    f(b)  {Q} why\n"),
        ('x = f("""a\n# b\n""", c)\n', 1, f'x = f("""a\n# b\n""", c)  {Q} why\n'),
        ('x = f("""a\n# b\n""", c,\n  d)\n', 1, f'x = f("""a\n# b\n""", c,\n  d)  {Q} why\n'),
        ("@f(a)\ndef g(): ...\n", 1, f"@f(a)  {Q} why\ndef g(): ...\n"),
        ("class A:\n\n    # b\n    x = f(a)\n", 4, f"class A:\n\n    # b\n    x = f(a)  {Q} why\n"),
        ("def g(\n    a=f(),\n):\n    pass\n", 2, f"def g(\n    a=f(),  {Q} why\n):\n    pass\n"),
        ("if a: f(a)\n", 1, f"if a: f(a)  {Q} why\n"),
        ("x = '名字'; y = 1\n", 1, f"x = '名字'; y = 1  {Q} why\n"),
        ("x = f'{a}' f'''{\na}\n'''\n", 1, f"x = f'{{a}}' f'''{{\na}}\n'''  {Q} why\n"),
        ("\x0cx = f(a)\n", 1, f"\x0cx = f(a)  {Q} why\n"),
        ("x = f(" + "a, " * 60 + ")\n", 1, "x = f(" + "a, " * 60 + f")  {Q} why\n"),
    ],
)
def test_a_comment_goes_where_it_holds(before: str, line: int, after: str) -> None:
    assert added(before, (line, "QAT101")) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x  # qatlint: ignore[QAT102]\n", "x  # qatlint: ignore[QAT102, QAT101] why\n"),
        ("x  # qatlint: ignore[QAT102] old\n", "x  # qatlint: ignore[QAT102, QAT101] old; why\n"),
        (
            "x  # qatlint: ignore[QAT102] old # noqa\n",
            "x  # qatlint: ignore[QAT102, QAT101] old; why  # noqa\n",
        ),
        ("x  # qatlint: ignore[QAT102] so why\n", "x  # qatlint: ignore[QAT102, QAT101] so why\n"),
        ("x  # noqa  # qatlint:ignore[ QAT102 ]\n", "x  # noqa  # qatlint: ignore[QAT102, QAT101] why\n"),
        (
            "f(\n  x,\n  y,  # qatlint: ignore[shared-instance] old\n)\n",
            "f(\n  x,\n  y,  # qatlint: ignore[shared-instance, QAT101] old; why\n)\n",
        ),
    ],
)
def test_a_comment_of_ours_is_extended(before: str, after: str) -> None:
    assert added(before, (1, "QAT101")) == after


def test_several_findings_of_a_statement_share_a_comment() -> None:
    text = added("f(\n  a,\n  b,\n)\ng(c)\n", (3, "QAT102"), (2, "QAT101"), (5, "QAT103"))
    assert (
        text
        == "f(\n  a,  # qatlint: ignore[QAT101, QAT102] why\n  b,\n)\ng(c)  # qatlint: ignore[QAT103] why\n"
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="lines end inside of a field only there")
def test_no_comment_goes_into_a_string_with_fields() -> None:
    assert added('x = f"""{\na\n}"""\n', (2, "QAT101")) == f'x = f"""{{\na\n}}"""  {Q} why\n'


def test_the_encoding_of_the_file_is_kept() -> None:
    source = b"\xef\xbb\xbf# a\nx = '\xc3\xa9'\n"
    assert suppressing.add(source, [finding(line=2)], "w\u00e9") == (
        b"\xef\xbb\xbf# a\nx = '\xc3\xa9'  # qatlint: ignore[QAT101] w\xc3\xa9\n"
    )
    latin = "# coding: latin-1\nx = 'é'\n".encode("latin-1")
    assert suppressing.add(latin, [finding(line=2)], "é").endswith(b"] \xe9\n")
    with pytest.raises(suppressing.CannotSuppress, match="cannot be written in the file's encoding"):
        suppressing.add(latin, [finding(line=2)], "原因")


@pytest.mark.parametrize("source", [b"x = (\n", b"\xff\n", b"x = '''\n"])
def test_what_is_no_python_gets_no_comment(source: bytes) -> None:
    with pytest.raises(suppressing.CannotSuppress):
        suppressing.add(source, [finding()], "why")
