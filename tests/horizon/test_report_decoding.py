"""Bytes of a report: encodings, files that are none, and files that are meant to hurt."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qatlint.horizon.judging.judge import judge
from qatlint.horizon.report import ModelCheck, decoding, read, read_pieces
from qatlint.horizon.report.decoding import NotText, decode, pieces
from qatlint.report import model_check, model_check_json
from qatlint.report.model_check import Shown
from qatlint.report.style import Style

REPORTS = Path(__file__).with_name("reports")
PASTED = (REPORTS / "pasted.txt").read_text(encoding="utf-8")
GOLDEN = ("newer.txt", "older.txt", "j5.txt", "pasted.txt")
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


@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030"])
def test_files_are_read_in_pieces_of_whole_lines(
    size: int, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "_PIECE", size)
    text = NOTED.replace("\n", "\r\n")
    found = list(pieces(BytesIO(text.encode(encoding))))
    assert "".join(found) == text
    assert read_pieces(found) == read(NOTED)
    monkeypatch.setattr(decoding, "_LONGEST_LINE", 16)
    assert "".join(pieces(BytesIO(text.encode(encoding)))) == text


def test_far_from_all_rows_only_headings_are_looked_for() -> None:
    """A report at the end of a long log, after another one: the same as line by line."""
    log = ["".join(f"epoch {n} | loss 0.5\n\n" for n in range(k, k + 1000)) for k in range(0, 30_000, 1000)]
    parts = [PASTED, "\n", *log, "Graph\n", PASTED]
    found, whole = read_pieces(parts), read("".join(parts))
    assert found == whole and found.earlier == 1
    assert read_pieces(parts[:-2]).unread_lines == read(PASTED).unread_lines + 30_000


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9, b"PK\x03\x04\0\0\x08" * 50, bytes(5000)]
)
def test_what_is_no_text_is_said_so(data: bytes) -> None:
    with pytest.raises(NotText, match="not a text file"):
        decode(data)


def test_a_few_bytes_that_were_never_written_are_left_out() -> None:
    data = PASTED.encode()
    assert read(decode(data[:300] + b"\0\0" + data[300:])).counts == read(PASTED).counts


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


ROWS = ("sequences", "counts", "inputs", "outputs", "layers", "weights", "suspicious", "unusual", "graph")


@pytest.mark.parametrize("name", GOLDEN)
def test_cut_at_every_byte(name: str) -> None:
    """Rows that were whole before the cut are read in their order, and only the last may be a part of one.
    What is left is explained and shown like any other file."""
    data = narrow((REPORTS / name).read_bytes())
    whole = read(decode(data))
    explained = set()
    for end in range(len(data)):
        found = read(decode(data[:end]))
        for part in ROWS:
            rows = getattr(found, part)[:-1]
            assert rows == getattr(whole, part)[: len(rows)], (end, part)
            assert len(getattr(found, part)) <= len(getattr(whole, part)), (end, part)
        lengths = tuple(len(getattr(found, part)) for part in ROWS)
        if lengths not in explained:  # each row when it comes, whatever is there of it
            explained.add(lengths)
            shown(found)
    assert read(decode(data)) == whole


def narrow(data: bytes) -> bytes:
    """The same tables without what only makes their columns wide: each cut is a look at all before it."""
    data = re.sub(rb"horizon_plugin_pytorch\.nn\.(?:qat\.)?", b"h.", data)
    return re.sub(rb" {3,}", b"  ", re.sub(rb"-{3,}", b"--", data))


def shown(check: ModelCheck) -> str:
    """The report as a person and as a program get it."""
    report = Shown((), check, judge(check))
    return model_check.render(report, lambda _: (), Style()) + model_check_json.render(report)


HOSTILE = {
    "one line of dashes": "Each layer out qconfig:\n" + "-" * 1_000_000 + "x",
    "one line of blanks": "Fusable modules are listed below:\nname type\n" + " " * 1_000_000 + "x",
    "one line of bars": "Each layer out qconfig:\n| Module Name |\n" + "|" * 600_000,
    "one name": "Each module called times:\n" + "a." * 300_000 + "b 3",
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
    shown(read(HOSTILE[name]))
    assert time.process_time() - before < 10


CLASS = "<class 'x.nn.qat.conv2d.Conv2d'>"
TABLES = {
    "layers": (
        "Each layer out qconfig:\n| Module Name | Module Type | Input dtype | out dtype |\n",
        "| m.{n}.conv[add](2) | " + CLASS + " | ['qint8', torch.float32] | ['qint32'] |\n",
    ),
    "counts": ("Each module called times:\nname called times\n", "m.{n}._generated_add_{n} 3\n"),
    "sequences": (
        "Fusable modules are listed below:\n",
        "name type\nm.conv_{n}(shared) " + CLASS + "\nm._generated_add_{n} <class 'x.FloatFunctional'>\n",
    ),
    "graph": ("Graph:\nopcode name target args\n", "call_module m_{n} m.{n} (m_{n},) {{}}\n"),
    "other text": ("Graph:\n", "what this line is about, number {n}, nobody knows\n"),
    "parts": ("", "input dtype statistics:\noutput dtype statistics: {n}\n"),
}


@pytest.mark.parametrize("name", TABLES)
def test_twice_the_rows_take_twice_the_steps(name: str) -> None:
    head, row = TABLES[name]

    def steps(rows: int) -> int:
        text = head + "".join(row.format(n=n) for n in range(rows))
        return calls_of(lambda: shown(read(text)))

    few, many = steps(100), steps(400)
    assert 100 < few < many < 4.3 * few


def calls_of(function: Callable[[], object]) -> int:
    """How many calls, also of built-in functions, running something makes."""
    count = 0

    def counted(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    earlier = sys.getprofile()
    sys.setprofile(counted)
    try:
        function()
    finally:
        sys.setprofile(earlier)
    return count


def _golden(name: str) -> list[str]:
    return (REPORTS / name).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("cell", ["Type", "", "Module Name", "Module Type", "module name", "msg", "-1"])
def test_a_damaged_header_raises_nothing(name: str, cell: str) -> None:
    lines = _golden(name)
    for number, line in enumerate(lines):
        if not line.startswith("|") or not lines[number + 1].startswith("|-"):
            continue
        cells = line.split("|")
        for column in range(1, len(cells) - 1):
            damaged = "|".join([*cells[:column], f" {cell} ", *cells[column + 1 :]])
            judge(read("\n".join([*lines[:number], damaged, *lines[number + 1 :]])))


def test_rows_below_a_header_that_names_no_class_are_kept_as_not_understood() -> None:
    row = "| conv | x | [torch.float32] | [torch.float32] | -1 | |"
    check = read(
        "Each layer out qconfig:\n| Module Name | Type | Input dtype | out dtype | ch_axis | observer |\n"
        + row
    )
    assert check.layers == () and check.unread == (row,)
    check = read("input dtype statistics:\n| module name | qint8 |\n|---+---|\n| conv | 3 |\n")
    assert check.inputs == () and check.unread == ("| conv | 3 |",)


def test_a_cell_that_goes_on_below_another_header_raises_nothing() -> None:
    first = "Please check if these OPs qconfigs are expected..\n| Module Name | Module Type |\n| a | b |\n"
    second = (
        "Please check these modules qconfig if expected:\n| Module Name | Module Type | Msg |\n|  |  | x |\n"
    )
    assert len(read(first + second).suspicious) == 1


@given(st.sampled_from(GOLDEN), st.data())
def test_damaged_files_raise_nothing(name: str, data: st.DataObject) -> None:
    lines = _golden(name)
    places = st.integers(0, len(lines) - 1)
    for _ in range(data.draw(st.integers(1, 6))):
        place, other = data.draw(places), data.draw(places)
        line = lines[place]
        cut = data.draw(st.integers(0, len(line)))
        lines[place] = data.draw(
            st.sampled_from(
                [line[:cut], line[cut:], lines[other], line[:cut] + lines[other][cut:], f"|{line}|"]
            )
        )
    judge(read("\n".join(lines)))
