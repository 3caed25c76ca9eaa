"""One file: encodings, positions in characters, what cannot be read."""

from __future__ import annotations

import ast

import pytest

from qatlint.static.source import Source, Unreadable
from tests.static.sources import HEAD, findings_in

MODEL = """
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.act = nn.ReLU()

    def forward(self, x):
        return self.act(self.act(x))
"""


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"x = 1\n", "x = 1\n"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        ("x = 'é'\n".encode(), "x = 'é'\n"),
        ("# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"), "# -*- coding: latin-1 -*-\nx = 'é'\n"),
        (
            "#!/usr/bin/python\n# coding: gbk\nx = '量化'\n".encode("gbk"),
            "#!/usr/bin/python\n# coding: gbk\nx = '量化'\n",
        ),
        (b"# coding: ascii\nx = 1\n", "# coding: ascii\nx = 1\n"),
        (b"", ""),
    ],
)
def test_encodings(data: bytes, text: str) -> None:
    assert Source("m.py", data).text == text


@pytest.mark.parametrize(
    ("data", "message", "place"),
    [
        (b"x = (\n", "syntax error: '(' was never closed", (1, 5)),
        (b"x = 1\n  y = 2\n", "syntax error: unexpected indent", (2, 3)),
        ("a = 1\nb = 2\nx = '\xe9'\n".encode("latin-1"), "cannot decode", (3, 6)),
        (b"ok = 1\nx = '\xff'\n", "cannot decode", (2, 6)),
        (b"# coding: nothing\nx = 1\n", "cannot decode: unknown encoding", (1, 1)),
        (b"\xef\xbb\xbf# coding: latin-1\n", "cannot decode", (1, 1)),
        (b"x = 1\ny = \0\n", "source contains a null byte", (2, 5)),
        (("(" * 300 + ")" * 300).encode(), "", (1, 1)),
        (b"x = " + b"-" * 100_000 + b"1\n", "", (1, 1)),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_where(data: bytes, message: str, place: tuple[int, int]) -> None:
    with pytest.raises(Unreadable) as caught:
        Source("m.py", data)
    assert message in caught.value.message
    if message:
        assert caught.value.line == place[0]
        assert message.startswith("syntax") or (caught.value.line, caught.value.column) == place


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_columns_count_characters_on_any_line_ending(newline: str) -> None:
    text = newline.join(["x = 1", "s = '量化 🙂'; y = x", ""])
    source = Source("m.py", text.encode())
    node = source.tree.body[2]
    span = source.span(node)
    assert (span.line, span.column, span.end_column) == (2, 13, 18)
    assert source.lines[1][span.column - 1 : span.end_column - 1] == "y = x"


def test_a_form_feed_ends_no_line() -> None:
    source = Source("m.py", "\x0cx = 1\ns = 'é\x0b'\x0c; y = 2\n".encode())
    assert [source.span(n).line for n in source.tree.body] == [1, 2, 2]
    span = source.span(source.tree.body[-1])
    assert source.lines[1][span.column - 1 : span.end_column - 1] == "y = 2"


def test_a_tree_node_without_a_place_is_at_the_start() -> None:
    assert Source("m.py", b"x = 1\n").span(ast.Pass()).line == 1


def test_a_line_beyond_the_text_does_not_raise() -> None:
    assert Source("m.py", "é = 1\n".encode()).column(99, 5) >= 1


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("        return self.act(self.act(x))", 16),
        ("        '量化🙂'; return self.act(self.act(x))", 23),
        ("        y = '🙂' * 3; return self.act(self.act(x))", 29),
    ],
)
def test_findings_point_at_characters(line: str, column: int) -> None:
    text = HEAD + "# 位置编码 🙂\n" + MODEL.replace("        return self.act(self.act(x))", line)
    (found,) = findings_in({"m.py": text.replace("\n", "\r\n")}, "QAT101")
    written = text.split("\n")[found.span.line - 1]
    assert written == line
    assert written[found.span.column - 1 :].startswith("self.act(self.act")
    assert found.span.column == column


def test_a_file_of_another_encoding_is_linted() -> None:
    text = "# coding: gbk\n# 量化\n" + HEAD + MODEL
    (found,) = findings_in({"m.py": text.encode("gbk")}, "QAT101")
    assert found.subject == "act"


@pytest.mark.parametrize("text", ["", "\n", "# only a comment", "'''doc'''", "class A: pass", "\x0c"])
def test_files_without_models_are_silent(text: str) -> None:
    assert findings_in({"m.py": text}) == []
