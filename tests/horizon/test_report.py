"""`model_check_result.txt` in its two generations, and with what can happen to a file on its way."""

from __future__ import annotations

import re
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
    reader,
)
from qatlint.horizon.report.values import merged

REPORTS = Path(__file__).with_name("reports")

HEADING = re.compile("(?m)^((?:Fusable|Each|input dt|output dt|Weight q|Please) ?.*)$")
NEWER = """\
Fusable modules are listed below:
name                     type
-----------------------  -----------------------------------------------------------
encoder.proj.0(shared)   <class 'horizon_plugin_pytorch.nn.qat.conv2d.Conv2d'>
encoder._generated_add_0  <class 'horizon_plugin_pytorch.nn.qat.functional_modules.FloatFunctional'>

name                     type
-----------------------  -----------------------------------------------------------
encoder.proj.1           <class 'horizon_plugin_pytorch.nn.qat.conv2d.Conv2d'>
encoder.bn               <class 'horizon_plugin_pytorch.nn.qat.batchnorm.BatchNorm2d'>
encoder.relu             <class 'horizon_plugin_pytorch.nn.qat.relu.ReLU'>

Each module called times:
name                 called times
-----------------  --------------
decoder.embed.mul               6
decoder.idle                    0

input dtype statistics:
+---------------------------------------------------------+-----------------+---------+
| module type                                             |   torch.float32 |   qint8 |
|---------------------------------------------------------+-----------------+---------|
| <class 'horizon_plugin_pytorch.nn.qat.stubs.QuantStub'> |               3 |       1 |
| total                                                   |               3 |       1 |
+---------------------------------------------------------+-----------------+---------+

output dtype statistics:
+---------------------------------------------------------+---------+
| module type                                             |   qint8 |
|---------------------------------------------------------+---------|
| <class 'horizon_plugin_pytorch.nn.qat.stubs.QuantStub'> |       4 |
+---------------------------------------------------------+---------+

Each layer out qconfig:
+---------------+-------------------------------------------+----------------------------+----------------+-----------+------------------------------------------+
| Module Name   | Module Type                               | Input dtype                | out dtype      | ch_axis   | observer                                 |
|---------------+-------------------------------------------+----------------------------+----------------+-----------+------------------------------------------|
| head.add[add] | <class 'horizon.qat.FloatFunctional'>     | ['qint16', torch.float32]  | ['qint16']     | -1        | MinMaxObserver(averaging_constant=0.01)  |
| dequant(1)    | <class 'horizon.qat.stubs.DeQuantStub'>   | [torch.float32]            | [torch.float32] | qconfig = None |                                     |
+---------------+-------------------------------------------+----------------------------+----------------+-----------+------------------------------------------+

Weight qconfig:
+-------------+-----------------------------+----------------+-----------+----------------+
| Module Name | Module Type                 | weight dtype   |   ch_axis | observer       |
|-------------+-----------------------------+----------------+-----------+----------------|
| conv        | <class 'horizon.qat.Conv2d'> | qint8         |         0 | MinMaxObserver |
+-------------+-----------------------------+----------------+-----------+----------------+

Please check if these OPs qconfigs are expected..
+---------------+-------------------------------+-----------------------------+
| Module Name   | Module Type                   | Msg                         |
|---------------+-------------------------------+-----------------------------|
| quant_points  | <class 'horizon.qat.QuantStub'> | Fixed scale 0.0030517578 |
+---------------+-------------------------------+-----------------------------+
what nobody knows: float32*int8
"""

CHECK = ModelCheck(
    all_fused=False,
    sequences=(
        (
            Member("encoder.proj.0", "horizon_plugin_pytorch.nn.qat.conv2d.Conv2d", True),
            Member(
                "encoder._generated_add_0", "horizon_plugin_pytorch.nn.qat.functional_modules.FloatFunctional"
            ),
        ),
        (
            Member("encoder.proj.1", "horizon_plugin_pytorch.nn.qat.conv2d.Conv2d"),
            Member("encoder.bn", "horizon_plugin_pytorch.nn.qat.batchnorm.BatchNorm2d"),
            Member("encoder.relu", "horizon_plugin_pytorch.nn.qat.relu.ReLU"),
        ),
    ),
    counts=(CallCount("decoder.embed.mul", 6), CallCount("decoder.idle", 0)),
    inputs=(
        Statistic("horizon_plugin_pytorch.nn.qat.stubs.QuantStub", (("torch.float32", 3), ("qint8", 1))),
        Statistic("total", (("torch.float32", 3), ("qint8", 1))),
    ),
    outputs=(Statistic("horizon_plugin_pytorch.nn.qat.stubs.QuantStub", (("qint8", 4),)),),
    layers=(
        Layer(
            "head.add",
            "horizon.qat.FloatFunctional",
            ("qint16", "torch.float32"),
            ("qint16",),
            "-1",
            "MinMaxObserver(averaging_constant=0.01)",
            "add",
        ),
        Layer(
            "dequant",
            "horizon.qat.stubs.DeQuantStub",
            ("torch.float32",),
            ("torch.float32",),
            "qconfig = None",
            "",
            call=1,
        ),
    ),
    weights=(Weight("conv", "horizon.qat.Conv2d", "qint8", "0", "MinMaxObserver"),),
    suspicious=(Suspicious("quant_points", "horizon.qat.QuantStub", "Fixed scale 0.0030517578"),),
    unread=("what nobody knows: float32*int8",),
    unread_lines=1,
    sections=tuple(section for section in Section if section is not Section.GRAPH),
    generation=Generation.NEWER,
)


def test_every_part_of_the_newer_format_is_read() -> None:
    assert read(NEWER) == CHECK


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: "\n".join(" ".join(line.split()) for line in text.split("\n")),
        lambda text: "\n".join(line for line in text.split("\n") if line.strip()),
        lambda text: re.sub("(?m)^(.+)$", "\x1b[33m\\1\x1b[0m", text),
        lambda text: HEADING.sub("2026-04-12 23:47:11,123 WARNING [check_model.py:512] \\1", text),
        lambda text: HEADING.sub("## **\\1**", text),
        lambda text: re.sub("(?m)^", "[rank0]: ", text),
        lambda text: re.sub("(?m)^", "> ", text),
        lambda text: text.replace(" ", "\xa0").replace("|", "\u2502"),
        lambda text: text.replace("<class '", "<class \u2018").replace("'>", "\u2019>"),
        lambda text: text.replace("<", "&lt;").replace(">", "&gt;").replace("'", "&#39;"),
        lambda text: text.replace("_", "\\_"),
        lambda text: re.sub("<class '([^']*)'>", "\\1", text.replace("'horizon.", "'horizon_plugin.")),
    ],
    ids=[
        "Windows line ends",
        "byte order mark",
        "blanks collapsed",
        "blank lines lost",
        "colours",
        "in a log",
        "in Markdown",
        "said by a process",
        "quoted",
        "wide blanks and drawn bars",
        "quotes of a word processor",
        "HTML",
        "Markdown with backslashes",
        "classes without their frame",
    ],
)
def test_the_same_is_read_of_a_file_that_has_been_on_the_web(spoil: object) -> None:
    assert callable(spoil)
    found = read(spoil(NEWER))
    assert str(found._replace(unread=())).replace("horizon_plugin.", "horizon.") == str(
        CHECK._replace(unread=())
    )


@pytest.mark.parametrize("width", [60, 80, 120, 132, 200])
def test_rows_that_a_terminal_wrapped_are_put_together(width: int) -> None:
    for name in ("newer.txt", "older.txt", "j5.txt"):
        text = (REPORTS / name).read_text(encoding="utf-8").partition("Graph:")[0]
        whole = read(text)
        found = read("\n".join(wrapped(line, width) for line in text.split("\n")))
        for part in ("sequences", "counts", "inputs", "outputs", "weights"):
            assert getattr(found, part) == getattr(whole, part), (name, part)
        assert [layer[:4] for layer in found.layers] == [layer[:4] for layer in whole.layers], name
        assert [row[:2] for row in found.suspicious] == [row[:2] for row in whole.suspicious], name
        assert found.unread == ()


def wrapped(line: str, width: int) -> str:
    return "\n".join(line[i : i + width] for i in range(0, max(len(line), 1), width))


def test_prose_that_speaks_of_a_part_is_no_heading() -> None:
    told = "Graph: see fx_graph.txt\nthe input dtype statistics:\noutput dtype statistics are above\n"
    found = read(NEWER + told)
    assert found == CHECK._replace(unread=(*CHECK.unread, *told.strip().split("\n")), unread_lines=4)


def test_a_title_above_a_heading_is_no_other_report() -> None:
    text = NEWER.replace(
        "Each module called times:", "## Each module called times\n\nEach module called times:"
    )
    assert read(text) == CHECK


def test_a_line_of_a_log_between_counts_is_no_module() -> None:
    text = NEWER.replace("decoder.idle ", "epoch 3\ndecoder.idle ")
    assert read(text).counts == CHECK.counts
    assert read(text).unread[0] == "epoch 3"


def test_rows_that_lost_their_classes_are_not_dropped_in_silence() -> None:
    found = read(re.sub("<class '[^']*'>", "", NEWER))
    assert [layer.label for layer in found.layers] == [layer.label for layer in CHECK.layers]
    assert {layer.type for layer in found.layers} == {""}
    # Of statistics and of sequences nobody knows what they are about.
    assert {row.type for row in (*found.inputs, *found.outputs)} == {"total"}
    assert found.sequences == () and found.unread_lines == 1 + 5 + 2
    assert found.weights[0].name == "conv" and found.suspicious[0].name == "quant_points"


def test_unusual_computations_stand_behind_the_last_table_that_there_is() -> None:
    text = NEWER[: NEWER.index("Please check")] + "conv            float32*int8\n"
    assert read(text).unusual == (Unusual("conv", "float32*int8"),)


def test_more_rows_than_a_model_can_have_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST_ROWS", 40)
    rows = "Each module called times:\nname  called times\n" + "conv  2\n" * 100
    assert len(read(rows).counts) == 39 and read(rows).unread_lines == 61
    assert read(rows).is_full and not read(rows[:200]).is_full
    assert read("All fusable modules are fused in model!\n" + rows + NEWER).counts == CHECK.counts


def test_the_older_format_has_two_tables_of_counts_and_a_graph() -> None:
    text = (
        "All fusable modules are fused in model!\n\nModules below are not used:\nname    called times\n------  ---\n"
        "idle    0\n\nModules below are used multi times:\nname    called times\n------  ---\nconv    2\n\n"
        "Graph:\nopcode       name    target    args    kwargs\n-----------  ------  --------  ------  --------\n"
        "placeholder  x       x         ()      {}\n"
    )
    found = read(text)
    assert found.all_fused is True
    assert found.counts == (CallCount("idle", 0), CallCount("conv", 2))
    assert found.graph == (GraphNode("placeholder", "x", "x", "() {}"),)
    assert found.generation is Generation.OLDER
    assert found.unread == ()


def test_all_once_is_not_nothing_known() -> None:
    assert read("All modules in the model run exactly once.\n").all_once
    assert read("") == ModelCheck()


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: b.decode("latin-1")))
def test_any_text_is_read(text: str) -> None:
    assert isinstance(read(text), ModelCheck)


def test_every_line_of_something_else_is_kept() -> None:
    assert read("Traceback\n  File\nError: x\n").unread == ("Traceback", "File", "Error: x")


def golden(name: str) -> ModelCheck:
    return read((REPORTS / name).read_text(encoding="utf-8"))


def test_every_golden_file_is_read_to_its_last_line() -> None:
    for name in ("older.txt", "newer.txt", "j5.txt"):
        assert golden(name).unread == (), name


def test_the_graph_of_the_older_form_is_read() -> None:
    check = golden("older.txt")
    assert check.generation is Generation.OLDER
    assert len(check.graph) == 11
    assert check.graph[7] == GraphNode("call_method", "reshape", "reshape", "(head_share_2, 1, -1) {}")
    assert check.graph[9].target == "<function Tracer.scope_end at 0x7f00>"


def test_cells_of_several_lines_and_parameters_of_observers() -> None:
    check = golden("newer.txt")
    assert check.layers[0].observer.startswith("FixedScaleObserver(scale=tensor([3.0518e-05]")
    assert check.layers[1].observer.endswith("0.2, 0.3]),zero_point=tensor([0]))")
    assert check.layers[5].ch_axis.startswith("FakeCast(dtype=torch.float16")
    assert [layer.label for layer in check.layers[4:6]] == ["head.skip[add]", "head.skip[mul](1)"]
    assert check.unusual == (Unusual("head.skip", "float32*int8"),)


def test_tables_with_other_columns_go_by_their_headers() -> None:
    check = golden("j5.txt")
    assert check.layers[0].observer == "" and check.layers[0].ch_axis == "-1"
    assert check.weights == (
        Weight("stem.conv", "horizon_plugin_pytorch.nn.qat.conv2d.Conv2d", "qint16", "0", ""),
    )


def test_text_around_pasted_tables_is_no_row_of_them() -> None:
    check = golden("pasted.txt")
    assert [len(sequence) for sequence in check.sequences] == [2] * 6
    assert [count.times for count in check.counts] == [8, 8, 8, 8, 8, 4, 8, 4]
    assert len(check.layers) == 2
    assert "class View(nn.Module):" in check.unread
    assert any("base_model_min" in line for line in check.unread), "a table of another kind is a part of it"


def test_only_the_last_of_several_reports_in_one_text_counts() -> None:
    other = NEWER.replace("decoder.idle", "decoder.other")
    assert read(other + NEWER) == CHECK._replace(earlier=1)


def test_a_graph_in_a_file_of_its_own_joins_the_others() -> None:
    graph = "Graph:\nopcode name target args kwargs\nplaceholder x x () {}\n"
    both = merged((golden("newer.txt"), read(graph)))
    assert both.generation is Generation.NEWER
    assert len(both.graph) == 1 and len(both.layers) == 9
    assert both.sections[-1] is Section.GRAPH
