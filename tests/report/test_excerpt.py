from __future__ import annotations

from qatlint.report.excerpt import Mark, excerpt
from qatlint.report.style import Style
from qatlint.report.width import text_width
from qatlint.trace import Span
from tests.fakes import span

NARROW = Style(width=40)


def shown(lines: list[str], *marks: Mark, style: Style = NARROW) -> list[str]:
    return excerpt(marks, lines, 2, style)[1:-1]


def first(line: str, part: str, label: str = "", *, primary: bool = True) -> Mark:
    return Mark(span("a.py", 1, line.index(part) + 1, len(part)), label, "red", primary=primary)


def under(rows: list[str]) -> str:
    """What the source row has above the underline, by column."""
    source, line = rows[0], rows[1]
    start, end = line.index("^"), line.rindex("^") + 1
    # One character per column: a wide one is followed by a filler, a mark without width is left out.
    columns = "".join((c + "\0")[: text_width(c)] for c in source)
    return columns[start:end].replace("\0", "")


def test_the_place_is_underlined_with_its_label_beside() -> None:
    line = "x = self.relu(x)"
    assert shown([line], first(line, "self.relu", "here")) == [
        " 1 | x = self.relu(x)",
        "   |     ^^^^^^^^^ here",
    ]


def test_places_come_in_line_order_and_gaps_are_marked() -> None:
    lines = ["a = 1", "b = 2", "c = 3", "d = 4", "e = 5", "f = 6"]
    marks = [
        Mark(span("a.py", 6, 1), "", "red", primary=True),
        Mark(span("a.py", 1, 1), "made", "blue"),
        Mark(span("a.py", 3, 1), "", "blue"),
    ]
    assert shown(lines, *marks) == [
        " 1 | a = 1",
        "   | - made",
        " 2 | b = 2",
        " 3 | c = 3",
        "   | -",
        "...",
        " 6 | f = 6",
        "   | ^",
    ]


def test_tabs_and_wide_characters_keep_the_underline_below_its_text() -> None:
    for line in (
        "\tx = self.relu(x)",
        "\t\ty\t= self.relu(x)",
        "名前 = self.relu(x)",
        "e\u0301 = 'é' + self.relu(x)",
    ):
        assert under(shown([line], first(line, "self.relu"))) == "self.relu"
    line = "x = self.位置(x)"
    assert under(shown([line], first(line, "self.位置"))) == "self.位置"


def test_control_characters_are_not_sent_to_the_terminal() -> None:
    line = "x = '\x1b[31m' + self.relu(x)"
    rows = shown([line], first(line, "self.relu"))
    assert "\x1b" not in "".join(rows)
    assert under(rows) == "self.relu"


def test_a_long_line_is_cropped_around_its_place() -> None:
    line = "a" * 100 + " self.relu(x) " + "b" * 100
    rows = shown([line], first(line, "self.relu"))
    assert under(rows) == "self.relu"
    assert rows[0].startswith(" 1 | ...a") and rows[0].endswith("b...")
    assert all(text_width(row) <= 40 for row in rows)


def test_cropping_at_either_end_shows_that_end() -> None:
    start, end = "self.relu(x) " + "b" * 100, "a" * 100 + " self.relu(x)"
    rows = shown([start], first(start, "self.relu"))
    assert (under(rows), rows[0][:9], rows[0][-3:]) == ("self.relu", " 1 | self", "...")
    rows = shown([end], first(end, "self.relu"))
    assert (under(rows), rows[0][:9], rows[0][-8:]) == ("self.relu", " 1 | ...a", ".relu(x)")


def test_cropping_wide_characters_keeps_columns() -> None:
    for padding in range(4):
        line = "x" * padding + "字" * 60 + " self.relu(x) " + "字" * 60
        rows = shown([line], first(line, "self.relu"))
        assert under(rows) == "self.relu"
        assert all(text_width(row) <= 40 for row in rows)


def test_a_place_longer_than_the_line_is_underlined_as_far_as_it_is_shown() -> None:
    line = "f(" + "a, " * 60 + ")"
    rows = shown([line], first(line, line))
    assert all(text_width(row) <= 40 for row in rows)
    assert set(rows[1][5:].strip()) == {"^"}


def test_two_places_far_apart_on_one_line_show_it_twice() -> None:
    line = "self.relu(" + "a" * 100 + ", self.conv(x))"
    rows = shown([line], first(line, "self.relu"), first(line, "self.conv", "again", primary=False))
    assert [row[:4] for row in rows if row[1] == "1"] == [" 1 |", " 1 |"]
    assert "self.relu" in rows[0] and "self.conv" in rows[2]


def test_places_near_each_other_share_the_line() -> None:
    line = "self.relu(self.conv(x))"
    rows = shown([line], first(line, "self.conv", "outer"), first(line, "self.relu", "inner", primary=False))
    assert rows == [
        " 1 | self.relu(self.conv(x))",
        "   | --------- inner",
        "   |           ^^^^^^^^^ outer",
    ]


def test_a_label_without_room_beside_goes_below() -> None:
    line = "x" * 20 + " self.relu(x)"
    rows = shown([line], first(line, "self.relu", "this label is too long to stand beside its place"))
    assert rows[1].endswith("^^^^^^^^^")
    assert " ".join(row[5:].strip() for row in rows[2:]) == "this label is too long to stand beside its place"
    assert all(text_width(row) <= 40 for row in rows)


def test_a_long_label_continues_below_its_beginning() -> None:
    line = "x = 1"
    rows = shown([line], first(line, "x", "a label that needs more than one row of text here"))
    assert rows[1].index("a label") == len(rows[2]) - len(rows[2][5:].lstrip())


def test_a_place_over_several_lines_shows_its_first() -> None:
    lines = ["for x in xs:", "    f(x)"]
    mark = Mark(Span("a.py", 1, 1, 2, 9), "the loop", "blue", primary=True)
    assert shown(lines, mark) == [" 1 | for x in xs:", "   | ^^^^^^^^^^^^ the loop"]


def test_a_place_past_the_end_of_file_or_line_does_not_fail() -> None:
    assert shown([], Mark(span("a.py", 1, 1), "", "red", primary=True)) == []
    assert shown(["ab"], Mark(span("a.py", 1, 9), "", "red", primary=True))[1] == "   |   ^"
    assert shown([""], Mark(span("a.py", 1, 1), "", "red", primary=True)) == [" 1 |", "   | ^"]


def test_colours_do_not_change_the_text() -> None:
    import re

    line = "x = self.relu(x)"
    colourful = shown([line], first(line, "self.relu", "here"), style=Style(colour=True, width=40))
    assert "\x1b[1;31m^^^^^^^^^\x1b[0m" in colourful[1]
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", row) for row in colourful]
    assert plain == shown([line], first(line, "self.relu", "here"))
