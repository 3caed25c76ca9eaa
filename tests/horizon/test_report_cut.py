"""Parts of a report that begin and have no rows, rows that lost a cell, and what tools put before each line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qatlint.horizon.judging.judge import judge
from qatlint.horizon.judging.judgement import Rank, Topic
from qatlint.horizon.report import read, write
from qatlint.horizon.report.values import Layer, ModelCheck, Weight

NEWER = (Path(__file__).parent / "reports" / "newer.txt").read_text(encoding="utf-8")
LAYERS = """\
Each layer out qconfig:
+---+---+---+---+---+---+
| Module Name | Module Type | Input dtype | out dtype | ch_axis | observer |
|---+---+---+---+---+---|
"""
ROWS = """\
| quant |  | [torch.float32] | ['qint8'] | -1 | MinMaxObserver |
| conv |  | ['qint8'] | ['qint32'] | -1 | MinMaxObserver |
+---+---+---+---+---+---+
"""


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("Fusable modules are listed below:\n", "Fusable modules are listed below"),
        (
            "Fusable modules are listed below:\nname  type\n----  ----\n",
            "Fusable modules are listed below",
        ),
        ("Each module called times:\nname  called times\n", "Each module called times"),
        (LAYERS, "Each layer out qconfig"),
        (LAYERS + "~ lost ~\n" * 3, "Each layer out qconfig"),
    ],
)
def test_a_part_that_begins_and_has_no_rows_is_told(text: str, heading: str) -> None:
    assert read(text).rowless == (heading,)
    assert read(text + "\nWeight qconfig:\n").rowless == (heading, "Weight qconfig")


def test_parts_that_need_no_rows_and_parts_that_have_some() -> None:
    for text in (
        NEWER,
        "All fusable modules are fused in model!\n",
        "All modules in the model run exactly once.\n",
        LAYERS + ROWS,
        LAYERS + "+---+---+---+---+---+---+\n",  # closed: this table has none
        write(ModelCheck()),
    ):
        assert read(text).rowless == ()


def test_a_table_without_its_end_is_told() -> None:
    """Only where a line is drawn above it: pages draw none."""
    made = ModelCheck(
        layers=(Layer("conv", "a.Conv2d", ("qint8",), ("qint8",), "-1", "MinMaxObserver"),) * 2,
        weights=(Weight("conv", "a.Conv2d", "qint8", "0", "MinMaxObserver"),),
    )
    text = write(made)
    assert read(text).cut_off == ()
    begin = text.index("| conv")
    for cut in range(text.index("\n", begin), text.index("\n+-", begin) + 2):
        found = read(text[:cut])
        assert "Each layer out qconfig" in (*found.cut_off, *found.rowless), text[:cut][-40:]
    assert read(text[: begin - 1]).cut_off == ()  # no rows at all: said as that
    lines = text.splitlines()
    open_end = "\n".join(line for line in lines if not line.startswith("+"))
    assert read(open_end).cut_off == ()
    gap = "\n".join(lines[: lines.index("Weight qconfig:") - 2]) + "\n\nWeight qconfig:\n" + ROWS
    assert read(gap).cut_off == ("Each layer out qconfig",)


def test_a_row_without_its_class_is_read() -> None:
    found = {(j.topic, j.rank, j.names) for j in judge(read(LAYERS + ROWS))}
    assert (Topic.QINT32, Rank.FIRST, ("conv",)) in found
    # It may be a QuantStub, of which nothing would be said.
    assert (Topic.FLOAT_INPUT, Rank.CHECK, ("quant",)) in found


@pytest.mark.parametrize(
    "put", ["{n}:{line}", "{n:6d}\t{line}", "     {n}  {line}", "+{line}", "> {line}", "{n}-{line}"]
)
def test_what_tools_put_before_each_line_is_taken_off(put: str) -> None:
    lines = NEWER.splitlines()
    text = "\n".join(put.format(n=n, line=line) for n, line in enumerate(lines, 1))
    assert read(text)._replace(unread=(), unread_lines=0) == read(NEWER)._replace(unread=(), unread_lines=0)


def test_a_name_with_a_bar_in_it() -> None:
    rows = tuple(
        Layer(name, "a.Conv2d", ("qint8",), ("qint8",), "-1", "Min(a=1)")
        for name in ("m.p|q", "m.p|", "plain")
    )
    found = read(write(ModelCheck(layers=rows)))
    assert found.layers == rows and not found.unread


def test_tables_drawn_with_lines() -> None:
    """A terminal or a page may draw the bars, and takes each minus for a line."""
    drawn = str.maketrans({"-": "\u2500", "|": "\u2502", "+": "\u253c"})
    assert read(NEWER.translate(drawn)) == read(NEWER)


def test_headings_in_other_letters() -> None:
    text = NEWER.replace("input dtype statistics:", "Input Dtype Statistics：")
    assert text != NEWER and read(text) == read(NEWER)
    assert read("graph:\n").sections == ()
