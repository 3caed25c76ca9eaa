"""What the rows of the toolchain's report mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from qatlint.horizon.judging.facts import Generated, InSource, Settings, generated_of
from qatlint.horizon.judging.judge import grouped, judge, totals
from qatlint.horizon.judging.judgement import Judgement, Rank, Topic
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
    Weight,
    read,
)
from qatlint.trace import Kind

REPORTS = Path(__file__).with_name("reports")
QAT = "horizon_plugin_pytorch.nn.qat"
CONV, LINEAR, RELU = f"{QAT}.conv2d.Conv2d", f"{QAT}.linear.Linear", f"{QAT}.relu.ReLU"
FUNCTIONAL = f"{QAT}.functional_modules.FloatFunctional"
QUANT, DEQUANT = f"{QAT}.stubs.QuantStub", f"{QAT}.stubs.DeQuantStub"
F32, F16 = "torch.float32", "torch.float16"


def of(name: str, *topics: Topic) -> list[Judgement]:
    check = read((REPORTS / name).read_text(encoding="utf-8"))
    return [j for j in judge(check) if not topics or j.topic in topics]


def layer(name: str, dotted: str, given: str, out: str, axis: str = "-1", observer: str = "") -> Layer:
    return Layer(name, dotted, tuple(given.split()), tuple(out.split()), axis, observer)


def about(check: ModelCheck, topic: Topic, settings: Settings | None = None) -> list[Judgement]:
    return [j for j in judge(check, settings or Settings()) if j.topic is topic]


def test_the_pasted_file_counted() -> None:
    found = totals(of("pasted.txt"))
    assert found == {
        Topic.QINT32: (1, 0),
        Topic.FLOAT_INPUT: (0, 9),
        Topic.SHARED: (8, 0),
        Topic.UNFUSED: (6, 0),
        Topic.LOW_PRECISION: (1, 11),
        Topic.REDUNDANT_STUB: (0, 15),
    }
    floats = [(j.type, j.times) for j in of("pasted.txt", Topic.FLOAT_INPUT)]
    assert floats == [("FloatFunctional", 3), ("Linear", 5), ("LinearReLU", 1)]
    groups = [g for g in grouped(of("pasted.txt")) if g.topic is Topic.LOW_PRECISION]
    assert [(g.judgements[0].dtype, g.named, g.times) for g in groups] == [("qint8", 1, 8), ("qint32", 0, 4)]


def test_what_comes_first_stands_first() -> None:
    ranks = [j.rank for j in of("newer.txt")]
    assert ranks == sorted(ranks) and set(ranks) == set(Rank)


@pytest.mark.parametrize("name", ["pasted.txt", "newer.txt", "older.txt", "j5.txt"])
def test_every_judgement_says_why_and_what_next_and_orders_nothing(name: str) -> None:
    for judgement in of(name):
        assert judgement.reason and judgement.step and judgement.detail
        assert "must" not in judgement.reason + judgement.step
        assert not judgement.reason.endswith(".") and not judgement.step.endswith(".")


def test_sequences_in_a_loop_are_seen_by_their_numbers() -> None:
    found = of("pasted.txt", Topic.UNFUSED)
    assert len({j.reason for j in found}) == 1
    assert "rise by 2" in found[0].reason and "dynamic_block" in found[0].step
    assert found[0].codes == ("QAT201", "QAT202")
    assert found[2].names == ("model.view.input_proj.2.0", "model.view._generated_add_4")


def test_reasons_of_other_sequences() -> None:
    shared, called_again = of("newer.txt", Topic.UNFUSED)
    assert "several modules" in shared.reason and shared.names[0] == "neck.lateral.0.conv(shared)"
    assert "runs several times" in called_again.reason
    check = ModelCheck(sequences=((Member("a.conv", CONV), Member("a.relu", RELU)),))
    (plain,) = about(check, Topic.UNFUSED)
    assert "no cause" in plain.reason


def test_a_shared_convolution_with_an_add_for_each_of_its_calls() -> None:
    """The block makes one module of the add; so does a convolution for each call."""
    sequences = tuple(
        (Member("m.c", CONV, shared=True), Member(f"m._generated_add_{n}", FUNCTIONAL)) for n in (0, 2, 4)
    )
    found = list(about(ModelCheck(sequences=sequences, counts=(CallCount("m.c", 3),)), Topic.UNFUSED))
    assert {j.codes for j in found} == {("QAT201", "QAT202", "QAT101", "QAT102")}
    assert all("runs 3 times, and this `add` once" in j.reason for j in found)
    assert all("module of its own" in j.step and "dynamic_block" in j.step for j in found)
    without_counts = list(about(ModelCheck(sequences=sequences), Topic.UNFUSED))
    assert {j.codes for j in without_counts} == {("QAT201", "QAT202", "QAT101", "QAT102")}


NORM = f"{QAT}.batchnorm.BatchNorm2d"


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ({"c": 4, "b": 2, "a": 2, "r": 2}, "fit each other"),
        ({"c": 3, "b": 2, "a": 2, "r": 2}, "no multiple"),
        ({"c": 2, "b": 2, "a": 1, "r": 1}, "does not run equally often"),
        ({"c": 2, "b": 2, "a": 2, "r": 3}, "more often than the `Conv2d`"),
    ],
)
def test_how_often_members_run_for_fusion(times: dict[str, int], words: str) -> None:
    members = (Member("c", CONV), Member("b", NORM), Member("a", FUNCTIONAL), Member("r", RELU))
    counts = tuple(CallCount(name, number) for name, number in times.items() if number != 1)
    (found,) = about(ModelCheck(sequences=(members,), counts=counts), Topic.UNFUSED)
    assert words in found.reason and "runs several times" in found.reason
    assert found.codes == ("QAT101", "QAT102")


@pytest.mark.parametrize(
    ("dotted", "rank", "words"),
    [
        (QUANT, Rank.FIRST, "one QuantStub per tensor"),
        (FUNCTIONAL, Rank.CHECK, "one instance per call"),
        (CONV, Rank.KNOW, "sensitivity"),
        (f"{QAT}.conv2d.ConvAddReLU2d", Rank.KNOW, "sensitivity"),
        (DEQUANT, Rank.KNOW, "readable"),
        ("torch.nn.modules.dropout.Dropout", Rank.KNOW, "nothing to do"),
    ],
)
def test_sharing_weighs_by_what_is_shared(dotted: str, rank: Rank, words: str) -> None:
    check = ModelCheck(counts=(CallCount("m", 2),), layers=(layer("m", dotted, "qint8", "qint8"),))
    (found,) = about(check, Topic.SHARED)
    assert found.rank is rank and words in found.step


def test_what_source_says_of_a_kind_counts_where_the_file_says_nothing() -> None:
    check = ModelCheck(counts=(CallCount("m", 2), CallCount("m.div.mul", 2)))
    kinds = {"m": Kind.QUANT_STUB, "m.div": Kind.LUT_ACTIVATION}
    first, part = [j for j in judge(check, in_source=InSource(kinds)) if j.topic is Topic.SHARED]
    assert first.rank is Rank.FIRST
    assert part.rank is Rank.CHECK and "costs nothing" in part.reason


def test_parts_of_a_module_that_runs_again() -> None:
    assert all("`embed` may run 4 times" in j.reason for j in of("pasted.txt", Topic.SHARED))
    once = ModelCheck(counts=(CallCount("a.b", 2), CallCount("a.c", 3)))
    assert all("by the counts" not in j.reason for j in about(once, Topic.SHARED))
    generated = ModelCheck(counts=(CallCount("a._generated_mul_1", 2),))
    assert "call of a function" in about(generated, Topic.SHARED)[0].reason


def test_a_function_that_runs_again_in_the_model_itself_stands_in_a_block() -> None:
    (found,) = about(ModelCheck(counts=(CallCount("_generated_add_1", 4),)), Topic.SHARED)
    assert "the model's own forward" in found.reason and "dynamic_block" in found.reason
    (either,) = about(ModelCheck(counts=(CallCount("a._generated_add_1", 4),)), Topic.SHARED)
    assert "whose forward calls the function, or a dynamic_block" in either.reason


def test_a_module_around_runs_again_only_if_all_its_parts_do() -> None:
    twice = (CallCount("neck.a.relu", 2), CallCount("neck.b.relu", 2))
    old = ModelCheck(counts=twice, generation=Generation.OLDER)
    assert {"`neck` may run 2 times" in j.reason for j in about(old, Topic.SHARED)} == {True}
    # The rows of layers tell what runs once.
    rows = [layer(f"neck.{x}.relu", RELU, "qint8", "qint8")._replace(call=i) for x in "ab" for i in (0, 1)]
    rows.append(layer("quant", QUANT, F32, "qint8"))
    total = Statistic("total", ((F32, 1), ("qint8", 4)))
    all_again = old._replace(layers=tuple(rows), inputs=(total,))
    assert all("`neck` runs 2 times" in j.reason for j in about(all_again, Topic.SHARED))
    once = old._replace(layers=(*rows, *(layer(f"neck.{x}.conv", CONV, "qint8", "qint8") for x in "ab")))
    assert not any("`neck`" in j.reason or " with all" in j.reason for j in about(once, Topic.SHARED))
    # Of some rows nobody knows whether they are all there are.
    for some in (all_again._replace(inputs=()), ModelCheck(counts=(*twice, CallCount("quant", 1)))):
        assert all("`neck` may run 2 times" in j.reason for j in about(some, Topic.SHARED))


def test_a_module_that_never_ran() -> None:
    (found,) = of("newer.txt", Topic.NEVER)
    assert found.names == ("aux.conv",) and "miss_key" in found.reason and found.codes == ("QAT103",)


def test_a_quantstub_that_is_given_the_same_constant_each_time_mixes_no_scales() -> None:
    def graph(*constants: str) -> tuple[GraphNode, ...]:
        nodes = [GraphNode("placeholder", "x", "x", "()")]
        for number, constant in enumerate(constants):
            opcode = "placeholder" if constant == "x" else "get_attr"
            nodes += [
                GraphNode(opcode, f"c{number}", constant, "()"),
                GraphNode("call_module", f"quant_{number}", "quant", f"(c{number},)"),
            ]
        return tuple(nodes)

    row = layer("quant", QUANT, F32, "qint8")
    check = ModelCheck(counts=(CallCount("quant", 2),), layers=(row, row._replace(call=1)))
    for constants, rank in (
        (("table", "table"), Rank.KNOW),
        (("table", "other"), Rank.FIRST),
        (("table", "x"), Rank.FIRST),
        (("table",), Rank.FIRST),
        ((), Rank.FIRST),
    ):
        (found,) = about(check._replace(graph=graph(*constants)), Topic.SHARED)
        assert found.rank is rank
        assert ("the same constant, `table`" in found.reason) is (rank is Rank.KNOW)
        assert ("several tensors" in found.reason) is (rank is Rank.FIRST)


def test_which_input_is_float() -> None:
    check = ModelCheck(
        layers=(
            layer("add", FUNCTIONAL, f"qint16 {F32}", "qint16"),
            layer("lin", LINEAR, F32, F32),
            layer("quant", QUANT, F32, "qint8"),
        )
    )
    mixed, alone = about(check, Topic.FLOAT_INPUT)
    assert "second input" in mixed.reason and mixed.rank is Rank.FIRST
    assert "nothing it is given is quantised" in alone.reason
    assert "suspect" in mixed.reason and "suspect" in alone.reason
    beside_positions = ModelCheck(layers=(layer("g", f"{QAT}.gather.Gather", f"{F32} torch.int64", F32),))
    assert "nothing it is given is quantised" in about(beside_positions, Topic.FLOAT_INPUT)[0].reason
    (told,) = [j for j in of("newer.txt", Topic.FLOAT_INPUT) if j.rank is Rank.FIRST]
    assert "lists it as mixed" in told.reason
    assert of("newer.txt", Topic.MIXED) == []


def test_a_module_of_which_only_parts_have_rows_is_no_identity() -> None:
    graph = (
        GraphNode("placeholder", "x", "x", "()"),
        GraphNode("call_module", "conv", "conv", "(x,)"),
        GraphNode("call_module", "between", "between", "(conv,)"),
        GraphNode("call_module", "d", "d", "(between,)"),
    )
    ends = (layer("conv", CONV, "qint8", "qint8"), layer("d", DEQUANT, "qint8", F32))
    for rows, is_gemm in (
        (ends, True),
        ((ends[0], layer("between.mul", FUNCTIONAL, "qint8", "qint8"), ends[1]), False),
    ):
        total = Statistic("total", (("qint8", len(rows)),))
        (found,) = about(ModelCheck(layers=rows, inputs=(total,), graph=graph), Topic.LOW_PRECISION)
        assert ("`conv` stands before it" in found.reason) is is_gemm


def test_a_pair_that_the_newer_template_fuses_is_no_float_input() -> None:
    pair = (
        layer("conv", CONV, "qint8", F32, "activation = None"),
        layer("relu", RELU, F32, "qint8"),
    )
    assert about(ModelCheck(layers=pair), Topic.FLOAT_INPUT) == []
    apart = (pair[0], layer("x", FUNCTIONAL, "qint8", "qint8"), pair[1])
    assert len(about(ModelCheck(layers=apart), Topic.FLOAT_INPUT)) == 1
    # The graph knows better than the order of rows.
    other = layer("conv1", CONV, "qint8", F32)
    for rows, source, alarms in ((pair, "conv", 0), (pair, "x", 1), ((pair[0], other, pair[1]), "conv", 0)):
        graph = (
            GraphNode("placeholder", "x", "x", "()"),
            GraphNode("call_module", "conv", "conv", "(x,)"),
            GraphNode("call_module", "conv1", "conv1", "(x,)"),
            GraphNode("call_module", "relu", "relu", f"({source},)"),
        )
        assert len(about(ModelCheck(layers=rows, graph=graph), Topic.FLOAT_INPUT)) == alarms
    counted = (Statistic(RELU, ((F32, 1),)), Statistic("total", ((F32, 1),)))
    assert about(ModelCheck(layers=pair, inputs=counted), Topic.FLOAT_INPUT) == []


def test_chips_with_float16_compute_in_float() -> None:
    rows = (
        layer("a", LINEAR, F32, F16),
        layer("b", LINEAR, F32, "qint8"),
        layer("c", LINEAR, F32, F32, "qconfig = None"),
        layer("d", LINEAR, F32, F32, "fakecast to torch.float16"),
    )
    for check, settings in (
        (ModelCheck(layers=rows), Settings(march="nash-p")),
        (ModelCheck(layers=rows), Settings()),
    ):
        ranks = {j.names[0]: j.rank for j in about(check, Topic.FLOAT_INPUT, settings)}
        assert ranks == {"a": Rank.KNOW, "b": Rank.FIRST, "c": Rank.CHECK, "d": Rank.KNOW}
    ranks = {
        j.names[0]: j.rank for j in about(ModelCheck(layers=rows), Topic.FLOAT_INPUT, Settings("nash-e"))
    }
    assert set(ranks.values()) == {Rank.FIRST}


@pytest.mark.parametrize(("march", "rank"), [("", Rank.KNOW), ("nash-p", Rank.KNOW), ("nash-e", Rank.CHECK)])
def test_float16_is_for_chips_that_compute_in_it(march: str, rank: Rank) -> None:
    """Both as the row of a layer and as one of mixed dtypes, which may be all that was pasted."""
    message = "Mixed input dtype ['qint8'] and output dtype [torch.float16]"
    row = Suspicious("m", f"{QAT}.linear.Linear", message)
    (found,) = about(ModelCheck(suspicious=(row,)), Topic.MIXED, Settings(march))
    assert found.rank is rank
    assert ("this chip does not compute" in found.reason) is (rank is Rank.CHECK)
    assert found.codes == (), "no QuantStub is missing"
    floats = about(ModelCheck(layers=(layer("a", LINEAR, F16, F16),)), Topic.FLOAT_INPUT, Settings(march))
    assert [judgement.rank for judgement in floats] == [Rank.CHECK] * (rank is Rank.CHECK)


def test_what_stands_before_a_dequant_stub() -> None:
    gemm, function = of("older.txt", Topic.LOW_PRECISION)
    assert "`head.cls`" in gemm.reason and "other users" in gemm.step
    assert "`reshape`" in function.reason and "move it behind" in function.step


def before_a_stub(name: str, kind: str, *others: Layer) -> Judgement:
    """What is said of a DeQuantStub that takes int8 from a module of a class."""
    graph = tuple(
        GraphNode(code, n, n, args)
        for code, n, args in (
            ("placeholder", "x", "()"),
            ("call_module", name, "(x,)"),
            ("call_module", "d", f"({name},)"),
        )
    )
    rows = (layer(name, kind, "qint8", "qint8"), layer("d", DEQUANT, "qint8", F32), *others)
    (found,) = about(ModelCheck(layers=rows, graph=graph), Topic.LOW_PRECISION)
    return found


def test_what_stands_before_a_dequant_stub_is_said_as_it_is() -> None:
    """A fused add by its class; where all is quantised, that it is so; and a QuantStub needs no GEMM op."""
    fused = before_a_stub("_generated_add_0", f"{QAT}.conv2d.ConvAdd2d")
    assert "the GEMM operation `_generated_add_0` (ConvAdd2d) stands before it" in fused.reason
    assert fused.reason.endswith("as all are in this report") and "qatlint trace" in fused.step
    others = before_a_stub("conv", CONV, layer("other", CONV, "qint8", F32))
    assert "`conv` stands before it" in others.reason
    assert "all are" not in others.reason and "qatlint trace" not in others.step
    stub = before_a_stub("q0", QUANT)
    assert stub.reason == "nothing is computed between `q0` and it: it gives what that is given, as qint8"
    assert stub.step == "give out what `q0` is given, without both stubs"


def test_qint32_before_a_dequant_stub_is_a_wrong_qconfig() -> None:
    (found,) = about(ModelCheck(layers=(layer("d", DEQUANT, "qint32", F32),)), Topic.LOW_PRECISION)
    assert "no high precision" in found.reason and "correct the qconfig" in found.step


def test_a_stub_that_is_given_what_is_quantised() -> None:
    (found,) = about(ModelCheck(layers=(layer("q", QUANT, "qint8", "qint8"),)), Topic.REDUNDANT_STUB)
    assert found.rank is Rank.KNOW and found.codes == ("QAT303",)


def test_int8_where_int16_was_set() -> None:
    rows = (layer("a", LINEAR, "qint16", "qint8"), layer("p", "torch.nn.MaxPool2d", "qint16", "qint8"))
    check = ModelCheck(layers=rows)
    assert about(check, Topic.OTHER_DTYPE) == []
    said = about(check, Topic.OTHER_DTYPE, Settings(expect="qint16"))
    assert [(j.names[0], j.rank) for j in said] == [("a", Rank.CHECK), ("p", Rank.KNOW)]
    most = ModelCheck(layers=rows, outputs=(Statistic("total", ((F32, 9), ("qint8", 2), ("qint16", 98))),))
    assert len(about(most, Topic.OTHER_DTYPE)) == 2


def test_scales_that_do_not_move() -> None:
    both = ModelCheck(
        layers=(layer("c", CONV, "qint8", "qint8", "-1", "MinMaxObserver(averaging_constant=0)"),),
        weights=(Weight("c", CONV, "qint8", "0", "MinMaxObserver(averaging_constant=0)"),),
    )
    assert [j.rank for j in about(both, Topic.FROZEN)] == [Rank.KNOW, Rank.KNOW]
    half = both._replace(
        weights=(both.weights[0]._replace(observer="MinMaxObserver(averaging_constant=0.01)"),)
    )
    (found,) = about(half, Topic.FROZEN)
    assert found.rank is Rank.CHECK and "only half" in found.reason
    assert "requires_grad" in found.step


@pytest.mark.parametrize(
    ("output", "weight", "names"),
    [
        ("", "MinMaxObserver(averaging_constant=0)", {"weight scale fixed": Rank.KNOW}),
        (
            "FixedScaleObserver(scale=tensor([0.5]),zero_point=tensor([0]))",
            "MinMaxObserver(averaging_constant=0)",
            {"weight scale fixed": Rank.KNOW},
        ),
        ("MinMaxObserver", "MinMaxObserver(averaging_constant=0)", {"weight scale fixed": Rank.CHECK}),
        ("MinMaxObserver(averaging_constant=0)", "", {"activation scale fixed": Rank.KNOW}),
    ],
)
def test_a_scale_that_is_fixed_or_missing_does_not_move(
    output: str, weight: str, names: dict[str, Rank]
) -> None:
    check = ModelCheck(
        layers=(layer("c", CONV, "qint8", "qint8", "-1", output),),
        weights=(Weight("c", CONV, "qint8", "0", weight),),
    )
    assert {j.detail: j.rank for j in about(check, Topic.FROZEN)} == names


@pytest.mark.parametrize(
    ("convs", "relus", "march", "rank", "words"),
    [
        (5, 4, "", Rank.CHECK, "fuses it with a convolution"),
        (4, 4, "", Rank.FIRST, "suspect that a QuantStub is missing"),  # one of these is an output
        (4, 4, "nash-p", Rank.CHECK, "nor cast to float16"),
    ],
)
def test_float_inputs_that_only_the_statistics_count(
    convs: int, relus: int, march: str, rank: Rank, words: str
) -> None:
    check = ModelCheck(
        inputs=(Statistic(RELU, ((F32, relus),)), Statistic(DEQUANT, ((F32, 1),))),
        outputs=(Statistic(CONV, ((F32, convs),)),),
    )
    (found,) = about(check, Topic.FLOAT_INPUT, Settings(march))
    assert (found.rank, found.times) == (rank, relus) and words in found.reason


def test_fixed_scales_in_numbers() -> None:
    details = [j.detail for j in of("newer.txt", Topic.FIXED)]
    assert details[0] == "fixed scale 3.0518e-05: qint16 then holds -1 to 1"
    (told,) = of("older.txt", Topic.FIXED)
    assert told.detail == "fixed scale 0.0078125: qint8 then holds -1 to 0.9922"


def test_rows_that_the_toolchain_asks_about() -> None:
    (weight,) = of("older.txt", Topic.WEIGHT)
    assert weight.names == ("head.cls",)
    (odd,) = of("newer.txt", Topic.OTHER)
    assert odd.detail == "something that nobody knows" and "asks to check" in odd.reason
    assert [j.names for j in of("newer.txt", Topic.NO_ACTIVATION)] == [("head.conv",)]
    assert [j.names for j in of("newer.txt", Topic.NO_QCONFIG)] == [("head.free",)]
    assert [j.detail for j in of("newer.txt", Topic.UNUSUAL)] == ["float32*int8"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("model.view._generated_add_4", Generated("model.view", "add", 4, "")),
        ("_generated_add_0", Generated("", "add", 0, "")),
        ("a._generated_adaptive_avg_pool2d_1.mul", Generated("a", "adaptive_avg_pool2d", 1, "mul")),
        ("refinement_generated_add_0", Generated("refinement", "add", 0, "")),
        ("a.regenerated_add_0x", None),
        ("a.add", None),
    ],
)
def test_names_that_prepare_makes(name: str, found: Generated | None) -> None:
    assert generated_of(name) == found


def test_a_clean_report_asks_for_nothing() -> None:
    text = "All fusable modules are fused in model!\n\nAll modules in the model run exactly once.\n"
    check = read(text)
    assert check.sections == (Section.FUSION, Section.COUNTS)
    assert judge(check) == []


@pytest.mark.parametrize(
    ("given", "out", "words", "codes"),
    [
        ("['qint8', torch.int64]", "['qint8']", "positions", ()),
        ("['qint8', torch.bool]", "['qint8']", "a mask", ()),
        ("['qint8']", "[torch.float32]", "high precision", ()),
        ("['qint8', torch.float32]", "['qint8']", "QuantStub is missing", ("QAT301", "QAT302")),
        ("[torch.float32]", "[torch.float16, torch.int64]", "QuantStub is missing", ("QAT301", "QAT302")),
        ("['qint8', torch.float16]", "['qint8']", "float16 tensors meet", ()),
        ("['qint8']", "[torch.float16]", "float16 tensors meet", ()),
        ("[torch.float16, torch.int64]", "[torch.float16]", "positions", ()),
    ],
)
def test_what_is_mixed_is_said_by_the_dtypes(
    given: str, out: str, words: str, codes: tuple[str, ...]
) -> None:
    message = f"Mixed input dtype {given} and output dtype {out}"
    check = ModelCheck(suspicious=(Suspicious("m", f"{QAT}.gather.Gather", message),))
    (found,) = about(check, Topic.MIXED)
    assert words in found.reason and found.codes == codes
    assert ("float input" in found.step) is bool(codes)


@pytest.mark.parametrize(
    ("node", "before", "is_gemm"),
    [
        (("call_function", "m", "up.l._generated_matmul_0", "(x, x)"), "up.l._generated_matmul_0", True),
        (("call_function", "m", "up.l._generated_add_3", "(x, x)"), "up.l._generated_add_3", False),
        (("call_module", "m", "ff", "(x, x)"), "ff", True),
        (("call_module", "m", "gg", "(x, x)"), "gg", False),
        (("call_function", "m", "torch.Tensor.permute", "(x,)"), "permute", False),
        (("call_function", "m", "<built-in method conv2d of type object at 0x7f>", "(x, w)"), "", None),
    ],
)
def test_what_is_a_gemm_before_a_dequant_stub(
    node: tuple[str, str, str, str], before: str, is_gemm: bool | None
) -> None:
    check = ModelCheck(
        layers=(
            layer("ff", FUNCTIONAL, "qint8", "qint8")._replace(method="matmul"),
            layer("gg", FUNCTIONAL, "qint8", "qint8")._replace(method="add"),
            layer("d", DEQUANT, "qint8", F32),
        ),
        graph=(
            GraphNode("placeholder", "x", "x", "()"),
            GraphNode(*node),
            GraphNode("call_module", "d", "d", "(m,)"),
        ),
    )
    (found,) = about(check, Topic.LOW_PRECISION)
    assert f"`{before}` stands before it" in found.reason or is_gemm is None
    assert ("the GEMM operation" in found.reason) is (is_gemm is True)
    assert ("move it behind" in found.step) is (is_gemm is False)


def test_a_weight_that_only_the_rows_to_check_tell_of() -> None:
    row = Suspicious("c", CONV, "qint16 weight!!!")
    for weight, number in ((Weight("c", CONV, "", "0", ""), 1), (Weight("c", CONV, "qint16", "0", ""), 1)):
        assert len(about(ModelCheck(weights=(weight,), suspicious=(row,)), Topic.WEIGHT)) == number
