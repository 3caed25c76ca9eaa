"""Which sequences fuse, by the table and the counts, and the reason of each that does not."""

from __future__ import annotations

from itertools import pairwise

import pytest

from qatlint.horizon.ops import Confidence
from qatlint.runtime.fuse import Fusion, Reason, Trouble, compare, fusions
from tests.runtime.forward import Forward

ROOTS = {
    "Conv1d": "BatchNorm1d",
    "Conv2d": "BatchNorm2d",
    "Conv3d": "BatchNorm3d",
    "ConvTranspose2d": "BatchNorm2d",
    "DeformConv2d": "BatchNorm2d",
    "Linear": "BatchNorm1d",
}
RELUS = ["ReLU", "ReLU6", "torch.nn.functional.relu", "torch.nn.functional.relu6", "relu", "relu_"]
ADDS = ["FloatFunctional", "add", "add_", "torch.add", "__radd__"]


def write(f: Forward, x: int, other: int, *parts: str, suffix: str = "") -> int:
    """A row of ops: classes as modules of their own, `FloatFunctional` as its `add`, the rest as functions."""
    for part in parts:
        two = (x, other) if "add" in part or part == "FloatFunctional" else (x,)
        if part == "FloatFunctional":
            x = f.method("add", f"ff{suffix}", *two)
        elif part[0].isupper():
            x = f.module(part, part.lower() + suffix, *two)
        else:
            x = f.function(part, *two)
    return x


def only(f: Forward) -> Fusion:
    """The one sequence there is."""
    (found,) = fusions(f.flow)
    return found


def labels(f: Forward, fusion: Fusion) -> list[str]:
    return [f.flow.labels[n] for n in fusion.members]


def begin(*, stubs: bool = True) -> tuple[Forward, int, int]:
    """A forward with two quantised tensors."""
    f = Forward()
    x, y = f.input("x"), f.input("y")
    return (f, f.quant(x), f.quant(y, "quant2")) if stubs else (f, x, y)


def end(f: Forward, *numbers: int) -> Forward:
    f.output(*(f.dequant(n) for n in numbers))
    return f


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("shape", ["B", "BL", "BA", "BAL", "A", "AL", "L"])
def test_every_row_of_the_table_is_one_module(root: str, shape: str) -> None:
    parts = [{"B": ROOTS[root], "A": "FloatFunctional", "L": "ReLU"}[letter] for letter in shape]
    f, x, y = begin()
    fusion = only(end(f, write(f, x, y, root, *parts)))
    assert fusion.whole
    assert fusion.fused == len(shape) + 1
    assert (fusion.reason, fusion.confidence) == (None, Confidence.READ)
    assert fusion.path == ("ff" if "A" in shape else root.lower())


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (["Conv2d", "BatchNorm2d"], "Conv2d"),
        (["Conv2d", "BatchNorm2d", "ReLU"], "ConvReLU2d"),
        (["Conv2d", "ReLU6"], "ConvReLU62d"),
        (["Conv3d", "FloatFunctional"], "ConvAdd3d"),
        (["Conv2d", "FloatFunctional", "ReLU"], "ConvAddReLU2d"),
        (["Linear", "add", "relu"], "LinearAddReLU"),
        (["Linear", "torch.nn.functional.relu6"], "LinearReLU6"),
        (["ConvTranspose2d", "ReLU"], "ConvTransposeReLU2d"),
    ],
)
def test_the_fused_module_has_the_name_of_the_plugin(parts: list[str], name: str) -> None:
    f, x, y = begin()
    assert only(end(f, write(f, x, y, *parts))).class_name == name


@pytest.mark.parametrize("norm", ["SyncBatchNorm", "BatchNorm2d"])
@pytest.mark.parametrize("add", ADDS)
@pytest.mark.parametrize("relu", RELUS)
def test_every_spelling_is_the_same(norm: str, add: str, relu: str) -> None:
    f, x, y = begin()
    fusion = only(end(f, write(f, x, y, "Conv2d", norm, add, relu)))
    assert fusion.whole
    assert fusion.path == ("ff" if add == "FloatFunctional" else "_generated_add_0")


@pytest.mark.parametrize(
    "parts",
    [
        ["Conv2d", "BatchNorm3d"],
        ["Conv2d", "BatchNorm1d"],
        ["Conv2d", "LayerNorm"],
        ["Conv2d", "LeakyReLU"],
        ["Conv2d", "Sigmoid"],
        ["Conv2d", "Identity", "FloatFunctional"],
        ["Conv2d", "flatten", "relu"],
        ["Conv2d", "sub"],
        ["ConvTranspose3d", "BatchNorm3d"],
        ["ConvTranspose1d", "ReLU"],
        ["torch.nn.functional.conv2d", "relu"],
        ["FloatFunctional", "ReLU"],
        ["BatchNorm2d", "ReLU"],
    ],
)
def test_nothing_else_is_a_sequence(parts: list[str]) -> None:
    f, x, y = begin()
    assert fusions(end(f, write(f, x, y, *parts)).flow) == ()


def test_adding_a_number_or_the_tensor_itself_is_no_sequence() -> None:
    f, x, _ = begin()
    conv = f.module("Conv2d", "conv", x)
    other = f.module("Conv2d", "other", x)
    end(f, f.function("add", conv), f.function("add", other, other))
    assert fusions(f.flow) == ()


def test_the_convolution_may_be_the_second_operand() -> None:
    f, x, y = begin()
    conv = f.module("Conv2d", "conv", x)
    assert only(end(f, f.function("add", y, conv))).whole


def test_one_add_absorbs_one_convolution() -> None:
    f, x, _ = begin()
    main = write(f, x, x, "Conv2d", "BatchNorm2d")
    short = write(f, x, x, "Conv2d", "BatchNorm2d", suffix="2")
    end(f, f.module("ReLU", "relu", f.function("add_", main, short)))
    first, second = fusions(f.flow)
    assert labels(f, first) == ["conv2d2", "batchnorm2d2"]
    assert labels(f, second) == ["conv2d", "batchnorm2d", "_generated_add_0[add]", "relu"]
    assert first.whole
    assert second.whole


def test_an_add_takes_the_operand_that_it_can_take() -> None:
    f, x, _ = begin()
    used = f.module("Conv2d", "used", x)
    free = f.module("Conv2d", "free", x)
    end(f, f.function("add", used, free), f.function("sigmoid", used))
    assert labels(f, only(f)) == ["free", "_generated_add_0[add]"]
    assert only(f).whole


def test_outside_of_the_stubs_nothing_fuses() -> None:
    f = Forward()
    x = write(f, f.input(), 0, "Conv2d", "ReLU", suffix="_before")
    x = f.dequant(write(f, f.quant(x), 0, "Conv2d", "ReLU"))
    f.output(write(f, x, 0, "Conv2d", "ReLU", suffix="_after"))
    assert labels(f, only(f)) == ["conv2d", "relu"]


def test_a_model_without_stubs_lies_inside_as_a_whole() -> None:
    f, x, y = begin(stubs=False)
    f.output(write(f, x, y, "Conv2d", "BatchNorm2d", "FloatFunctional", "relu"))
    assert only(f).whole


# Other consumers.


def test_an_inner_result_with_another_user_ends_the_sequence() -> None:
    f, x, y = begin()
    norm = write(f, x, y, "Conv2d", "BatchNorm2d")
    end(f, f.function("relu", norm), f.function("sigmoid", norm))
    fusion = only(f)
    assert labels(f, fusion) == ["conv2d", "batchnorm2d", "_generated_relu_0[relu]"]
    assert (fusion.fused, fusion.reason) == (2, Reason.USERS)
    assert fusion.why == "the result of `batchnorm2d` is also used by `_generated_sigmoid_0[sigmoid]`"


def test_a_convolution_with_another_user_fuses_with_nothing() -> None:
    f, x, _ = begin()
    conv = f.module("Conv2d", "conv", x)
    end(f, f.function("relu", conv), conv)
    assert (only(f).fused, only(f).reason, only(f).path) == (0, Reason.USERS, "")


def test_the_last_result_may_have_many_users() -> None:
    f, x, y = begin()
    relu = write(f, x, y, "Conv2d", "ReLU")
    assert only(end(f, f.function("sigmoid", relu), f.function("tanh", relu), relu)).whole


# Shared members.


def test_a_relu_of_two_convolutions_is_left_alone_and_the_rest_fuses() -> None:
    f, x, _ = begin()
    for name in ("1", "2"):
        x = f.module("Conv2d", f"conv{name}", x)
        x = f.module("BatchNorm2d", f"bn{name}", x)
        x = f.module("ReLU", "relu", x)
    end(f, x)
    for fusion in fusions(f.flow):
        assert (fusion.fused, fusion.reason, fusion.trouble) == (2, Reason.SHARED, Trouble.NONE)
        assert "`relu` runs 2 times" in fusion.why


def test_a_relu_of_two_convolutions_leaves_a_bare_convolution_unfused() -> None:
    f, x, _ = begin()
    for name in ("conv1", "conv2"):
        x = f.module("ReLU", "relu", f.module("Conv2d", name, x))
    assert [fusion.fused for fusion in fusions(end(f, x).flow)] == [0, 0]


def test_a_row_that_is_shared_as_a_whole_is_one_module() -> None:
    f, x, y = begin()
    x = write(f, x, y, "Conv2d", "BatchNorm2d", "ReLU")
    x = write(f, x, y, "Conv2d", "BatchNorm2d", "ReLU")
    assert [(fusion.whole, fusion.path) for fusion in fusions(end(f, x).flow)] == [(True, "conv2d")] * 2


def test_a_shared_convolution_takes_a_relu_of_its_own_at_each_call() -> None:
    f, x, _ = begin()
    for name in ("relu1", "relu2"):
        x = f.module("ReLU", name, f.module("Conv2d", "conv", x))
    assert all(fusion.whole for fusion in fusions(end(f, x).flow))


def test_a_relu_after_one_of_two_calls_gets_into_both() -> None:
    f, x, _ = begin()
    x = f.module("Conv2d", "conv", f.function("relu", f.module("Conv2d", "conv", x)))
    fusion = only(end(f, x))
    assert (fusion.reason, fusion.trouble, fusion.whole) == (Reason.SHARED, Trouble.CHANGES, False)
    assert "`conv` also runs outside" in fusion.why


def test_a_shared_convolution_folds_a_batch_norm_of_its_own_at_each_call() -> None:
    """torch.ao drops one of the two; this toolchain puts the fused module where the batch norm was."""
    f, x, _ = begin()
    for name in ("bn1", "bn2"):
        x = f.module("BatchNorm2d", name, f.module("Conv2d", "conv", x))
    first, second = fusions(end(f, x).flow)
    assert (first.whole, first.path, second.whole, second.path) == (True, "bn1", True, "bn2")


def test_calls_that_do_not_divide_are_not_fused() -> None:
    f, x, _ = begin()
    for name in ("bn", "bn", ""):
        x = f.module("Conv2d", "conv", x)
        x = f.module("BatchNorm2d", name, x) if name else f.function("sigmoid", x)
    fusion, _ = fusions(end(f, x).flow)
    assert (fusion.fused, fusion.reason) == (0, Reason.SHARED)
    assert "`conv` runs 3 times and `bn` runs 2 times" in fusion.why


def test_batch_norm_and_add_have_to_run_equally_often() -> None:
    f, x, y = begin()
    x = write(f, x, y, "Conv2d", "BatchNorm2d", "FloatFunctional")
    x = f.method("add", "ff", f.function("sigmoid", x), y)
    fusion = only(end(f, x))
    assert (fusion.fused, fusion.reason) == (0, Reason.SHARED)
    assert "`batchnorm2d` runs 1 time and `ff` runs 2 times" in fusion.why


@pytest.mark.parametrize("shared", ["BatchNorm2d", "FloatFunctional"])
def test_a_member_of_two_sequences_stops_prepare(shared: str) -> None:
    f, x, y = begin()
    for name in ("conv1", "conv2"):
        x = f.module("Conv2d", name, x)
        x = f.method("add", "ff", x, y) if shared == "FloatFunctional" else f.module(shared, "bn", x)
    for fusion in fusions(end(f, x).flow):
        assert (fusion.fused, fusion.reason, fusion.trouble) == (0, Reason.SHARED, Trouble.STOPS)
        assert "part of different sequences" in fusion.why


@pytest.mark.parametrize("shared", ["BatchNorm2d", "FloatFunctional"])
def test_a_member_that_also_runs_elsewhere_is_lost_there(shared: str) -> None:
    f, x, y = begin()
    x = f.module("MaxPool2d", "pool", write(f, x, y, "Conv2d", shared))
    fusion = only(end(f, write(f, x, y, shared)))
    assert (fusion.fused, fusion.reason, fusion.trouble) == (2, Reason.SHARED, Trouble.CHANGES)
    assert fusion.confidence is Confidence.DEDUCED


def test_a_block_that_runs_again_uses_the_same_modules_again() -> None:
    f, x, y = begin()
    for _ in range(3):
        with f.run("block"):
            x = write(f, x, y, "Conv2d", "add", "relu")
    found = fusions(end(f, x).flow)
    assert [fusion.path for fusion in found] == ["block._generated_add_0"] * 3
    assert all(fusion.whole for fusion in found)


# Scopes.


def seed(block: bool, cameras: int = 3) -> tuple[Forward, tuple[Fusion, ...]]:
    """The first user document: a convolution per camera and two adds in the body of a loop."""
    f, x, y = begin()
    outputs = []
    for camera in range(cameras):

        def body(camera: int) -> int:
            src = f.module("Conv2d", f"input_proj.{camera}.0", x, line=36)
            src = f.function("add", src, y, line=37)
            return f.function("add", src, y, line=38)

        if block:
            with f.block("process"):
                outputs.append(body(camera))
        else:
            outputs.append(body(camera))
    end(f, f.function("torch.cat", *outputs))
    return f, fusions(f.flow)


def test_a_loop_without_a_block_is_the_table_of_the_seed() -> None:
    f, found = seed(block=False)
    assert [[label.partition("[")[0] for label in labels(f, fusion)] for fusion in found] == [
        ["input_proj.0.0", "_generated_add_0"],
        ["input_proj.1.0", "_generated_add_2"],
        ["input_proj.2.0", "_generated_add_4"],
    ]
    for fusion in found:
        assert (fusion.fused, fusion.reason) == (0, Reason.LOOP)
        assert fusion.confidence is Confidence.DEDUCED
        assert "line 37 runs 3 times in one forward" in fusion.why


def test_the_block_of_the_seed_makes_them_fuse() -> None:
    f, found = seed(block=True)
    assert [labels(f, fusion)[1] for fusion in found] == [
        "_generated_add_0[add]",
        "_generated_add_0[add](1)",
        "_generated_add_0[add](2)",
    ]
    assert all(fusion.whole for fusion in found)


def test_what_the_block_made_better() -> None:
    before, after = seed(block=False), seed(block=True)
    changes = compare(before[0].flow, before[1], after[0].flow, after[1])
    assert (len(changes.better), changes.worse, changes.left, changes.fine) == (3, (), (), ())
    back = compare(after[0].flow, after[1], before[0].flow, before[1])
    assert (len(back.worse), back.better) == (3, ())
    same = compare(before[0].flow, before[1], before[0].flow, before[1])
    assert (len(same.left), same.fine) == (3, ())


def test_a_loop_of_modules_needs_no_block() -> None:
    f, x, _ = begin()
    for i in range(3):
        x = f.module("ReLU", f"relu.{i}", f.module("Conv2d", f"conv.{i}", x, line=5), line=6)
    assert all(fusion.whole for fusion in fusions(end(f, x).flow))


def test_one_forward_after_another_is_no_loop() -> None:
    f, x, _ = begin()
    for i in range(2):
        with f.run(f"blocks.{i}"):
            x = f.function("relu", f.module("Conv2d", "conv", x), line=9)
    assert all(fusion.whole for fusion in fusions(end(f, x).flow))


def test_two_calls_on_one_line_are_no_loop() -> None:
    f, x, _ = begin()
    for i in range(2):
        x = f.function("relu", f.module("Conv2d", f"conv{i}", x), line=9, column=8 + i)
    assert all(fusion.whole for fusion in fusions(end(f, x).flow))


@pytest.mark.parametrize(("routes", "whole"), [((1, 2), True), ((1, 1), False)])
def test_a_helper_that_is_called_from_two_places_is_no_loop(routes: tuple[int, int], whole: bool) -> None:
    """As the one of a feature pyramid that adds two levels."""
    f, x, y = begin()
    for i, route in enumerate(routes):
        x = f.function("add", f.module("Conv2d", f"lateral{i}", x), y, line=9, route=route)
    assert [fusion.whole for fusion in fusions(end(f, x).flow)] == [whole] * 2


@pytest.mark.parametrize(("instructions", "whole"), [((4, 8), True), ((4, 4), False)])
def test_where_columns_are_unknown_the_instruction_tells_calls_apart(
    instructions: tuple[int, int], whole: bool
) -> None:
    f, x, _ = begin()
    for i, instruction in enumerate(instructions):
        conv = f.module("Conv2d", f"conv{i}", x)
        x = f.function("relu", conv, line=9, column=0, instruction=instruction)
    assert [fusion.whole for fusion in fusions(end(f, x).flow)] == [whole] * 2


def test_a_block_around_a_loop_is_no_help() -> None:
    f, x, y = begin()
    with f.block("all"):
        for i in range(2):
            x = f.function("add", f.module("Conv2d", f"conv{i}", x), y, line=7)
    for fusion in fusions(end(f, x).flow):
        assert fusion.reason is Reason.LOOP
        assert "in one entry of its dynamic_block" in fusion.why


def test_entries_of_a_block_have_to_do_the_same() -> None:
    f, x, y = begin()
    for i in range(2):
        with f.block("step"):
            x = f.module("MaxPool2d", "pool", x) if i else f.module("Conv2d", "conv", x)
            x = f.function("add", x, y, line=7)
    fusion = only(end(f, x))
    assert (fusion.fused, fusion.reason) == (0, Reason.SCOPES)
    assert "entries of the dynamic_block `step`" in fusion.why


def test_a_block_and_what_follows_it_are_different_scopes() -> None:
    f, x, y = begin()
    with f.block("step"):
        x = f.module("BatchNorm2d", "bn", f.module("Conv2d", "conv", x))
    fusion = only(end(f, f.function("add", x, y)))
    assert (fusion.fused, fusion.reason) == (2, Reason.SCOPES)
    assert "entry 1 of the dynamic_block `step`" in fusion.why
    assert "outside any dynamic_block" in fusion.why


def test_a_block_of_the_caller_counts_for_what_it_runs() -> None:
    f, x, y = begin()
    for _ in range(2):
        with f.block("step"):
            with f.run("inner"):
                x = f.module("Conv2d", "conv", x)
            x = f.function("add", x, y, line=3)
    assert all(fusion.whole for fusion in fusions(end(f, x).flow))


# Order.


@pytest.mark.parametrize(
    ("parts", "side", "words"),
    [
        (["Conv2d", "ReLU", "BatchNorm2d"], "batchnorm2d", "after `relu`"),
        (["Conv2d", "add", "BatchNorm2d"], "batchnorm2d", "after `_generated_add_0[add]`"),
        (["Conv2d", "ReLU", "add"], "_generated_add_0[add]", "after `relu`"),
        (["BatchNorm2d", "Conv2d"], "batchnorm2d", "before `conv2d`"),
        (["BatchNorm2d", "ReLU", "Conv2d"], "batchnorm2d", "before `relu`"),
    ],
)
def test_a_wrong_order_is_named(parts: list[str], side: str, words: str) -> None:
    f, x, y = begin()
    end(f, write(f, x, y, *parts))
    (wrong,) = [fusion for fusion in fusions(f.flow) if fusion.reason is Reason.ORDER]
    assert wrong.fused == 0
    assert wrong.why.startswith(f"`{side}` comes {words}")


def test_a_shortcut_into_an_absorbed_add_is_in_order() -> None:
    f, x, y = begin()
    relu = write(f, x, y, "Conv2d", "ReLU")
    conv = f.module("Conv2d", "conv2", relu)
    found = fusions(end(f, f.function("add", relu, conv)).flow)
    assert [fusion.reason for fusion in found] == [None, None]


# Versions side by side.


def version(relus: tuple[str, str], *, norms: tuple[str, str] = ("bn1", "bn2")) -> Forward:
    """Two layers with a batch norm and a ReLU each."""
    f, x, _ = begin()
    for conv, norm, relu in zip(("conv1", "conv2"), norms, relus, strict=True):
        x = f.module("ReLU", relu, f.module("BatchNorm2d", norm, f.module("Conv2d", conv, x)))
    return end(f, x)


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        (version(("relu", "relu")), version(("relu", "relu1"))),
        (version(("relu", "relu1"), norms=("bn", "bn")), version(("relu", "relu"))),
    ],
    ids=["partly and wholly", "stops and partly"],
)
def test_degrees_of_being_fused(worse: Forward, better: Forward) -> None:
    one, other = (worse.flow, fusions(worse.flow)), (better.flow, fusions(better.flow))
    assert (len(compare(*one, *other).better), compare(*one, *other).worse) == (2, ())
    assert (len(compare(*other, *one).worse), compare(*other, *one).better) == (2, ())


def test_fusing_a_part_is_better_than_nothing_and_worse_than_all() -> None:
    def model(users: int) -> tuple[Forward, tuple[Fusion, ...]]:
        f, x, _ = begin()
        conv = f.module("Conv2d", "conv", x)
        norm = f.module("BatchNorm2d", "bn", conv)
        relu = f.function("relu", norm)
        end(f, relu, *[(), (norm,), (conv, norm)][users])
        return f, fusions(f.flow)

    versions = [model(users) for users in range(3)]
    assert [found[0].fused for _, found in versions] == [3, 2, 0]
    for (f, found), (g, fewer) in pairwise(versions):
        assert len(compare(f.flow, found, g.flow, fewer).worse) == 1
        assert len(compare(g.flow, fewer, f.flow, found).better) == 1


def test_a_sequence_stands_beside_that_of_the_same_root() -> None:
    def model(*roots: str) -> tuple[Forward, tuple[Fusion, ...]]:
        f, x, _ = begin()
        for i, root in enumerate(roots):
            x = f.function("relu", f.module(root, f"{root}{i}", x), line=5 if root == "Linear" else 0)
        end(f, x)
        return f, fusions(f.flow)

    (f, old), (g, new) = model("Conv2d", "Linear", "Linear"), model("Linear", "Linear")
    found = compare(f.flow, old, g.flow, new)
    assert [p.after for p in found.fine] == [None]
    assert len(found.left) == 2


def test_a_wrong_order_is_held_beside_a_wrong_order() -> None:
    f, x, y = begin()
    end(f, write(f, x, y, "Conv2d", "ReLU", "BatchNorm2d"))
    found = compare(f.flow, fusions(f.flow), f.flow, fusions(f.flow))
    assert (len(found.fine), len(found.left), found.better, found.worse) == (1, 1, (), ())
    swapped = compare(f.flow, fusions(f.flow), f.flow, fusions(f.flow)[::-1])
    assert [p.before is None or p.after is None for p in (*swapped.worse, *swapped.better)] == [True, True]


@pytest.mark.parametrize("second", [False, True])
def test_an_add_that_multiplies_is_no_plain_add(second: bool) -> None:
    f, x, y = begin()
    x = f.module("Conv2d", "conv", x)
    x = f.function("torch.add", *((y, x) if second else (x, y)), named=("alpha",))
    assert fusions(end(f, x).flow) == ()


def test_what_stands_behind_an_unknown_op_is_fused_as_ever() -> None:
    """Stripping and fusing go by the graph between the stubs."""
    f, x, _ = begin()
    x = f.module("my.lib:Own", "own", x)
    fusion = only(end(f, write(f, x, x, "Conv2d", "BatchNorm2d", "relu")))
    assert (fusion.whole, fusion.class_name) == (True, "ConvReLU2d")
    assert labels(f, fusion)[-1] == "_generated_relu_0[relu]"
