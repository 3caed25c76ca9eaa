"""What the toolchain's report would say of a forward, and that its reader understands it."""

from __future__ import annotations

from qatlint.horizon.judging.judge import judge
from qatlint.horizon.judging.judgement import Topic
from qatlint.horizon.report import CallCount, Member, ModelCheck, Statistic, read, write
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
    for turn in range(2):
        with f.run("view"):
            x = f.function("add", f.module("Conv2d", f"proj.{turn}", x, line=7), x, line=7)
    for _ in range(2):
        with f.run("embed"):
            x = f.method("mul", "mul", x, f.constant("table"))
    f.output(f.dequant(x))
    return model_check(f.flow)


def test_it_says_what_the_toolchain_would() -> None:
    check = the_loop()
    assert check.sequences == (
        (Member("view.proj.0", CONV), Member("view._generated_add_0", FUNCTIONAL)),
        (Member("view.proj.1", CONV), Member("view._generated_add_0", FUNCTIONAL)),
    )
    assert [count for count in check.counts if count.times != 1] == [
        CallCount("embed.mul", 2),
        CallCount("view._generated_add_0", 2),
    ]
    assert [layer.label for layer in check.layers] == [
        *(
            "quant",
            "view.proj.0",
            "view._generated_add_0[add]",
            "view.proj.1",
            "view._generated_add_0[add](1)",
        ),
        *("embed.mul[mul]", "embed.mul[mul](1)", "dequant"),
    ]
    assert check.layers[-1].inputs == ("qint8",) and check.layers[-1].outputs == ("torch.float32",)
    assert check.layers[5].inputs == ("qint8", "torch.float32") and check.layers[5].ch_axis == "-1"
    assert [row.name for row in check.suspicious] == ["embed.mul[mul]", "embed.mul[mul](1)"]
    assert check.inputs[-1] == Statistic("total", (("torch.float32", 3), ("qint8", 7)))
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


def test_results_that_go_to_several_are_marked() -> None:
    f = Forward()
    x = f.quant(f.input())
    y = f.module("Conv2d", "conv", x)
    f.output(f.dequant(f.function("mul", f.module("ReLU", "relu", y), y)))
    (sequence,) = model_check(f.flow).sequences
    assert [(member.name, member.shared) for member in sequence] == [("conv", True), ("relu", False)]
