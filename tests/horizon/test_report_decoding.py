"""Bytes of a report: encodings, files that are none, and files that are meant to hurt."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qatlint.horizon.judging.judge import judge
from qatlint.horizon.report import decoding, read
from qatlint.horizon.report.decoding import NotText, decode

REPORTS = Path(__file__).with_name("reports")
PASTED = (REPORTS / "pasted.txt").read_text(encoding="utf-8")
NOTED = "\u6a21\u578b\u68c0\u67e5\n" + PASTED


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030"]
)
def test_the_encodings_of_two_systems(encoding: str) -> None:
    text = decode(NOTED.encode(encoding))
    assert text == NOTED
    assert read(text).counts == read(PASTED).counts


def test_bytes_that_are_cut_inside_a_character_lose_only_that() -> None:
    data = "Graph:\n\u6a21".encode()
    assert decode(data[:-1]) == "Graph:\n"


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, b"PK\x03\x04\0\0\x08" * 50, bytes(5000)]
)
def test_what_is_no_text_is_said_so(data: bytes) -> None:
    with pytest.raises(NotText, match="not a text file"):
        decode(data)


def test_a_file_that_no_report_can_be_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MOST_BYTES", 10)
    with pytest.raises(NotText, match="larger than"):
        decode(b"x" * 11)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        text = decode(data)
    except NotText:
        return
    judge(read(text))


def test_cut_anywhere() -> None:
    """Rows that were whole before the cut are read, and nothing that was never there."""
    for name in ("newer.txt", "older.txt"):
        data = (REPORTS / name).read_bytes()
        whole = read(decode(data))
        for end in range(0, len(data), 7):
            found = read(decode(data[:end]))
            assert set(found.layers[:-1]) <= set(whole.layers)
            assert set(found.suspicious) <= set(whole.suspicious)
            assert set(found.counts[:-1]) <= set(whole.counts)
            judge(found)


HOSTILE = {
    "one line of dashes": "Each layer out qconfig:\n" + "-" * 3_000_000 + "x",
    "one line of blanks": "Fusable modules are listed below:\nname type\n" + " " * 3_000_000 + "x",
    "one line of bars": "Each layer out qconfig:\n| Module Name |\n" + "|" * 2_000_000,
    "one name": "Each module called times:\n" + "a." * 1_000_000 + "b 3",
    "brackets": "Each layer out qconfig:\n| Module Name | Module Type |\n| "
    + "(" * 1_000_000
    + " | <class 'x'> |",
    "quotes": "Fusable modules are listed below:\nname type\n" + "<class '" * 300_000,
    "headings": "input dtype statistics:\n" * 100_000,
    "numbers": "Each module called times:\n" + "a 99999999999999999999999999\n" * 100_000,
    "graph": "Graph:\n" + "call_module x <" * 200_000,
    "generated": "Each module called times:\n" + "_generated_" * 200_000 + "add_1 3\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_is_bounded_whatever_a_line_holds(name: str) -> None:
    before = time.process_time()
    judge(read(HOSTILE[name]))
    assert time.process_time() - before < 10
