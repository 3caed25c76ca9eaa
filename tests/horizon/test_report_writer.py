"""The writer and the reader of the toolchain's report, each the test of the other."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qatlint.horizon.report import (
    CallCount,
    Generation,
    GraphNode,
    Layer,
    Member,
    ModelCheck,
    Section,
    Statistic,
    Suspicious,
    Unusual,
    Weight,
    read,
    write,
)
from qatlint.horizon.report.writer import write_graph

REPORTS = Path(__file__).with_name("reports")

words = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True)
paths = st.lists(words | st.integers(0, 20).map(str), min_size=1, max_size=4).map(".".join)
classes = st.lists(words, min_size=2, max_size=4).map(".".join)
dtypes = st.sampled_from(["qint8", "qint16", "qint32", "torch.float32", "torch.float16", "torch.bool"])
several = st.lists(dtypes, max_size=3).map(tuple)
observers = st.sampled_from(
    [
        "",
        "MinMaxObserver",
        "MinMaxObserver(averaging_constant=0.01)",
        "FixedScaleObserver(scale=tensor([1.0]))",
    ]
)
axes = st.sampled_from(["-1", "0", "qconfig = None", "activation = None", ""])
layers = st.builds(
    Layer, paths, classes, several, several, axes, observers, st.just("") | words, st.integers(0, 3)
)
sequences = st.lists(st.builds(Member, paths, classes, st.booleans()), min_size=1, max_size=4).map(tuple)


def table(columns: list[str]) -> st.SearchStrategy[tuple[Statistic, ...]]:
    row = st.tuples(*(st.tuples(st.just(c), st.integers(0, 10**6)) for c in columns))
    rows = st.lists(st.builds(Statistic, classes, row), min_size=1, max_size=4)
    total = row.map(lambda numbers: Statistic("total", numbers))
    return st.tuples(rows, total).map(lambda both: (*both[0], both[1]))


statistics = st.lists(dtypes, min_size=1, max_size=4, unique=True).flatmap(table)


def many(element: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(element, max_size=4).map(tuple)


@st.composite
def checks(draw: st.DrawFn) -> ModelCheck:
    found = draw(many(sequences))
    counts = draw(many(st.builds(CallCount, paths, st.integers(0, 99))))
    inputs, outputs = draw(statistics), draw(statistics)
    weights = draw(many(st.builds(Weight, paths, classes, dtypes, axes, observers)))
    rows = draw(
        many(st.builds(Suspicious, paths, classes, st.sampled_from(["Fixed scale 0.1", "qint16 weight!"])))
    )
    unusual = draw(many(st.builds(Unusual, paths, st.just("float32*int8")))) if rows else ()
    sections = [Section.FUSION, Section.COUNTS, Section.INPUTS, Section.OUTPUTS, Section.LAYERS]
    sections += [Section.WEIGHTS] if weights else []
    sections += [Section.SUSPICIOUS] if rows else []
    return ModelCheck(
        all_fused=not found,
        sequences=found,  # type: ignore[arg-type]
        all_once=not counts,
        counts=counts,  # type: ignore[arg-type]
        inputs=inputs,
        outputs=outputs,
        layers=draw(many(layers)),  # type: ignore[arg-type]
        weights=weights,  # type: ignore[arg-type]
        suspicious=rows,  # type: ignore[arg-type]
        unusual=unusual,  # type: ignore[arg-type]
        sections=tuple(sections),
        generation=Generation.NEWER if counts else Generation.UNKNOWN,
    )


@settings(max_examples=25, deadline=None)
@given(checks())
def test_what_is_written_is_read_again(check: ModelCheck) -> None:
    text = write(check)
    assert read(text) == check
    collapsed = "\n".join(" ".join(line.split()) for line in text.split("\n") if line.strip())
    assert read(collapsed) == check


@settings(max_examples=12, deadline=None)
@given(checks())
def test_the_older_form_keeps_what_it_has_room_for(check: ModelCheck) -> None:
    again = read(write(check, Generation.OLDER))
    kept = sorted(count for count in check.counts if count.times != 1)
    assert sorted(again.counts) == kept
    assert again.layers == check.layers and again.unread == ()


@pytest.mark.parametrize("name", ["older.txt", "newer.txt", "j5.txt", "pasted.txt"])
def test_the_golden_files_come_back(name: str) -> None:
    check = read((REPORTS / name).read_text(encoding="utf-8"))
    again = read(write(check))
    for part in ("sequences", "counts", "inputs", "outputs", "layers", "weights", "suspicious", "unusual"):
        assert getattr(again, part) == getattr(check, part), part
    assert read(write_graph(check)).graph == check.graph
    assert read(write(check, Generation.OLDER)).graph == check.graph


def test_the_tables_look_as_the_toolchain_draws_them() -> None:
    check = ModelCheck(
        sequences=((Member("a.conv", "x.Conv2d", True), Member("a.add", "x.FloatFunctional")),),
        counts=(CallCount("a", 2),),
        layers=(
            Layer("a", "x.Conv2d", ("qint8", "torch.float32"), ("qint8",), "-1", "MinMaxObserver", "add", 1),
        ),
        graph=(GraphNode("output", "output", "output", "(x,) {}"),),
    )
    assert write(check) == (
        "Fusable modules are listed below:\n"
        "name            type\n"
        "--------------  ---------------------------\n"
        "a.conv(shared)  <class 'x.Conv2d'>\n"
        "a.add           <class 'x.FloatFunctional'>\n"
        "\n"
        "Each module called times:\n"
        "name      called times\n"
        "------  --------------\n"
        "a                    2\n"
        "\n"
        "Each layer out qconfig:\n"
        "+---------------+--------------------+--------------------------+-------------+-----------+"
        "----------------+\n"
        "| Module Name   | Module Type        | Input dtype              | out dtype   |   ch_axis |"
        " observer       |\n"
        "|---------------+--------------------+--------------------------+-------------+-----------+"
        "----------------|\n"
        "| a[add](1)     | <class 'x.Conv2d'> | ['qint8', torch.float32] | ['qint8']   |        -1 |"
        " MinMaxObserver |\n"
        "+---------------+--------------------+--------------------------+-------------+-----------+"
        "----------------+\n"
    )
