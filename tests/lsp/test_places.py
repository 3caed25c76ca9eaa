"""Positions, edits, options and texts, without a server."""

from __future__ import annotations

import random
from concurrent.futures import Future

import pytest
from lsprotocol import types

from qatlint.lsp import options
from qatlint.lsp.places import Places, edits, lines_of
from qatlint.lsp.server import create
from qatlint.lsp.texts import encoded
from qatlint.static.source import decode
from qatlint.trace import Span

LINE = 'x = "中é😀"; self.act(x)'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_positions_there_and_back(encoding: str) -> None:
    places = Places(["", LINE], encoding)
    for column in range(1, len(LINE) + 2):
        position = places.position(2, column)
        codec = {"utf-8": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}[encoding]
        size = {"utf-8": 1, "utf-16": 2, "utf-32": 4}[encoding]
        assert position == types.Position(1, len(LINE[: column - 1].encode(codec)) // size)
        assert places.character(position) == (2, column)


def test_places_outside_of_the_text_are_put_inside() -> None:
    places = Places(["abc"], types.PositionEncodingKind.Utf16)
    assert places.range(Span("a.py", 7, 3, 9, 4)) == types.Range(types.Position(0, 0), types.Position(0, 0))
    assert places.position(1, 50) == types.Position(0, 3)
    assert places.character(types.Position(0, 50)) == (1, 4)
    assert places.character(types.Position(5, 1)) == (6, 1)
    assert Places([]).position(1, 1) == types.Position(0, 0)


def test_form_feeds_end_no_line() -> None:
    assert lines_of("a\fb\x0bc\u2028d\r\ne\rf\n") == ["a\fb\x0bc\u2028d", "e", "f", ""]


def applied(text: str, changes: list[types.TextEdit]) -> str:
    """The text with the edits, as a client makes them: places are those of the old text."""
    starts = [0]
    for line in lines_of(text):
        at = starts[-1] + len(line)
        starts.append(at + (2 if text[at : at + 2] == "\r\n" else 1 if at < len(text) else 0))
    for change in sorted(changes, key=lambda c: (c.range.start.line, c.range.start.character), reverse=True):
        start = starts[change.range.start.line] + change.range.start.character
        end = starts[change.range.end.line] + change.range.end.character
        text = text[:start] + change.new_text + text[end:]
    return text


@pytest.mark.parametrize("seed", range(200))
def test_edits_make_the_new_text_of_the_old_one(seed: int) -> None:
    chance = random.Random(seed)

    def text() -> str:
        lines = [chance.choice(["a", "b", "", "c"]) + chance.choice(["\n", "\n", "\r\n"]) for _ in range(6)]
        return "".join(lines[: chance.randrange(7)]) + chance.choice(["", "d"])

    old, new = text(), text()
    assert applied(old, edits(old, new, "utf-32")) == new
    assert edits(old, old, "utf-16") == []


def test_edits_touch_the_lines_that_differ() -> None:
    (change,) = edits("a\nb\nc\n", "a\nx\ny\nc\n", "utf-16")
    assert change == types.TextEdit(types.Range(types.Position(1, 0), types.Position(2, 0)), "x\ny\n")


@pytest.mark.parametrize(
    "text", ["x = 1\n", "# 中文\n", "# coding: gbk\nx = '中文'\n", "# coding: latin-1\nx = 'é'\n"]
)
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    assert decode(encoded(text)) == text


def test_an_encoding_that_lacks_a_character_is_no_crash() -> None:
    text = "# coding: latin-1\nx = '中'\n"
    assert encoded(text) == text.encode()
    assert encoded("# coding: nonsense\n# é") == "# coding: nonsense\n# é".encode()
    assert encoded("x = '\ud800'") == b"x = '\xed\xa0\x80'"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (3, "the settings are not an object"),
        ({"x": 1}, "unknown setting `x`; known are select, "),
        ({"inlayHint": True}, "unknown setting `inlayHint`; did you mean `inlayHints`?"),
        ({"ignore": [1]}, "setting `ignore` must be a list of codes or names of rules"),
        ({"minSeverity": "high"}, "setting `minSeverity` must be one of note, warning, error"),
        ({"configuration": 1}, "setting `configuration` must be the path of a settings file"),
        ({"isolated": "yes"}, "setting `isolated` must be true or false"),
        ({"debounce": -1}, "setting `debounce` must be a number of milliseconds, at most 10000"),
        ({"debounce": True}, "setting `debounce` must be a number of milliseconds, at most 10000"),
        ({"language": "fr"}, "setting `language` must be one of en, zh"),
    ],
)
def test_wrong_settings_are_told_and_left_out(values: object, problem: str) -> None:
    read, problems = options.read(values)
    assert read == options.Options()
    assert len(problems) == 1
    assert problems[0].startswith(problem)


def test_settings_that_are_right() -> None:
    read, problems = options.read(
        {"select": ["QAT1"], "ignore": ["QAT103"], "minSeverity": "note", "debounce": 20, "language": "zh"}
    )
    assert problems == []
    assert read.overrides.select == ("QAT1",)
    assert read.overrides.ignore == ("QAT103",)
    assert read.overrides.min_severity is not None
    assert (read.debounce, read.language) == (0.02, "zh")
    assert options.read(None) == (options.Options(), [])


def test_nothing_is_kept_of_a_notification_that_was_dealt_with() -> None:
    protocol = create().protocol
    dealt_with: Future[None] = Future()
    waiting: Future[None] = Future()
    protocol._request_futures.update({"a": dealt_with, "b": waiting})
    dealt_with.add_done_callback(protocol._check_handler_result)
    dealt_with.set_result(None)
    assert protocol._request_futures == {"b": waiting}
