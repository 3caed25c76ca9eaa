"""Rows that mean something else for what stands beside them: pairs, what passes on, blocks, versions."""

from __future__ import annotations

from qatlint.horizon.judging.facts import Settings
from qatlint.horizon.judging.judge import judge
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
from qatlint.horizon.report import CallCount, GraphNode, Layer, ModelCheck, Suspicious

QAT = "horizon_plugin_pytorch.nn.qat"
CONV, RELU = f"{QAT}.conv2d.Conv2d", f"{QAT}.relu.ReLU"
UP = f"{QAT}.conv_transpose2d.ConvTranspose2d"
FUNCTIONAL, DEQUANT = f"{QAT}.functional_modules.FloatFunctional", f"{QAT}.stubs.DeQuantStub"
F32 = "torch.float32"


def layer(name: str, dotted: str, given: str, out: str) -> Layer:
    return Layer(name, dotted, tuple(given.split()), tuple(out.split()), "-1", "")


def about(check: ModelCheck, topic: Topic, expect: str = "") -> dict[str, Judgement]:
    return {j.names[0]: j for j in judge(check, Settings(expect=expect)) if j.topic is topic and j.names}


def pair(name: str) -> tuple[Layer, Layer]:
    return layer(f"{name}.conv", CONV, "qint8", F32), layer(f"{name}.relu", RELU, F32, "qint8")


def test_pairs_of_two_heads_whose_rows_take_turns() -> None:
    (first, relu), (second, other) = pair("d"), pair("e")
    assert about(ModelCheck(layers=(first, second, relu, other)), Topic.FLOAT_INPUT) == {}
    between = layer("d.add", FUNCTIONAL, "qint8 qint8", "qint8")
    found = about(ModelCheck(layers=(first, second, between, relu, other)), Topic.FLOAT_INPUT)
    # Only the graph tells whether it takes what the convolution gives.
    assert [(name, j.rank, "fx_graph.txt" in j.step) for name, j in found.items()] == [
        ("d.relu", Rank.CHECK, True)
    ]
    alone = about(ModelCheck(layers=(between, relu)), Topic.FLOAT_INPUT)
    assert alone["d.relu"].rank is Rank.FIRST


def test_what_the_toolchain_asks_of_a_pair_is_no_output() -> None:
    rows = tuple(
        Suspicious("a.conv", CONV, message)
        for message in (
            "activation is None. Maybe output layer?",
            f"Mixed input dtype ['qint8'] and output dtype [{F32}]",
        )
    )
    for layers, rank, words in [
        (pair("a"), Rank.KNOW, "ReLU behind it"),
        (pair("a")[:1], Rank.CHECK, "high"),
    ]:
        check = ModelCheck(layers=layers, suspicious=rows)
        mixed, output = about(check, Topic.MIXED)["a.conv"], about(check, Topic.NO_ACTIVATION)["a.conv"]
        assert mixed.rank is rank and words in mixed.reason
        assert ("goes to a DeQuantStub only" in output.reason) is (rank is Rank.CHECK)


def test_what_passes_on_int8_did_not_fall_back() -> None:
    rows = [
        ("relu", RELU, "qint8", Rank.KNOW),
        ("drop", "torch.nn.modules.dropout.Dropout", "qint8", Rank.KNOW),
        ("same", "torch.nn.modules.linear.Identity", "qint8", Rank.KNOW),
        ("late", RELU, "qint16", Rank.CHECK),
        ("cat", FUNCTIONAL, "qint8", Rank.CHECK),
    ]
    check = ModelCheck(layers=tuple(layer(name, kind, given, "qint8") for name, kind, given, _ in rows))
    found = about(check, Topic.OTHER_DTYPE, "qint16")
    assert {name: j.rank for name, j in found.items()} == {name: rank for name, _, _, rank in rows}
    assert "passes on" in found["relu"].reason and "qconfig set by hand" in found["cat"].step


def test_a_function_beside_what_runs_once_is_in_a_block() -> None:
    add = CallCount("view._generated_add_1", 3)
    for beside, words in [(1, "as a dynamic_block does"), (3, "the module whose forward calls the function")]:
        counts = (add, CallCount("view.q_pos", beside), CallCount("quant", 1))
        found = about(ModelCheck(counts=counts), Topic.SHARED)["view._generated_add_1"]
        assert words in found.reason
    assert "instance per call" in found.step


def test_of_some_operations_the_version_says_whether_they_are_gemm() -> None:
    graph = tuple(
        GraphNode("call_module", name, name, f"({given},)")
        for name, given in (("conv", "x"), ("dequant", "conv"), ("up", "x"), ("dequant2", "up"))
    )
    layers = (
        layer("conv", CONV, "qint8", "qint8"),
        layer("dequant", DEQUANT, "qint8", F32),
        layer("up", UP, "qint8", "qint8"),
        layer("dequant2", DEQUANT, "qint8", F32),
    )
    found = about(ModelCheck(layers=layers, graph=graph), Topic.LOW_PRECISION)
    assert found["dequant"].reason.startswith("the GEMM operation `conv`")
    assert "`up`" in found["dequant2"].reason and "version" in found["dequant2"].reason
    assert "set by hand" not in found["dequant2"].step


def test_of_a_list_each_entry_runs_again() -> None:
    """A list never runs itself."""
    for names, words in [
        (("bbox.0.act", "bbox.0.conv", "bbox.1.act"), "each entry of `bbox`"),
        (("bbox.act", "bbox.norm", "bbox.0.act"), "`bbox`"),
    ]:
        counts = tuple(CallCount(name, 2) for name in names)
        found = about(ModelCheck(counts=counts), Topic.SHARED)[names[0]]
        assert f"; {words} may run 2 times" in found.reason


def test_float_inputs_of_other_widths() -> None:
    check = ModelCheck(
        layers=(
            layer("double", CONV, "qint8 torch.float64", "qint8"),
            layer("brain", CONV, "torch.bfloat16", "qint8"),
            layer("numbers", FUNCTIONAL, "qint8 torch.int64", "qint8"),
        )
    )
    found = about(check, Topic.FLOAT_INPUT)
    assert {name: j.rank for name, j in found.items()} == {"double": Rank.FIRST, "brain": Rank.FIRST}
    assert "second input" in found["double"].reason


def test_float16_on_a_chip_without_it_is_told_where_it_is_made() -> None:
    layers = (
        layer("quant", "horizon_plugin_pytorch.nn.qat.stubs.QuantStub", F32, "torch.float16"),
        layer("conv", CONV, "qint8", "torch.float16"),
        layer("dequant", DEQUANT, "torch.float16", F32),
    )
    rows = judge(ModelCheck(layers=layers), Settings(march="nash-e"))
    assert {j.names[0] for j in rows if "float16, in which this chip" in j.reason} == {"quant", "conv"}
    rows = judge(ModelCheck(layers=layers), Settings(march="nash-p"))
    assert not [j for j in rows if "float16, in which this chip" in j.reason]


def test_mixed_rows_by_what_they_name() -> None:
    def row(name: str, given: str, out: str) -> Suspicious:
        return Suspicious(name, CONV, f"Mixed input dtype [{given}] and output dtype [{out}]")

    rows = (
        row("wide", "'qint16'", "'qint32'"),
        row("none", "", "'qint8'"),
        row("told", "'qint8'", "'qint32'"),
    )
    layers = (layer("told", CONV, "qint8", "qint32"),)
    check = ModelCheck(layers=layers, suspicious=rows)
    assert {name: j.rank for name, j in about(check, Topic.QINT32).items()} == {
        "told": Rank.FIRST,
        "wide": Rank.FIRST,
    }
    mixed = about(check, Topic.MIXED)
    assert set(mixed) == {"none"} and "float input" not in mixed["none"].step
