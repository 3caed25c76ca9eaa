"""Which outputs keep the precision of a GEMM op."""

from __future__ import annotations

import pytest

from qatlint.outputs import Precision
from qatlint.runtime.dequants import Feed, compare, feeds
from qatlint.runtime.fuse import fusions
from tests.runtime.forward import Forward


def fed(f: Forward) -> list[Feed]:
    return list(feeds(f.flow, fusions(f.flow)))


def labels(f: Forward, numbers: tuple[int, ...]) -> list[str]:
    return [f.flow.labels[n] for n in numbers]


@pytest.mark.parametrize(
    ("root", "relu", "expected"),
    [
        ("Conv2d", False, Precision.HIGH),
        ("Conv3d", True, Precision.HIGH),
        ("Linear", False, Precision.HIGH),
        ("Linear", True, Precision.HIGH),
        ("Conv1d", True, Precision.VERSION),
        ("ConvTranspose2d", False, Precision.VERSION),
        ("DeformConv2d", False, Precision.VERSION),
        ("DeformConv2d", True, Precision.HIGH),
        ("LayerNorm", False, Precision.NONE),
        ("Unheard", False, Precision.NONE),
    ],
)
def test_what_keeps_its_precision(root: str, relu: bool, expected: Precision) -> None:
    f = Forward()
    x = f.module(root, "root", f.quant(f.input()))
    f.output(f.dequant(f.module("ReLU", "relu", x) if relu else x))
    assert [feed.precision for feed in fed(f)] == [expected]


def test_a_product_of_matrices_is_one_too() -> None:
    f = Forward()
    q = f.quant(f.input())
    f.output(f.dequant(f.function("matmul", q, q)), f.dequant(f.method("matmul", "ff", q, q)))
    assert [feed.precision for feed in fed(f)] == [Precision.HIGH] * 2


@pytest.mark.parametrize("name", ["view", "permute", "sigmoid", "relu6", "torch.cat", "__getitem__"])
def test_any_op_between_costs_the_precision(name: str) -> None:
    f = Forward()
    x = f.module("Conv2d", "conv", f.quant(f.input()))
    middle = f.function("abs", x)
    f.output(f.dequant(f.function(name, middle)))
    (feed,) = fed(f)
    assert feed.precision is Precision.BETWEEN
    assert feed.between == (middle, middle + 1)
    assert (feed.gemm, feed.feeder) == (x, middle + 1)


def test_a_relu_that_does_not_fuse_stands_between() -> None:
    f = Forward()
    x = f.quant(f.input())
    for name in ("conv1", "conv2"):
        x = f.module("ReLU", "relu", f.module("Conv2d", name, x))
    f.output(f.dequant(x))
    (feed,) = fed(f)
    assert (feed.precision, labels(f, feed.between)) == (Precision.BETWEEN, ["relu(1)"])


def test_an_identity_is_looked_through() -> None:
    f = Forward()
    conv = f.module("Conv2d", "conv", f.quant(f.input()))
    f.output(f.dequant(f.module("Identity", "identity", conv)))
    (feed,) = fed(f)
    assert (feed.precision, feed.feeder, feed.others) == (Precision.HIGH, conv, ())


def test_other_users_cost_it_and_other_stubs_do_not() -> None:
    f = Forward()
    conv = f.module("Conv2d", "conv", f.quant(f.input()))
    f.output(f.dequant(conv), f.dequant(conv))
    assert [feed.precision for feed in fed(f)] == [Precision.HIGH] * 2
    sigmoid = f.function("sigmoid", f.module("Identity", "identity", conv))
    assert [(feed.precision, feed.others) for feed in fed(f)] == [(Precision.USERS, (sigmoid,))] * 2


def test_an_unknown_op_is_looked_behind() -> None:
    f = Forward()
    conv = f.module("Conv2d", "conv", f.quant(f.input()))
    f.output(f.dequant(f.function("my.own", conv)))
    (feed,) = fed(f)
    assert (feed.precision, feed.gemm, feed.between) == (Precision.BETWEEN, conv, (conv + 1,))


def test_a_product_that_is_none_of_the_gemm_ops() -> None:
    f = Forward()
    x = f.quant(f.input())
    product = f.function("torch.nn.functional.linear", f.module("Conv2d", "conv", x))
    f.output(f.dequant(f.function("relu", product)))
    (feed,) = fed(f)
    assert (feed.precision, feed.gemm) == (Precision.UNLISTED, product)


def test_nothing_quantised_and_no_gemm() -> None:
    f = Forward()
    x = f.input()
    q = f.quant(x)
    f.output(f.dequant(f.module("Conv2d", "conv", x)), f.dequant(f.function("sigmoid", q)))
    assert [(feed.precision, feed.gemm) for feed in fed(f)] == [
        (Precision.FLOAT, None),
        (Precision.NONE, None),
    ]


def test_moving_the_op_behind_the_stub_is_better() -> None:
    def model(*, moved: bool) -> Forward:
        f = Forward()
        x = f.module("Conv2d", "conv", f.quant(f.input()))
        f.output(f.function("sigmoid", f.dequant(x)) if moved else f.dequant(f.function("sigmoid", x)))
        return f

    before, after = model(moved=False), model(moved=True)
    changed = compare(before.flow, fed(before), after.flow, fed(after))
    assert (len(changed.better), len(changed.worse), len(changed.left)) == (1, 0, 0)
    changed = compare(after.flow, fed(after), before.flow, fed(before))
    assert (len(changed.better), len(changed.worse)) == (0, 1)


def output(precision: Precision) -> tuple[Forward, list[Feed]]:
    """A model with one output of a convolution, as precise as told."""
    f = Forward()
    x = f.input() if precision is Precision.FLOAT else f.quant(f.input())
    x = f.module("ConvTranspose2d" if precision is Precision.VERSION else "Conv2d", "conv", x)
    others = [f.function("sigmoid", x)] if precision is Precision.USERS else []
    if precision is Precision.BETWEEN:
        x = f.function("sigmoid", x)
    if precision is Precision.UNLISTED:
        x = f.function("bmm", x)
    if precision is Precision.NONE:
        x = f.quant(f.constant("c"), "again")
    f.output(f.dequant(x), *others)
    (feed,) = fed(f)
    assert feed.precision is precision
    return f, [feed]


@pytest.mark.parametrize("good", [Precision.HIGH, Precision.VERSION, Precision.FLOAT])
@pytest.mark.parametrize("bad", [Precision.BETWEEN, Precision.USERS, Precision.NONE])
def test_losing_precision_is_worse(good: Precision, bad: Precision) -> None:
    (f, old), (g, new) = output(good), output(bad)
    assert len(compare(f.flow, old, g.flow, new).worse) == 1
    assert len(compare(g.flow, new, f.flow, old).better) == 1


def test_high_precision_is_as_it_should_be_and_the_rest_is_left() -> None:
    # What was executed is known: only source leaves it open.
    for precision in set(Precision) - {Precision.UNKNOWN}:
        f, feed = output(precision)
        changed = compare(f.flow, feed, f.flow, feed)
        assert (len(changed.fine), len(changed.left)) == ((1, 0) if precision is Precision.HIGH else (0, 1))


def test_outputs_stand_beside_those_of_the_same_layer() -> None:
    def model(*roots: str) -> tuple[Forward, list[Feed]]:
        f = Forward()
        q = f.quant(f.input())
        f.output(*(f.dequant(f.module(root, root.lower(), q)) for root in roots))
        return f, fed(f)

    (f, old), (g, new) = model("Conv2d", "Linear", "LayerNorm"), model("Linear", "LayerNorm")
    changed = compare(f.flow, old, g.flow, new)
    (gone,) = [pair for pair in changed.fine if pair.after is None]
    assert gone.before is not None
    assert f.flow.labels[gone.before[1].feeder] == "conv2d"
    assert (len(changed.fine), len(changed.left), changed.better, changed.worse) == (2, 1, (), ())
