"""What the toolchain's report would say of a forward, and that its reader understands it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from qatlint.horizon.judging.judge import judge
from qatlint.horizon.judging.judgement import Topic
from qatlint.horizon.report import CallCount, Member, ModelCheck, Statistic, read, write
from qatlint.horizon.report.whole import is_whole
from qatlint.horizon.report.writer import write_graph
from qatlint.runtime.model_check import model_check
from tests.runtime.forward import Forward

FUNCTIONAL = "horizon_plugin_pytorch.FloatFunctional"
CONV = "torch.nn.Conv2d"
STUB = "torch.ao.quantization.stubs"


def the_loop() -> ModelCheck:
    """The first user document in small: a camera loop whose convolutions and adds do not fuse, a position
    embedding that runs twice, and a constant that nobody quantised."""
    f = Forward()
    x = f.quant(f.input())
    with f.run("view"):
        views = [
            f.function("add", f.module("Conv2d", f"proj.{turn}", x, line=7), x, line=7) for turn in range(2)
        ]
        x = f.function("torch.cat", *views)
    for _ in range(2):
        with f.run("embed"):
            x = f.method("mul", "mul", x, f.constant("table"))
    f.output(f.dequant(x))
    return model_check(f.flow)


def test_it_says_what_the_toolchain_would() -> None:
    check = the_loop()
    assert check.sequences == (
        (Member("view.proj.0", CONV), Member("view._generated_add_0", FUNCTIONAL)),
        (Member("view.proj.1", CONV), Member("view._generated_add_1", FUNCTIONAL)),
    )
    assert [count for count in check.counts if count.times != 1] == [CallCount("embed.mul", 2)]
    assert [layer.label for layer in check.layers] == [
        *(
            "quant",
            "view.proj.0",
            "view._generated_add_0[add]",
            "view.proj.1",
            "view._generated_add_1[add]",
            "view._generated_cat_0[cat]",
        ),
        *("embed.mul[mul]", "embed.mul[mul](1)", "dequant"),
    ]
    assert check.layers[-1].inputs == ("qint8",) and check.layers[-1].outputs == ("torch.float32",)
    assert check.layers[6].inputs == ("qint8", "torch.float32") and check.layers[6].ch_axis == "-1"
    assert [row.name for row in check.suspicious] == ["embed.mul[mul]", "embed.mul[mul](1)"]
    assert check.inputs[-1] == Statistic("total", (("torch.float32", 3), ("qint8", 8)))
    assert check.outputs[0] == Statistic(f"{STUB}.QuantStub", (("qint8", 1), ("torch.float32", 0)))


def test_the_graph_leads_from_one_op_to_the_next() -> None:
    graph = the_loop().graph
    assert [(node.opcode, node.name, node.args) for node in graph[:4]] == [
        ("placeholder", "x", "()"),
        ("call_module", "quant", "(x)"),
        ("call_module", "view_proj_0", "(quant)"),
        ("call_function", "view__generated_add_0", "(view_proj_0, quant)"),
    ]
    assert len({node.name for node in graph}) == len(graph)


def test_what_is_written_is_read_and_judged() -> None:
    check = the_loop()
    again = read(write(check) + "\n" + write_graph(check))
    assert again == check
    topics = {judgement.topic for judgement in judge(again)}
    assert {Topic.UNFUSED, Topic.SHARED, Topic.FLOAT_INPUT} <= topics


def test_a_model_in_order() -> None:
    f = Forward()
    f.output(f.dequant(f.module("Conv2d", "conv", f.quant(f.input()))))
    check = model_check(f.flow)
    assert check.all_fused and check.all_once and not check.suspicious
    # A graph in the same file is the older form, where no table of counts says otherwise.
    again = read(write(check) + "\n" + write_graph(check))
    assert again._replace(generation=check.generation) == check


def test_identities_are_not_counted() -> None:
    f = Forward()
    f.never_run("torch.nn.modules.linear.Identity", "skip.activation_post_process")
    f.never_run("torch.nn.modules.conv.Conv2d", "aux")
    f.output(f.dequant(f.quant(f.input())))
    assert [count for count in model_check(f.flow).counts if count.times != 1] == [CallCount("aux", 0)]


def test_what_is_inside_of_a_leaf_is_not_counted() -> None:
    f = Forward()
    f.never_run("torch.nn.modules.linear.Linear", "attention.out_proj")
    f.never_run("torch.nn.modules.linear.Linear", "idle.lin")
    x = f.module("MultiheadAttention", "attention", f.quant(f.input()))
    f.output(f.dequant(x))
    names = [count.name for count in model_check(f.flow).counts]
    assert "attention" in names and "idle.lin" in names and "attention.out_proj" not in names


def test_what_is_fused_has_one_row_in_the_place_of_its_add_or_of_its_root() -> None:
    """With what the last member gives; an Identity has no row, and other modules stand for themselves."""
    f = Forward()
    x = f.module("Identity", "skip", f.quant(f.input()))
    x = f.module("BatchNorm2d", "bn", f.module("Conv2d", "conv", x))
    y = f.module("ConvTranspose2d", "up", x)
    y = f.module("ReLU", "relu", f.function("add", y, x))
    y = f.function("torch.nn.functional.relu", f.module("Linear", "lin", y))
    f.output(f.dequant(f.module("Sigmoid", "act", y)))
    check = model_check(f.flow)
    assert [(layer.label, layer.type.rpartition(".")[2]) for layer in check.layers] == [
        ("quant", "QuantStub"),
        ("conv", "Conv2d"),
        ("_generated_add_0", "ConvTransposeAddReLU2d"),
        ("lin", "LinearReLU"),
        ("act", "Sigmoid"),
        ("dequant", "DeQuantStub"),
    ]
    types, qat = {layer.name: layer.type for layer in check.layers}, "horizon_plugin_pytorch.nn.qat"
    assert types["_generated_add_0"] == f"{qat}.conv_transpose2d.ConvTransposeAddReLU2d"
    assert types["lin"] == f"{qat}.linear.LinearReLU"
    assert check.layers[2].inputs == ("qint8", "qint8") and check.layers[2].outputs == ("qint8",)
    # The statistics are those of the rows.
    assert is_whole(check) and check.all_fused


@pytest.mark.parametrize(
    ("place", "shown"), [("conv", "`conv`"), ("_generated_add_0", "`_generated_add_0` (ConvAddReLU2d)")]
)
def test_what_stands_before_a_dequant_stub_is_the_fused_module(place: str, shown: str) -> None:
    f = Forward()
    x = f.quant(f.input())
    y = f.module("Conv2d", "conv", x)
    y = f.function("add", y, x) if place != "conv" else y
    f.output(f.dequant(f.module("ReLU", "relu", y)))
    check = model_check(f.flow)
    again = read(write(check) + "\n" + write_graph(check))
    (found,) = [judgement for judgement in judge(again) if judgement.topic is Topic.LOW_PRECISION]
    assert f"the GEMM operation {shown} stands before it" in found.reason
    # Where rows may be missing, nobody knows that the ReLU is none.
    cut = again._replace(layers=tuple(row for row in again.layers if row.name != "quant"))
    (found,) = [judgement for judgement in judge(cut) if judgement.topic is Topic.LOW_PRECISION]
    assert "the GEMM operation" not in found.reason


def test_what_is_fused_away_is_not_counted() -> None:
    f = Forward()
    f.never_run("torch.nn.modules.conv.Conv2d", "idle")
    x = f.module("Conv2d", "conv", f.quant(f.input()))
    x = f.module("BatchNorm2d", "bn", x)
    y = f.module("Conv2d", "skip", x)
    f.output(f.dequant(f.module("ReLU", "relu", f.function("add", y, x))))
    counts = {count.name for count in model_check(f.flow).counts}
    assert counts == {"conv", "_generated_add_0", "quant", "dequant", "idle"}


def conv(f: Forward, x: int, name: str = "conv") -> int:
    return f.module("Conv2d", name, x)


def two_adds(f: Forward, x: int, give: Callable[[int, int], int]) -> None:
    """Two convolutions with an add each in one line, which is a loop to prepare: neither fuses."""
    sums = [f.function("add", give(conv(f, x, f"conv{n}"), n), x, line=7) for n in range(2)]
    f.output(f.dequant(f.function("torch.cat", *sums)))


def out_of_order(f: Forward, x: int) -> None:
    f.output(f.dequant(conv(f, f.module("BatchNorm2d", "bn", x))))


def shared_relu(f: Forward, x: int) -> None:
    a, b = (f.module("ReLU", "relu", conv(f, x, f"conv{n}")) for n in range(2))
    f.output(f.dequant(f.function("mul", a, b)))


def last_has_users(f: Forward, x: int) -> None:
    y = conv(f, x)
    z = f.module("ReLU", "relu", y)
    f.output(f.dequant(f.function("mul", f.function("mul", z, y), z)))


def first_has_users(f: Forward, x: int) -> None:
    y = conv(f, x)
    f.output(f.dequant(f.function("mul", f.module("ReLU", "relu", y), y)))


def behind_a_function(f: Forward, x: int) -> None:
    two_adds(f, x, lambda y, _: f.function("flatten", y))


def directly(f: Forward, x: int) -> None:
    two_adds(f, x, lambda y, _: y)


def behind_an_identity(f: Forward, x: int) -> None:
    two_adds(f, x, lambda y, n: f.module("BatchNorm2d", f"bn{n}", y))


def outside(f: Forward, x: int) -> None:
    two_adds(f, f.dequant(x, "out"), lambda y, _: y)


@pytest.mark.parametrize(
    ("body", "listed"),
    [
        # In no pattern of the table, which begins with a convolution.
        (out_of_order, []),
        # What the check knows: a member that is not the first has one user and one source, over all its calls.
        (shared_relu, []),
        (last_has_users, []),
        (first_has_users, ["conv(shared) relu"]),
        # It sees modules only; a folded batch norm leaves an Identity in between.
        (behind_a_function, []),
        (behind_an_identity, []),
        (directly, ["conv0 _generated_add_0", "conv1 _generated_add_1"]),
        # prepare has dropped what is not between the stubs.
        (outside, []),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_sequences_are_those_that_the_toolchain_lists(
    body: Callable[[Forward, int], None], listed: list[str]
) -> None:
    f = Forward()
    body(f, f.quant(f.input()))
    found = model_check(f.flow).sequences
    assert [" ".join(m.name + "(shared)" * m.shared for m in row) for row in found] == listed


def test_results_that_go_to_several_are_marked() -> None:
    f = Forward()
    x = f.quant(f.input())
    y = f.module("Conv2d", "conv", x)
    f.output(f.dequant(f.function("mul", f.module("ReLU", "relu", y), y)))
    (sequence,) = model_check(f.flow).sequences
    assert [(member.name, member.shared) for member in sequence] == [("conv", True), ("relu", False)]
